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
    uint16_t number; // 0: none, or none that exists
    bool tcp;
    bool https; // appProtocol says so
};

struct kube_pod {
    std::string name, ns, uid, node, phase;
    std::string ip; // the first valid of podIP and podIPs, or empty
    bool ready;     // condition Ready is True
    bool deleting;  // it has a deletionTimestamp
};

// An address of a service; its conditions are what Kubernetes says they mean when they are absent.
struct kube_endpoint {
    std::string ip;                        // valid, or empty
    std::string node;                      // empty where not said
    std::string pod_uid, pod_ns, pod_name; // targetRef where it is a pod; else empty
    bool ready, serving, terminating;
};

// An EndpointSlice, or one subset of an Endpoints object: the same thing in an older dress.
struct kube_slice {
    std::string ns, service;
    std::vector<struct kube_port> ports;
    std::vector<struct kube_endpoint> endpoints;
    bool truncated; // Endpoints hold 1,000 addresses at most, and this one is full
};

// A list, or what is there of it: pages add to it.
struct kube_list {
    std::string resource_version; // of the last page
    std::string next;             // `continue` of the last page; empty: it was the last
    std::vector<struct kube_pod> pods;
    std::vector<struct kube_slice> slices;
};

// What a server says instead of a list.
struct kube_status {
    int code = 0;
    std::string reason, message;
    int retry_after_s = -1;         // -1: not said
    bool version_too_large = false; // the resource version asked for is none it knows yet
};

// Adds a page to `list`. False and the reason in `error` where it is no list of that resource; `list`
// is then to be thrown away.
[[nodiscard]] bool kube_parse_list(enum kube_resource resource, const char *data, size_t size,
                                   struct kube_list *list, std::string *error);

// False: it is no Status object.
[[nodiscard]] bool kube_parse_status(const char *data, size_t size, struct kube_status *status);
