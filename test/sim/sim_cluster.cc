// The simulated cluster as data.
#include "sim_cluster.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "sim_node.h"
#include "sim_text.h"
#include "sim_tls.h"

constexpr size_t ADDRESSES_A_BLOCK = 250;
constexpr int PORT_TRIES = 20;
constexpr uint64_t FIRST_VERSION = 200;

struct sim_cluster *sim_cluster_new(const struct sim_cluster_options *options)
{
    struct sim_cluster *c = new sim_cluster{};
    c->options = *options;
    c->version = FIRST_VERSION;
    c->born = time(nullptr);
    return c;
}

static void free_nodes(struct sim_cluster *c)
{
    for (auto &[key, pod] : c->pods)
        sim_node_free(pod.node);
    c->pods.clear();
    c->nodes.clear();
    c->slices.clear();
    c->endpoints.clear();
    c->order.clear();
    c->next_address = 0;
    c->next_number = 0;
}

void sim_cluster_free(struct sim_cluster *c)
{
    if (!c)
        return;
    free_nodes(c);
    if (c->authority)
        unlink(c->options.node_ca_file.c_str());
    sim_authority_free(c->authority);
    delete c;
}

// Spreads the nodes over blocks of 256 addresses, of which the first and the last few stay unused.
static struct in_addr next_address(struct sim_cluster *c)
{
    const size_t i = c->next_address++;
    const uint32_t offset =
        static_cast<uint32_t>(i / ADDRESSES_A_BLOCK * 256 + i % ADDRESSES_A_BLOCK + 1);
    return {.s_addr = htonl(ntohl(c->options.first_address.s_addr) + offset)};
}

static std::string address_text(struct in_addr address)
{
    char text[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &address, text, sizeof text);
    return text;
}

static std::string new_uid(struct sim_cluster *c)
{
    uint64_t x = ++c->next_uid * 0x9e3779b97f4a7c15u;
    x ^= x >> 31;
    const uint64_t y = (x * 0xbf58476d1ce4e5b9u) ^ (x >> 27);
    std::string uid;
    text_append(&uid, "%08x-%04x-4%03x-a%03x-%012llx", static_cast<unsigned>(x >> 32),
                static_cast<unsigned>(x >> 16 & 0xffff), static_cast<unsigned>(x & 0xfff),
                static_cast<unsigned>(y >> 52),
                static_cast<unsigned long long>(y & 0xffffffffffff));
    return uid;
}

const std::string &sim_cluster_uid(struct sim_cluster *c, const std::string &key)
{
    std::string &uid = c->uids[key];
    if (uid.empty())
        uid = new_uid(c);
    return uid;
}

// web-<i>-a, db-<i>-b, web-<i>-c, ..: unique over the cluster.
static std::vector<std::string> default_pods(const struct sim_cluster *c, size_t index)
{
    std::vector<std::string> pods;
    for (size_t k = 0; k < c->options.pods_per_node; k++) {
        std::string name = (k % 2 == 0 ? "web-" : "db-") + std::to_string(index + 1) + '-';
        if (k < 26)
            name += static_cast<char>('a' + k);
        else
            name += std::to_string(k);
        pods.push_back(name);
    }
    return pods;
}

static std::string key_of(const struct sim_pod *pod)
{
    return pod->name_space + '/' + pod->name;
}

static void publish_slice(struct sim_cluster *c, enum sim_event_type type, struct sim_slice *slice)
{
    slice->version = ++c->version;
    slice->generation++;
    const struct sim_object object = sim_object_of_slice(slice);
    sim_event_publish(c, type, &object, object.labels);
}

// A slice keeps its endpoints; a new one goes where there is room, or into a new slice.
static struct sim_slice *slice_with_room(struct sim_cluster *c, const std::string &name_space,
                                         bool https)
{
    for (auto at = c->slices.lower_bound(name_space + '/'); at != c->slices.end(); ++at) {
        if (at->second.name_space != name_space)
            break;
        if (at->second.manual_address.empty() && at->second.pods.size() < SLICE_MAX &&
            at->second.https == https)
            return &at->second;
    }
    struct sim_slice slice = {};
    slice.name_space = name_space;
    slice.service = SIM_SERVICE;
    slice.https = https;
    slice.uid = new_uid(c);
    text_append(&slice.name, "%s-%04llu%c", SIM_SERVICE,
                static_cast<unsigned long long>(c->next_slice++), slice.uid.back());
    return &(c->slices[name_space + '/' + slice.name] = slice);
}

// The service selects by label, and lists no pod that has ended.
static bool is_selected(const struct sim_pod *pod)
{
    return pod->app == SIM_APP && pod->phase == "Running";
}

// The last slice of a service stays, empty; of others the controller deletes what lists nothing.
static bool is_only_slice(const struct sim_cluster *c, const struct sim_slice *slice)
{
    for (auto at = c->slices.lower_bound(slice->name_space + '/'); at != c->slices.end(); ++at) {
        if (at->second.name_space != slice->name_space)
            break;
        if (at->second.manual_address.empty() && &at->second != slice)
            return false;
    }
    return true;
}

static void leave_slice(struct sim_cluster *c, struct sim_pod *pod)
{
    const std::string key = pod->slice;
    struct sim_slice *slice = &c->slices.find(key)->second;
    pod->slice.clear();
    if (slice->pods.size() == 1 && !is_only_slice(c, slice)) {
        publish_slice(c, EVENT_DELETED, slice);
        c->slices.erase(key);
        return;
    }
    std::erase(slice->pods, key_of(pod));
    publish_slice(c, EVENT_MODIFIED, slice);
}

static void enter_slice(struct sim_cluster *c, struct sim_pod *pod)
{
    struct sim_slice *slice = slice_with_room(c, pod->name_space, pod->https);
    pod->slice = slice->name_space + '/' + slice->name;
    slice->pods.push_back(key_of(pod));
    publish_slice(c, slice->version == 0 ? EVENT_ADDED : EVENT_MODIFIED, slice);
}

static void update_endpoints(struct sim_cluster *c, const struct sim_pod *pod)
{
    struct sim_endpoints *e = &c->endpoints[pod->name_space];
    const enum sim_event_type type = e->version == 0 ? EVENT_ADDED : EVENT_MODIFIED;
    e->ready.erase(pod->number);
    e->other.erase(pod->number);
    if (!pod->slice.empty() && !pod->terminating)
        (pod->ready ? e->ready : e->other)[pod->number] = pod;
    e->version = ++c->version;
    const struct sim_object object = sim_object_of_endpoints(c, pod->name_space);
    sim_event_publish(c, type, &object, object.labels);
}

// The controllers' part: the slice that lists the pod, and the Endpoints object.
static void update_service(struct sim_cluster *c, struct sim_pod *pod, bool selected)
{
    if (pod->slice.empty() && !selected)
        return;
    if (pod->slice.empty())
        enter_slice(c, pod);
    else if (!selected)
        leave_slice(c, pod);
    else
        publish_slice(c, EVENT_MODIFIED, &c->slices.find(pod->slice)->second);
    update_endpoints(c, pod);
}

void sim_cluster_changed(struct sim_cluster *c, struct sim_pod *pod)
{
    pod->version = ++c->version;
    const struct sim_object object = sim_object_of_pod(pod);
    sim_event_publish(c, pod->published ? EVENT_MODIFIED : EVENT_ADDED, &object,
                      {{"app", pod->published_app}});
    pod->published = true;
    pod->published_app = pod->app;
    update_service(c, pod, is_selected(pod));
}

struct sim_pod *sim_cluster_find(struct sim_cluster *c, const std::string &node)
{
    const auto at = c->nodes.find(node);
    return at == c->nodes.end() ? nullptr : &c->pods.find(at->second)->second;
}

static struct sim_pod pod_of(struct sim_cluster *c, const struct sim_pod_options *options)
{
    struct sim_pod pod = {};
    pod.number = c->next_number++;
    pod.name = options->pod;
    if (pod.name.empty())
        text_append(&pod.name, "%s-%05zu", SIM_SERVICE, pod.number);
    pod.name_space = options->name_space.empty() ? c->options.name_space : options->name_space;
    pod.kube_node = options->kube_node.empty() ? options->name : options->kube_node;
    pod.app = options->app.empty() ? SIM_APP : options->app;
    pod.phase = options->phase.empty() ? "Running" : options->phase;
    pod.ready = options->ready;
    pod.serving = options->ready;
    pod.https = options->https;
    return pod;
}

// What the node shows at this address; null: it speaks plain HTTP, or there is no authority.
static struct ssl_ctx_st *certificate_of(const struct sim_cluster *c, const struct sim_pod *pod,
                                         struct in_addr address)
{
    if (!pod->https || !c->authority)
        return nullptr;
    return sim_authority_issue(c->authority, ("IP:" + address_text(address)).c_str());
}

bool sim_cluster_write_ca(const struct sim_cluster *c)
{
    const std::string part = c->options.node_ca_file + ".part";
    FILE *file = fopen(part.c_str(), "w");
    if (!file)
        return false;
    const bool ok = fputs(c->authority->pem.c_str(), file) >= 0;
    return fclose(file) == 0 && ok && rename(part.c_str(), c->options.node_ca_file.c_str()) == 0;
}

bool sim_cluster_rotate(struct sim_cluster *c, bool write)
{
    struct sim_authority *next = c->authority ? sim_authority_new() : nullptr;
    errno = EINVAL;
    if (!next)
        return false;
    sim_authority_free(c->authority);
    c->authority = next;
    for (auto &[key, pod] : c->pods)
        if (pod.https)
            sim_node_set_tls(pod.node, certificate_of(c, &pod, pod.node->server->options.address));
    return !write || sim_cluster_write_ca(c);
}

struct sim_pod *sim_cluster_add(struct sim_cluster *c, const struct sim_pod_options *options)
{
    struct sim_pod pod = pod_of(c, options);
    const std::string key = key_of(&pod);
    if (c->nodes.contains(options->name) || c->pods.contains(key)) {
        errno = EEXIST;
        return nullptr;
    }
    const struct in_addr address = next_address(c);
    const struct sim_node_options node = {.name = pod.kube_node,
                                          .pods = options->has_pods ? options->pods
                                                                    : default_pods(c, pod.number),
                                          .index = pod.number,
                                          .pods_size = c->options.pods_size,
                                          .base = c->options.base,
                                          .address = address,
                                          .port = c->port,
                                          .tls = certificate_of(c, &pod, address)};
    if (pod.https && !node.tls) {
        errno = EINVAL;
        return nullptr;
    }
    pod.node = sim_node_new(&node);
    if (!pod.node)
        return nullptr;
    c->port = pod.node->server->options.port;
    pod.port = c->port;
    pod.ip = address_text(address);
    pod.uid = new_uid(c);
    struct sim_pod *added = &(c->pods[key] = pod);
    c->nodes[options->name] = key;
    c->order.push_back(options->name);
    sim_cluster_changed(c, added);
    return added;
}

static bool start_all(struct sim_cluster *c, size_t count)
{
    for (size_t i = 1; i <= count; i++) {
        struct sim_pod_options options = {};
        options.name = c->options.prefix + std::to_string(i);
        options.ready = true;
        options.https = c->authority != nullptr;
        if (!sim_cluster_add(c, &options))
            return false;
    }
    return true;
}

// The kernel chooses the port of the first node; where another address has it taken, once more.
bool sim_cluster_start(struct sim_cluster *c, size_t count)
{
    if (!c->options.node_ca_file.empty()) {
        c->authority = sim_authority_new();
        if (!c->authority || !sim_cluster_write_ca(c))
            return false;
    }
    for (int i = 0; i < PORT_TRIES; i++) {
        c->port = 0;
        if (start_all(c, count))
            return true;
        const int reason = errno;
        free_nodes(c);
        errno = reason;
        if (reason != EADDRINUSE)
            return false;
    }
    return false;
}

void sim_cluster_remove(struct sim_cluster *c, const std::string &node)
{
    struct sim_pod *pod = sim_cluster_find(c, node);
    if (!pod)
        return;
    const std::string key = key_of(pod);
    if (!pod->terminating) {
        pod->terminating = true;
        sim_cluster_changed(c, pod);
    }
    pod->version = ++c->version;
    const struct sim_object object = sim_object_of_pod(pod);
    sim_event_publish(c, EVENT_DELETED, &object, object.labels);
    update_service(c, pod, false);
    sim_node_free(pod->node);
    c->pods.erase(key);
    c->nodes.erase(node);
    std::erase(c->order, node);
}

bool sim_cluster_readdress(struct sim_cluster *c, struct sim_pod *pod)
{
    const struct in_addr address = next_address(c);
    if (!sim_node_move(pod->node, address))
        return false;
    pod->ip = address_text(address);
    if (pod->https)
        sim_node_set_tls(pod->node, certificate_of(c, pod, address));
    sim_cluster_changed(c, pod);
    return true;
}

void sim_cluster_add_slice(struct sim_cluster *c, const struct sim_slice *slice)
{
    struct sim_slice copy = *slice;
    const std::string key = copy.name_space + '/' + copy.name;
    const auto old = c->slices.find(key);
    const bool is_new = old == c->slices.end();
    const std::vector<struct sim_label> labels =
        is_new ? std::vector<struct sim_label>{} : sim_object_of_slice(&old->second).labels;
    copy.uid = is_new ? new_uid(c) : old->second.uid;
    copy.generation = is_new ? 1 : old->second.generation + 1;
    copy.version = ++c->version;
    const struct sim_slice *added = &(c->slices[key] = copy);
    const struct sim_object object = sim_object_of_slice(added);
    sim_event_publish(c, is_new ? EVENT_ADDED : EVENT_MODIFIED, &object, labels);
}

bool sim_cluster_remove_slice(struct sim_cluster *c, const std::string &key)
{
    const auto at = c->slices.find(key);
    if (at == c->slices.end())
        return false;
    publish_slice(c, EVENT_DELETED, &at->second);
    for (const std::string &pod : at->second.pods)
        c->pods.find(pod)->second.slice.clear();
    c->slices.erase(at);
    return true;
}
