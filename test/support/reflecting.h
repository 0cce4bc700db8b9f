// Reflectors on a scripted HTTP client, with what they tell their owner: for tests of what they do when.
#pragma once
#include <string>

#include <event2/event.h>

#include "clock.h"
#include "credentials.h"
#include "fake_http_client.h"
#include "kube_json.h"
#include "reflector.h"

constexpr int64_t PATIENCE_MS = 20000;

struct reflecting {
    struct event_base *base;
    struct http_client *http;
    struct fake_script *script;
    struct credentials *credentials;
    struct kube_client *client;
    struct reflector *reflector;
    unsigned changes, currents, errors;
    std::string message; // of the last error
    bool refused;        // by the last error
    bool stop_on_error;
};

// Pauses so short that tests need not wait, but for those that a test is about.
constexpr struct reflector_pace QUICK = {
    .poll_ms = 5,
    .retry_ms = 1,
    .unreachable_ms = 4,
    .failed_ms = 4,
    .calm_ms = 100000,
    .watch_again_ms = 100000,
    .relist_ms = 100000,
    .head_ms = 100000,
    .silence_ms = 100000,
};

// Setup and teardown of a test: `*state` is a struct reflecting with a reflector of pods.
int reflecting_begin(void **state);
int reflecting_end(void **state);

// Another reflector in its place.
void use(struct reflecting *f, enum kube_resource resource, const struct reflector_pace &pace);

// Adds a reply to the script; none where the status is 0.
void add(struct reflecting *f, int status, const std::string &body);
// The same, of a watch that goes on after these bytes.
void add_watch(struct reflecting *f, const std::string &body);

// Runs the loop until so many requests were sent and the last one was answered as far as it will be.
void run(struct reflecting *f, size_t requests);

// Whether the URL of a request has that part.
[[nodiscard]] bool has(const struct reflecting *f, size_t request, const char *part);
[[nodiscard]] const struct reflector_status *status(const struct reflecting *f);
// Of objects in its store.
[[nodiscard]] size_t count(const struct reflecting *f);
