// Fetches all of one resource from a Kubernetes API: one list at a time, page by page.
//
// Items are parsed and reduced as they arrive; a list is handed on whole or not at all. By itself it begins
// again only where that is known to help at once: when pages have expired, or the version it asked for.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kube.h"
#include "kube_client.h"

struct event_base;
struct lister;

// The list has ended. What is in `items` may be taken; `version` is what a watch goes on from.
typedef void (*lister_list_fn)(void *arg, std::vector<struct kube_item> *items,
                               const std::string &version);

// It has failed. The message says what was listed.
typedef void (*lister_error_fn)(void *arg, const struct kube_answer *answer);

// Texts are copied; pointers are borrowed for the lister's life.
struct lister_options {
    struct event_base *base;
    struct kube_client *client;
    struct kube_list_query query; // resource, namespace and selectors; the rest is not looked at
    int64_t timeout_ms;           // of all pages together; 0: two minutes
    lister_list_fn on_list;
    lister_error_fn on_error;
    void *arg;
};

[[nodiscard]] struct lister *lister_new(const struct lister_options *options);

// Ends what is under way without a callback.
void lister_free(struct lister *l);

// Begins a list; none may be under way. It ends with exactly one call of on_list or on_error, never before
// this returns, unless it is stopped; both may begin the next. With a `version` it may come from the
// server's memory as long as it is not older than that; without, it is the newest state.
void lister_start(struct lister *l, const std::string &version);

// Ends what is under way, if anything, without a callback.
void lister_stop(struct lister *l);
