// What the daemon counts, and its text exposition for Prometheus (format 0.0.4). Pure.
//
// Names, units and labels follow https://prometheus.io/docs/practices/naming/. Counting is an addition or
// two; all else is done when somebody asks.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "outcome.h"

struct metrics;
struct nodes;

[[nodiscard]] struct metrics *metrics_new();
void metrics_free(struct metrics *m);

// A request of a client was answered. `route` and `method` are static texts: a route's pattern, never a path
// that a client made up. Its duration is in microseconds.
void metrics_count_request(struct metrics *m, const char *route, const char *method, int status,
                           int64_t us);

// A node was asked for a client, or it was not, for the reason given. `ms` is how long it took; below zero where
// it was not asked.
void metrics_count_node(struct metrics *m, enum outcome o, enum reason r, int64_t ms);

// How often metrics_count_node was called: whether anything goes on shows by it.
[[nodiscard]] uint64_t metrics_node_requests(const struct metrics *m);

// Members of a reply were renamed.
void metrics_count_collisions(struct metrics *m, uint64_t collisions);

// What the API server said when it was asked about clients; failed: nothing usable.
struct metrics_reviews {
    uint64_t allowed, denied, failed;
};

// What is not counted but so at the moment, or counted elsewhere.
struct metrics_state {
    const struct nodes *nodes; // for their states
    bool per_node;             // also one series of each kind for each node

    uint64_t requests, requests_limit;       // that wait for nodes
    uint64_t connections, connections_limit; // of clients
    uint64_t reply_bytes, reply_bytes_limit; // of nodes, held
    uint64_t shared;                         // requests answered with the broadcast of another

    struct metrics_reviews token_reviews, access_reviews;

    const char *source, *mode; // of discovery
    bool synced;
    int64_t age_ms; // -1: never
    uint64_t lists, watches, events, failures, rejected;

    int64_t longest_turn_ms;

    int64_t cpu_ms; // of the process
    uint64_t resident_bytes, open_descriptors, most_descriptors;
    int64_t started_ms; // wall clock
};

// The exposition, complete.
[[nodiscard]] std::string metrics_text(const struct metrics *m, const struct metrics_state *state);
