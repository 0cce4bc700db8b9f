// Requests counted by method and path.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct sim_count {
    std::string method, path;
    uint64_t requests;
};

struct sim_stats {
    std::vector<struct sim_count> counts; // few: bounded, the rest is counted as path "other"
    uint64_t authorizations;              // requests with such a header
    std::string last_head;                // request line and headers of the last request
    std::string last_body;                // its first bytes
};

// What the API server counts of one resource. Requests that fail count too.
struct sim_resource_stats {
    uint64_t lists, pages;            // lists: their first pages
    uint64_t watch_requests, watches; // watches: those that began
    uint64_t events, bookmarks;
    uint64_t bytes;                    // of bodies
    uint64_t accept_encodings;         // requests with such a header
    std::string last_list, last_watch; // targets as sent
    std::string user_agent;
};

void sim_stats_count(struct sim_stats *s, std::string_view method, std::string_view path);

// Appends `"requests":{"GET":n,..},"paths":{"GET /v1/pods":n,..}`.
void sim_stats_append(std::string *out, const struct sim_stats *s);

// Appends `"lists":n,..`.
void sim_stats_append_resource(std::string *out, const struct sim_resource_stats *s);
