// The gate: lets a request through to its handler once it is known whose it is, and that it may.
//
// Who asks is told by a Kubernetes token in Authorization: Bearer. 401: none, or one that is not accepted;
// 403: its user may not; 503: the API server cannot be asked.
#pragma once
#include <cstddef>

#include "http_server.h"

struct auth;
struct gate;

struct gate_options {
    struct auth *auth;     // borrowed
    const char *audience;  // for people; borrowed
    size_t max_waiting;    // requests that wait for a review at once
    http_request_fn enter; // gets those that are let through, with their user set
    void *arg;             // of enter
};

[[nodiscard]] struct gate *gate_new(const struct gate_options *options);

// Those who wait get no answer. Before http_server_free and auth_free.
void gate_free(struct gate *g);

// Calls `enter`, perhaps at once, or answers the request. `any_user`: whoever has a good token may.
void gate_check(struct gate *g, struct http_request *request, bool any_user);

[[nodiscard]] size_t gate_waiting(const struct gate *g);
