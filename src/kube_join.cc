// From endpoint slices and pods to tracer-nodes. Pure.
#include "kube_join.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

// What is known of a pod while the slices are walked: the best of its endpoints so far.
struct candidate {
    bool known;
    std::string ip, node;
    uint16_t port;
    bool https, ready, serving, terminating;
};

struct join {
    std::vector<const struct kube_pod *> pods;
    std::unordered_map<std::string_view, size_t> by_uid;
    std::unordered_map<std::string, size_t> by_name; // "<namespace>/<name>"
    std::vector<struct candidate> best;              // as long as pods
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

static void index_pods(struct join *j)
{
    for (size_t i = 0; i < j->pods.size(); i++) {
        const struct kube_pod &pod = *j->pods[i];
        if (!pod.uid.empty())
            j->by_uid.emplace(pod.uid, i);
        j->by_name.emplace(pod.ns + "/" + pod.name, i);
    }
    j->best.resize(j->pods.size());
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
    if (is_v6(a.ip) != is_v6(b.ip))
        return is_v6(a.ip) == j->prefer_v6;
    return a.ip != b.ip ? a.ip < b.ip : a.port < b.port;
}

static void offer(struct join *j, size_t pod, struct candidate &&c)
{
    if (!j->best[pod].known || is_better(j, c, j->best[pod]))
        j->best[pod] = std::move(c);
}

// The pod behind an endpoint, or the number of pods where none is.
static size_t find_pod(const struct join *j, const struct kube_slice &slice,
                       const struct kube_endpoint &e)
{
    const size_t none = j->pods.size();
    size_t found = none;
    if (!e.pod_uid.empty()) {
        const auto at = j->by_uid.find(e.pod_uid);
        found = at == j->by_uid.end() ? none : at->second;
    } else if (!e.pod_name.empty()) {
        const auto at = j->by_name.find(e.pod_ns + "/" + e.pod_name);
        found = at == j->by_name.end() ? none : at->second;
    }
    return found != none && j->pods[found]->ns == slice.ns ? found : none;
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
        if (is_over(*j->pods[pod]))
            continue;
        if (port == nullptr || e.ip.empty()) {
            out->without_port++;
            continue;
        }
        offer(j, pod,
              {.known = true,
               .ip = e.ip,
               .node = e.node,
               .port = port->number,
               .https = port->https,
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
        const struct kube_pod &pod = *j->pods[i];
        const bool fit = pod.phase == "Running" && !pod.deleting && !pod.ip.empty();
        if (j->best[i].known || !fit || pod.ns != slice.ns)
            continue;
        j->best[i] = {.known = true,
                      .ip = pod.ip,
                      .node = pod.node,
                      .port = port->number,
                      .https = port->https,
                      .ready = pod.ready,
                      .serving = pod.ready,
                      .terminating = false};
    }
}

static struct node_record make_record(const struct kube_pod &pod, const struct candidate &c)
{
    const std::string &node = c.node.empty() ? pod.node : c.node;
    return {
        .key = pod.uid.empty() ? pod.ns + "/" + pod.name : pod.uid,
        .node = node.empty() ? pod.name : node,
        .pod = pod.name,
        .ns = pod.ns,
        .host = c.ip,
        .port = c.port,
        .https = c.https,
        .ready = c.ready,
        .serving = c.serving,
        // Endpoints do not say that a pod is about to go
        .terminating = c.terminating || pod.deleting,
    };
}

void kube_join(const struct kube_store &services, const struct kube_store &pods,
               const struct kube_selector &selector, bool prefer_v6, struct kube_joined *out)
{
    struct join j = {};
    j.prefer_v6 = prefer_v6;
    j.pods.reserve(pods.items.size());
    for (const auto &[key, item] : pods.items)
        j.pods.push_back(&item.pod);
    index_pods(&j);
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
    for (size_t i = 0; i < j.pods.size(); i++) {
        if (!j.best[i].known)
            continue;
        out->records.push_back(make_record(*j.pods[i], j.best[i]));
        out->namespaces.push_back(j.pods[i]->ns);
    }
    std::sort(out->namespaces.begin(), out->namespaces.end());
    const auto last = std::unique(out->namespaces.begin(), out->namespaces.end());
    out->namespaces.erase(last, out->namespaces.end());
}
