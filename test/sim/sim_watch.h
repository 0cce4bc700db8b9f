// Watches of the API server: streams of events, one chunk each, with bookmarks and an end.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim_list.h"

struct sim_conn;
struct sim_resource_stats;
struct sim_watch;

constexpr uint64_t BOOKMARK_MS = 60000;

struct sim_watches {
    struct sim_cluster *cluster;
    struct sim_resource_stats *stats; // by resource
    uint64_t bookmark_ms;             // between two bookmarks of a watch
    std::vector<struct sim_watch *> open;
};

// Borrows the cluster, which tells it of all events from now on, and the counters.
void sim_watches_start(struct sim_watches *all, struct sim_cluster *cluster,
                       struct sim_resource_stats *stats);

// The connections have ended before.
void sim_watches_stop(struct sim_watches *all);

[[nodiscard]] bool sim_watch_is_asked(std::string_view query);

// Begins to answer a watch of `target`. False: `a` says what is wrong with the request.
[[nodiscard]] bool sim_watch_start(struct sim_watches *all, struct sim_conn *c,
                                   const struct sim_target *target, const struct sim_request *r,
                                   struct sim_answer *a);

// A bookmark for every watch that allows it and whose path contains `part`, now.
void sim_watch_bookmark(struct sim_watches *all, std::string_view part);

[[nodiscard]] size_t sim_watch_count(const struct sim_watches *all, enum sim_resource resource);
