// GET /v1/tracer-nodes: the database and where discovery stands, as JSON. Pure.
#pragma once
#include <cstddef>
#include <cstdint>

struct discovery_status;
struct nodes;
struct rope;

// What is told besides the nodes.
struct status_facts {
    const struct discovery_status *discovery;
    int64_t now_ms;      // wall clock
    int64_t hold_up_ms;  // the longest that the loop was held up
    size_t in_progress;  // requests that wait for nodes
    size_t max_requests; // how many of them may
};

// Adds the document to `out`.
void status_document(const struct nodes *db, const struct status_facts *facts, struct rope *out);
