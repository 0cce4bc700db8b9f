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
    std::string last_head;                // request line and headers of the last request
};

void sim_stats_count(struct sim_stats *s, std::string_view method, std::string_view path);

// Appends `"requests":{"GET":n,..},"paths":{"GET /v1/pods":n,..}`.
void sim_stats_append(std::string *out, const struct sim_stats *s);
