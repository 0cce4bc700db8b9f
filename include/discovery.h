// Finds the tracer-nodes of a Kubernetes cluster, for as long as the daemon lives.
//
// It joins what two sources say, endpoint slices (or Endpoints, where the role does not allow slices)
// and pods, into node records and hands them to the database. No error of the API server ever takes a
// node out of it: what was known last stays, and the status tells how old it is.
#pragma once
#include <cstdint>
#include <string>

struct discovery;
struct event_base;
struct kube_account;
struct nodes;

struct discovery_options {
    struct event_base *base;
    struct kube_account *account; // borrowed
    struct nodes *nodes;
    int64_t poll_ms;
    int64_t slices_again_ms = 0; // between two tries of slices that were refused; 0: ten minutes
    const char *pods_selector;   // label selector
    const char *svc_selector;    // field selector on metadata.name and metadata.namespace
    const char *ns;              // namespace; null or empty: all
};

// Where discovery stands, for people and for /readyz.
struct discovery_status {
    // "endpointslices", "endpoints", or "none" before the first success
    const char *source = "none";
    const char *mode = "none"; // "watch"; "poll" where watching is not allowed
    bool synced = false;       // all that is needed was listed once
    int64_t age_ms = -1;  // since what is known was last known to be so; -1: nothing was ever known
    uint64_t lists = 0;   // begun, of all resources
    uint64_t watches = 0; // the same
    uint64_t events = 0;  // of watches, bookmarks included
    uint64_t failures = 0;        // of lists and watches
    uint64_t failures_in_row = 0; // of one resource, since it last succeeded
    uint64_t rejected = 0;        // endpoints that no matching pod stands behind
    std::string last_error;       // while it lasts; never a credential
};

// Null and a message for people in `error` where the options make no sense.
[[nodiscard]] struct discovery *discovery_new(const struct discovery_options *options,
                                              std::string *error);

// Begins the first lists.
void discovery_start(struct discovery *d);

void discovery_free(struct discovery *d);

[[nodiscard]] struct discovery_status discovery_get_status(const struct discovery *d);
