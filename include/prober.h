// Asks nodes that did not answer, in the background and with the whole time: whether they hang, and, while
// their circuit is open, whether they are back.
#pragma once
#include <cstddef>
#include <cstdint>

struct event_base;
struct http_client;
struct node_access;
struct nodes;
struct prober;

struct prober_options {
    struct event_base *base;
    struct http_client *http;
    struct nodes *nodes;
    struct node_access *access; // as in broadcast.h
    int64_t timeout_ms;         // of a probe
    size_t max_reply;           // bytes of a probe's reply that are read
};

// Starts looking for nodes that are due.
[[nodiscard]] struct prober *prober_new(const struct prober_options *options);
void prober_free(struct prober *p);
