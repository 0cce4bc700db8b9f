// The routes: checks a request, answers it or starts a broadcast for it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "broadcast.h"

struct api;
struct auth;
struct discovery;
struct watchdog;
struct http_request;
struct http_response;

struct api_options {
    struct broadcast_context broadcast; // copied; what it points to is borrowed
    const struct discovery *discovery;  // null: the nodes were given, there is nothing to discover
    const struct watchdog *watchdog;    // of the loop
    int64_t max_timeout_ms;             // the most that one may say
    size_t max_requests;                // broadcasts at once
    int64_t slow_ms;        // what takes so long is always in the log; 0: nothing is slow
    struct auth *auth;      // borrowed; null: everybody may do everything
    const char *audience;   // of the tokens, for people; borrowed
    bool metrics_per_node;  // series of each node too
    size_t max_connections; // of the listener, for /metrics
    bool open_metrics;      // /metrics is for everybody in any case
};

[[nodiscard]] struct api *api_new(const struct api_options *options);

// Ends the broadcasts under way; their clients get no answer. Before http_server_free.
void api_free(struct api *a);

// Fits http_request_fn; `arg` is a struct api.
void api_on_request(void *arg, struct http_request *request);

// Fits http_replied_fn: counts and logs what is answered.
void api_on_replied(void *arg, struct http_request *request, const struct http_response *response);

// Fits http_allow_fn.
[[nodiscard]] const char *api_allow(std::string_view path);

// Fits http_vital_fn: the probes of the kubelet.
[[nodiscard]] bool api_is_vital(std::string_view path);

// From now on /readyz says that this instance goes away.
void api_drain(struct api *a);

// Requests that wait for a broadcast, those whose client has left included, or for a review.
[[nodiscard]] size_t api_in_flight(const struct api *a);
