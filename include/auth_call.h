// One review at the API server, tried again for as long as that makes sense.
#pragma once
#include <cstdint>
#include <string>

constexpr int64_t AUTH_CALL_MS = 10000; // of all tries of one review
constexpr unsigned AUTH_CALL_TRIES = 5; // at most
constexpr int64_t AUTH_CALL_PAUSE_MS =
    500; // before the second try; half as much again before each next

struct auth_call; // one under way
struct event_base;
struct kube_client;

// What became of it. All is borrowed for the call.
struct auth_reply {
    const char *data; // of the review as it came back; null: there is none
    size_t size;
    std::string problem; // why there is none, for the log
};

typedef void (*auth_call_fn)(void *arg, const struct auth_reply *reply);

struct auth_call_options {
    struct event_base *base;
    struct kube_client *client;
    const char *path; // static
    std::string body; // taken; overwritten when it is not needed any more
    auth_call_fn done;
    void *arg;
};

// `done` is called exactly once, never before this returns, unless it is cancelled. It may start and
// cancel others.
[[nodiscard]] struct auth_call *auth_call_start(struct auth_call_options *options);
void auth_call_cancel(struct auth_call *call);
