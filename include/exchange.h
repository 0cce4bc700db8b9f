// The requests that wait for a broadcast: each from its start to its reply, or until its client leaves.
#pragma once
#include <cstddef>
#include <cstdint>

#include "broadcast.h"

struct exchanges; // all that are under way
struct http_request;
struct query;

// `context` is copied; what it points to is borrowed.
[[nodiscard]] struct exchanges *exchanges_new(const struct broadcast_context *context);

// Ends the broadcasts under way; their clients get no answer. Before http_server_free.
void exchanges_free(struct exchanges *x);

// Under way, those whose client has left included.
[[nodiscard]] size_t exchanges_count(const struct exchanges *x);

// How many were answered with a broadcast that another had begun as well.
[[nodiscard]] uint64_t exchanges_shared(const struct exchanges *x);

// Asks the nodes and answers the request with what they say. Takes what is in `query`, whose timeout is set.
void exchange_start(struct exchanges *x, struct http_request *request, struct query *query);
