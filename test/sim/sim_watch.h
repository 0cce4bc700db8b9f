// Watches of the API server: streams of events, one chunk each, with bookmarks and an end.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim_list.h"
#include "sim_stream.h"

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

// Begins to answer a watch of `target`, under a fault, which may be plain. False: `a` says what is wrong with the request.
[[nodiscard]] bool sim_watch_start(struct sim_watches *all, struct sim_conn *c,
                                   const struct sim_target *target, const struct sim_request *r,
                                   const struct sim_stream_fault *fault, struct sim_answer *a);

// The three below are about all open watches whose path has `part`.

// A bookmark now, where it is allowed.
void sim_watch_bookmark(struct sim_watches *all, std::string_view part);

// A fault takes hold.
void sim_watch_spoil(struct sim_watches *all, std::string_view part,
                     const struct sim_stream_fault *fault);

// Ends them as a timeout does, or by RST.
void sim_watch_end(struct sim_watches *all, std::string_view part, bool reset);

[[nodiscard]] size_t sim_watch_count(const struct sim_watches *all, enum sim_resource resource);
