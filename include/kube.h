// Kubernetes objects as data: lists of pods, endpoint slices and Endpoints reduced to what is used.
//
// Pure. Whatever a server sends is taken as it comes: any field may be missing, null or of another type,
// and is then as if it was not there; only a document that is no such list is refused.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kube_url.h"

struct kube_port {
    std::string name;
    uint16_t number = 0; // 0: none, or none that exists
    bool tcp = false;
    bool https = false; // appProtocol says so

    bool operator==(const struct kube_port &) const = default;
};

struct kube_pod {
    std::string name, ns, uid, node, phase;
    std::string ip;        // the first valid of podIP and podIPs, or empty
    bool ready = false;    // condition Ready is True
    bool deleting = false; // it has a deletionTimestamp

    bool operator==(const struct kube_pod &) const = default;
};

// An address of a service; its conditions are what Kubernetes says they mean when they are absent.
struct kube_endpoint {
    std::string ip;                        // valid, or empty
    std::string node;                      // empty where not said
    std::string pod_uid, pod_ns, pod_name; // targetRef where it is a pod; else empty
    bool ready = false, serving = false, terminating = false;

    bool operator==(const struct kube_endpoint &) const = default;
};

// An EndpointSlice, or one subset of an Endpoints object: the same thing in an older dress.
struct kube_slice {
    std::string ns, service;
    std::vector<struct kube_port> ports;
    std::vector<struct kube_endpoint> endpoints;
    bool truncated = false; // Endpoints hold 1,000 addresses at most, and this one is full

    bool operator==(const struct kube_slice &) const = default;
};

// One object of a resource.
struct kube_item {
    std::string key;                       // what it is known by: "<namespace>/<name>"
    struct kube_pod pod;                   // of KUBE_PODS
    std::vector<struct kube_slice> slices; // of the others; Endpoints have one a subset

    bool operator==(const struct kube_item &) const = default;
};

// What a list says besides its items.
struct kube_list_end {
    std::string version; // the resourceVersion: what a watch goes on from
    std::string next;    // `continue`; empty: it was the last page
};

// What a server says instead of a list.
struct kube_status {
    int code = 0;
    std::string reason, message;
    int retry_after_s = -1;         // -1: not said
    bool version_too_large = false; // the resource version asked for is none it knows yet
};

enum kube_event_type {
    KUBE_ADDED,
    KUBE_MODIFIED,
    KUBE_DELETED,
    KUBE_BOOKMARK, // nothing but a version
    KUBE_ERROR,    // nothing but a status
    KUBE_UNKNOWN,  // of a kind that is not known yet: to be ignored
};

// What a watch sends. `item` is set for the first three, `version` for all that have one.
struct kube_event {
    enum kube_event_type type = KUBE_UNKNOWN;
    std::string version;
    struct kube_item item;
    struct kube_status status;
};

// Reads one object of a list. False where it has no name, or is not of that resource.
[[nodiscard]] bool kube_parse_item(enum kube_resource resource, const char *data, size_t size,
                                   struct kube_item *item);

// Reads a list, of which the items may have been left out. False and the reason in `error` where it is no
// list of that resource.
[[nodiscard]] bool kube_parse_list_end(enum kube_resource resource, const char *data, size_t size,
                                       struct kube_list_end *end, std::string *error);

// Reads one event of a watch. False and the reason in `error` where it is none, or its object is not of
// that resource or lacks what is needed to go on from it.
[[nodiscard]] bool kube_parse_event(enum kube_resource resource, const char *data, size_t size,
                                    struct kube_event *event, std::string *error);

// False: it is no Status object.
[[nodiscard]] bool kube_parse_status(const char *data, size_t size, struct kube_status *status);
