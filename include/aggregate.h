// Makes one reply of what all nodes answered: outcomes to status, headers and body. Pure.
#pragma once
#include <cstddef>
#include <vector>

#include "node_reply.h"

struct http_response;

struct aggregate_options {
    struct request_kind kind;
    bool partial_deny; // no answer rather than half of one
    bool view_nodes;   // one entry a node instead of the merged map
};

// Makes the reply. `replies` are all done and ordered by name; the body of `out` refers to theirs and
// keeps them alive by itself.
void aggregate_reply(const std::vector<struct node_reply> &replies,
                     const struct aggregate_options *options, struct http_response *out);
