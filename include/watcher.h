// Follows the changes of one Kubernetes resource from a known version on: one watch at a time.
//
// A watch ends by itself after five to ten minutes, as the server is asked to; what it was for goes on with
// the next. It notices a server that says nothing any more.
#pragma once
#include <cstdint>
#include <string>

#include "kube.h"
#include "kube_client.h"

struct event_base;
struct watcher;

// Why a watch has ended.
enum watch_end_reason {
    WATCH_ENDED,   // the server ended it cleanly
    WATCH_EXPIRED, // its version is not kept any more: list again
    WATCH_DOUBTED, // what was sent makes no sense: list afresh
    WATCH_FAILED,  // all else: watch again from the same version
};

// Texts are borrowed for the call.
struct watch_end {
    enum watch_end_reason reason;
    enum kube_failure failure; // of WATCH_FAILED
    int64_t retry_after_ms;    // what the server asks for; 0: nothing
    int64_t ms;                // how long it took
    uint64_t events;           // bookmarks included
    std::string message;       // for people; empty for WATCH_ENDED
};

// An event, never of type ERROR. What is in it may be taken. It must not start or stop anything.
typedef void (*watcher_event_fn)(void *arg, struct kube_event *event);
// The server has accepted the watch. The same holds.
typedef void (*watcher_begin_fn)(void *arg);
typedef void (*watcher_end_fn)(void *arg, const struct watch_end *end);

// Texts are copied; pointers are borrowed for the watcher's life.
struct watcher_options {
    struct event_base *base;
    struct kube_client *client;
    struct kube_list_query query; // resource, namespace and selectors; the rest is not looked at
    int64_t head_ms;              // until the server has to accept a watch
    int64_t silence_ms;           // the longest silence, once there was a bookmark
    watcher_begin_fn on_begin;
    watcher_event_fn on_event;
    watcher_end_fn on_end;
    void *arg;
};

[[nodiscard]] struct watcher *watcher_new(const struct watcher_options *options);

// Ends what is under way without a callback.
void watcher_free(struct watcher *w);

// Begins a watch; none may be under way. It ends with exactly one call of on_end, never before this
// returns, unless it is stopped; on_end may begin the next.
void watcher_start(struct watcher *w, const std::string &version);

// Ends what is under way, if anything, without a callback.
void watcher_stop(struct watcher *w);
