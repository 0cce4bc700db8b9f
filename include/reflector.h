// Keeps a copy of one Kubernetes resource up to date: one list, then watches, for as long as it is told to.
//
// No error ever empties the copy: it stays as it was until a list has succeeded whole, which replaces it in
// one step. Failures are tried again with growing, jittered pauses; where watching is not allowed, it lists
// on the poll timer instead, and tries to watch again now and then.
#pragma once
#include <cstdint>
#include <string>

#include "kube_client.h"
#include "kube_store.h"

struct event_base;
struct reflector;

// How long it waits. Milliseconds.
struct reflector_pace {
    int64_t poll_ms;  // between two lists, where watching is not allowed; a tenth more or less
    int64_t retry_ms; // first pause after a failure; doubles with each
    int64_t unreachable_ms; // longest pause after no reply, which costs the server nothing
    int64_t failed_ms;      // longest pause after other failures, which may be twice as long
    int64_t calm_ms;        // so long without a failure makes the pauses short again
    int64_t watch_again_ms; // between two tries to watch where it was refused
    int64_t relist_ms;      // between two lists where watching works; a fifth more or less
    int64_t head_ms;        // a server that lives accepts a watch in that time
    int64_t
        silence_ms; // the longest silence of a watch that has had a bookmark: several are missing then
};

// What the field has settled on (client-go's reflector), for a poll time of `poll_ms`.
[[nodiscard]] struct reflector_pace reflector_pace_of(int64_t poll_ms);

enum reflector_state {
    REFLECTOR_STOPPED,
    REFLECTOR_LISTING,
    REFLECTOR_CONNECTING, // a watch was asked for
    REFLECTOR_WATCHING,   // and accepted
    REFLECTOR_WAITING,    // for the next try, or the next poll
};

struct reflector_status {
    enum reflector_state state = REFLECTOR_STOPPED;
    bool synced = false;          // a list has succeeded since it was started
    bool polling = false;         // watching is not allowed
    int64_t current_ms = 0;       // monotonic: when the server last said something of it; 0: never
    uint64_t lists = 0;           // begun
    uint64_t watches = 0;         // begun
    uint64_t events = 0;          // of watches, bookmarks included
    uint64_t failures = 0;        // of lists and watches
    uint64_t failures_in_row = 0; // since it last succeeded
};

struct reflector_error {
    enum kube_failure failure;
    bool listing; // it was a list that failed
    bool refused; // the role does not allow it or the server does not know it, and not for a moment
    const char *message; // for people, never a credential
};

// Texts are copied; pointers are borrowed for the reflector's life.
struct reflector_options {
    struct event_base *base;
    struct kube_client *client;
    struct kube_list_query query; // resource, namespace and selectors; the rest is not looked at
    struct reflector_pace pace;
    // The copy has changed, or has been there for the first time. It must not start or stop anything.
    void (*on_change)(void *arg);
    // The server has answered: the copy is as new as can be. The same holds.
    void (*on_current)(void *arg);
    // A list or a watch has failed and will be tried again by itself. It may stop this reflector, and start
    // others, but not free it.
    void (*on_error)(void *arg, const struct reflector_error *error);
    void *arg;
};

[[nodiscard]] struct reflector *reflector_new(const struct reflector_options *options);
void reflector_free(struct reflector *r);

// Begins to list and then to watch; nothing where it is at it already.
void reflector_start(struct reflector *r);

// Ends what is under way. The copy stays as it is, but does not count as synced any more.
void reflector_stop(struct reflector *r);

// Begins the watch under way anew, from where it was: the server does not answer elsewhere.
void reflector_restart_watch(struct reflector *r);

// Borrowed until the next event.
[[nodiscard]] const struct kube_store *reflector_store(const struct reflector *r);
[[nodiscard]] const struct reflector_status *reflector_get_status(const struct reflector *r);
