// Makes one reply of what all nodes answered: outcomes to status, headers and body. Pure.
//
// It goes on in steps, as there may be thousands of nodes with millions of members.
#pragma once
#include <cstddef>
#include <vector>

#include "node_reply.h"

struct http_response;

struct aggregate_options {
    struct request_kind kind;
    bool partial_deny; // no answer rather than half of one
    bool view_nodes;   // one entry a node instead of the merged map
    size_t others =
        0; // nodes that did not have to be asked, as they can not have it: they count as miss
};

struct aggregate; // a reply that is being made

// Begins to make the reply. `replies` are all done and ordered by name. Everything is borrowed until
// aggregate_free; the body of `out` refers to those of the replies and keeps them alive by itself.
[[nodiscard]] struct aggregate *aggregate_new(const std::vector<struct node_reply> *replies,
                                              const struct aggregate_options *options,
                                              struct http_response *out);

// Goes on with at most so many nodes or members. True: the reply is whole.
[[nodiscard]] bool aggregate_step(struct aggregate *a, size_t most);

void aggregate_free(struct aggregate *a);
