// The Kubernetes API server: lists and watches of pods, endpointslices and endpoints, with selectors, pages,
// resource versions and permissions, and the faults of the server itself.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim_kube_fault.h"
#include "sim_review.h"
#include "sim_stats.h"
#include "sim_watch.h"

struct event_base;
struct sim_account;
struct sim_cluster;
struct sim_server;

struct sim_kube_options {
    struct event_base *base;
    struct sim_cluster *cluster;
    struct sim_account *account; // null: plain HTTP. Borrowed.
    std::string token;           // empty: anybody may ask
    uint64_t page_limit;         // 0: none
    bool forbid_slices, forbid_watches;
};

struct sim_kube {
    struct sim_kube_options options;
    struct sim_server *server;
    struct sim_stats stats;
    struct sim_resource_stats resources[RESOURCES];
    struct sim_watches watches;
    struct sim_reviews reviews;
    std::vector<std::string> unwatched; // parts of paths that may not be watched
    std::vector<struct sim_kube_fault> faults;
    uint64_t failures; // injected
};

// Null, with errno.
[[nodiscard]] struct sim_kube *sim_kube_new(const struct sim_kube_options *options);
void sim_kube_free(struct sim_kube *k);

// Adds a fault; kind "down" closes the listener and resets the connections. False, with errno or 0,
// where the kind is unknown.
[[nodiscard]] bool sim_kube_add_fault(struct sim_kube *k, const struct sim_kube_fault *fault);
// Heals all, or what hits watches only.
[[nodiscard]] bool sim_kube_heal(struct sim_kube *k);
void sim_kube_heal_watches(struct sim_kube *k);

// Shows the certificate of another certification authority to new connections. False: all stays.
[[nodiscard]] bool sim_kube_rotate(struct sim_kube *k);

// Whether the caller's role may watch paths that have `part`. Open watches stay.
void sim_kube_forbid_watches(struct sim_kube *k, const std::string &part, bool forbidden);
