// From endpoint slices and pods to tracer-nodes. Pure.
#include "kube_join.h"

#include <algorithm>
#include <functional>
#include <string_view>

// The best of a pod's endpoints so far, while the slices are walked. All is borrowed from the stores.
struct candidate {
    const std::string *ip, *node; // null: none is known
    const struct kube_port *port;
    bool ready, serving, terminating;
};

// A pod's place by the hash of its uid.
struct uid_hash {
    size_t hash, pod;
};

struct join {
    std::vector<const struct kube_item *> pods; // ordered by key
    std::vector<struct uid_hash> by_uid;        // ordered by hash: half the cost of a table
    std::vector<struct candidate> best;         // as long as pods
    bool prefer_v6;
};

const struct kube_port *kube_choose_port(const std::vector<struct kube_port> &ports)
{
    const struct kube_port *only = nullptr, *named = nullptr;
    size_t usable = 0;
    for (const struct kube_port &port : ports) {
        if (!port.tcp || port.number == 0)
            continue;
        usable++;
        only = &port;
        if (named == nullptr && (port.name == "http" || port.name == "https"))
            named = &port;
    }
    return usable == 1 ? only : named;
}

static bool is_over(const struct kube_pod &pod)
{
    return pod.phase == "Succeeded" || pod.phase == "Failed";
}

static bool is_v6(const std::string &ip)
{
    return ip.find(':') != ip.npos;
}

static bool hash_is_less(const struct uid_hash &a, const struct uid_hash &b)
{
    return a.hash < b.hash;
}

static void index_pods(struct join *j, const struct kube_store &pods)
{
    j->pods.reserve(pods.items.size());
    j->by_uid.reserve(pods.items.size());
    for (const auto &[key, item] : pods.items) {
        if (!item.pod.uid.empty())
            j->by_uid.push_back(
                {.hash = std::hash<std::string>()(item.pod.uid), .pod = j->pods.size()});
        j->pods.push_back(&item);
    }
    std::stable_sort(j->by_uid.begin(), j->by_uid.end(), hash_is_less);
    j->best.resize(j->pods.size());
}

static size_t find_uid(const struct join *j, const std::string &uid)
{
    const struct uid_hash wanted = {.hash = std::hash<std::string>()(uid), .pod = 0};
    auto at = std::lower_bound(j->by_uid.begin(), j->by_uid.end(), wanted, hash_is_less);
    for (; at != j->by_uid.end() && at->hash == wanted.hash; ++at)
        if (j->pods[at->pod]->pod.uid == uid)
            return at->pod;
    return j->pods.size();
}

// Whether `a` is to be asked rather than `b`, of the same pod. A strict order, so that the same lists
// give the same nodes whatever the order of their items.
static bool is_better(const struct join *j, const struct candidate &a, const struct candidate &b)
{
    if (a.ready != b.ready)
        return a.ready;
    if (a.terminating != b.terminating)
        return b.terminating;
    if (a.serving != b.serving)
        return a.serving;
    if (is_v6(*a.ip) != is_v6(*b.ip))
        return is_v6(*a.ip) == j->prefer_v6;
    return *a.ip != *b.ip ? *a.ip < *b.ip : a.port->number < b.port->number;
}

static void offer(struct join *j, size_t pod, const struct candidate &c)
{
    if (j->best[pod].ip == nullptr || is_better(j, c, j->best[pod]))
        j->best[pod] = c;
}

static bool key_is_less(const struct kube_item *item, const std::string &key)
{
    return item->key < key;
}

static size_t find_key(const struct join *j, const std::string &key)
{
    const auto at = std::lower_bound(j->pods.begin(), j->pods.end(), key, key_is_less);
    return at != j->pods.end() && (*at)->key == key ? static_cast<size_t>(at - j->pods.begin())
                                                    : j->pods.size();
}

// The pod behind an endpoint, or the number of pods where none is.
static size_t find_pod(const struct join *j, const struct kube_slice &slice,
                       const struct kube_endpoint &e)
{
    const size_t none = j->pods.size();
    size_t found = none;
    if (!e.pod_uid.empty())
        found = find_uid(j, e.pod_uid);
    else if (!e.pod_name.empty())
        found = find_key(j, e.pod_ns + "/" + e.pod_name);
    return found != none && j->pods[found]->pod.ns == slice.ns ? found : none;
}

static void join_slice(struct join *j, const struct kube_slice &slice, struct kube_joined *out)
{
    const struct kube_port *const port = kube_choose_port(slice.ports);
    for (const struct kube_endpoint &e : slice.endpoints) {
        const size_t pod = find_pod(j, slice, e);
        if (pod == j->pods.size()) {
            out->rejected++;
            continue;
        }
        if (is_over(j->pods[pod]->pod))
            continue;
        if (port == nullptr || e.ip.empty()) {
            out->without_port++;
            continue;
        }
        offer(j, pod,
              {.ip = &e.ip,
               .node = &e.node,
               .port = port,
               .ready = e.ready,
               .serving = e.serving,
               .terminating = e.terminating});
    }
}

// Adds the pods of its namespace that a full Endpoints object has no room for. It drops those that are
// not ready first.
static void join_truncated(struct join *j, const struct kube_slice &slice)
{
    const struct kube_port *const port = kube_choose_port(slice.ports);
    for (size_t i = 0; port != nullptr && i < j->pods.size(); i++) {
        const struct kube_pod &pod = j->pods[i]->pod;
        const bool fit = pod.phase == "Running" && !pod.deleting && !pod.ip.empty();
        if (j->best[i].ip != nullptr || !fit || pod.ns != slice.ns)
            continue;
        j->best[i] = {.ip = &pod.ip,
                      .node = &pod.node,
                      .port = port,
                      .ready = pod.ready,
                      .serving = pod.ready,
                      .terminating = false};
    }
}

static const std::string &node_of(const struct kube_pod &pod, const struct candidate &c)
{
    const std::string &node = c.node->empty() ? pod.node : *c.node;
    return node.empty() ? pod.name : node;
}

static struct node_record make_record(const struct kube_pod &pod, const struct candidate &c)
{
    return {
        .key = pod.uid.empty() ? pod.ns + "/" + pod.name : pod.uid,
        .node = node_of(pod, c),
        .pod = pod.name,
        .ns = pod.ns,
        .host = *c.ip,
        .port = c.port->number,
        .https = c.port->https,
        .ready = c.ready,
        .serving = c.serving,
        // Endpoints do not say that a pod is about to go
        .terminating = c.terminating || pod.deleting,
    };
}

// The pods that are nodes, ordered by node. The pods come in the order of their namespaces.
static std::vector<size_t> choose_pods(const struct join *j, std::vector<std::string> *namespaces)
{
    std::vector<size_t> chosen;
    chosen.reserve(j->pods.size());
    for (size_t i = 0; i < j->pods.size(); i++) {
        if (j->best[i].ip == nullptr)
            continue;
        chosen.push_back(i);
        const std::string &ns = j->pods[i]->pod.ns;
        if (namespaces->empty() || namespaces->back() != ns)
            namespaces->push_back(ns);
    }
    std::stable_sort(chosen.begin(), chosen.end(), [j](size_t a, size_t b) {
        return node_of(j->pods[a]->pod, j->best[a]) < node_of(j->pods[b]->pod, j->best[b]);
    });
    return chosen;
}

void kube_join(const struct kube_store &services, const struct kube_store &pods,
               const struct kube_selector &selector, bool prefer_v6, struct kube_joined *out)
{
    struct join j = {};
    j.prefer_v6 = prefer_v6;
    index_pods(&j, pods);
    std::vector<const struct kube_slice *> slices;
    for (const auto &[key, item] : services.items)
        for (const struct kube_slice &slice : item.slices)
            if (kube_selector_matches(selector, slice.ns, slice.service))
                slices.push_back(&slice);
    for (const struct kube_slice *slice : slices)
        join_slice(&j, *slice, out);
    for (const struct kube_slice *slice : slices)
        if (slice->truncated)
            join_truncated(&j, *slice);
    const std::vector<size_t> chosen = choose_pods(&j, &out->namespaces);
    out->records.reserve(chosen.size());
    for (const size_t i : chosen)
        out->records.push_back(make_record(j.pods[i]->pod, j.best[i]));
}
