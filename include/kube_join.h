// From endpoint slices and pods to tracer-nodes: the rules of what counts as one, and where it is asked.
//
// Pure. An endpoint is taken only where a pod of the selector stands behind it, in the namespace of its
// slice: anybody may write an endpoint, but who can label a pod there is trusted.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "kube_store.h"
#include "nodes.h"

struct kube_joined {
    std::vector<struct node_record> records; // ordered by node, as the database is
    size_t rejected = 0;                     // endpoints that no pod of the selector stands behind
    size_t without_port = 0;                 // endpoints of which no port or address can be told
    std::vector<std::string> namespaces;     // of the records, ordered
};

// The port of a service that is to be asked, or null: the only one for TCP, else the one named http or
// https. Borrowed from `ports`.
[[nodiscard]] const struct kube_port *kube_choose_port(const std::vector<struct kube_port> &ports);

// A node with both an IPv4 and an IPv6 endpoint is asked on the one `prefer_v6` says.
void kube_join(const struct kube_store &services, const struct kube_store &pods,
               const struct kube_selector &selector, bool prefer_v6, struct kube_joined *out);
