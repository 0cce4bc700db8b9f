// The control API.
#include "sim_control.h"

#include <arpa/inet.h>

#include <cerrno>
#include <cstring>

#include "sim_answer.h"
#include "sim_call.h"
#include "sim_cluster.h"
#include "sim_http.h"
#include "sim_kube.h"
#include "sim_node.h"
#include "sim_text.h"
#include "sim_tls.h"

struct sim_control {
    struct sim_cluster *cluster;
    struct sim_kube *kube;
    struct sim_server *server;
};

// The nodes that `node=` names. Empty after it has answered.
static std::vector<std::string> named_nodes(const struct sim_call *call)
{
    const std::string text = sim_call_text(call, "node");
    std::vector<std::string> names = text == "*" ? call->cluster->order : text_split(text);
    for (const std::string &name : names) {
        if (sim_cluster_find(call->cluster, name))
            continue;
        sim_call_bad(call, "no node '" + name + "'");
        return {};
    }
    if (names.empty())
        sim_call_bad(call, "node= is missing");
    return names;
}

// The pod of the node that `name=` names; null after it has answered.
static struct sim_pod *named_pod(const struct sim_call *call)
{
    const std::string name = sim_call_text(call, "name");
    struct sim_pod *pod = sim_cluster_find(call->cluster, name);
    if (!pod)
        sim_call_bad(call, "no node '" + name + "'");
    return pod;
}

static void delete_fault(const struct sim_call *call)
{
    bool ok = true;
    const std::vector<std::string> names = named_nodes(call);
    for (const std::string &name : names)
        ok = sim_node_heal(sim_cluster_find(call->cluster, name)->node) && ok;
    if (!names.empty())
        sim_call_done(call, ok);
}

// Where a redirected request is sent: the node after `name`, or the same where it is alone.
static std::string next_node_address(struct sim_cluster *c, const std::string &name)
{
    char text[SIM_ADDRESS_SIZE];
    size_t i = 0;
    while (i < c->order.size() && c->order[i] != name)
        i++;
    const std::string &next = c->order[(i + 1) % c->order.size()];
    sim_server_address(sim_cluster_find(c, next)->node->server, text);
    return text;
}

static void post_fault(const struct sim_call *call)
{
    struct sim_fault fault = {};
    if (!sim_fault_kind_of(sim_call_text(call, "kind"), &fault.kind)) {
        sim_call_bad(call, "kind= is one of: " + sim_fault_names());
        return;
    }
    if (fault.kind == FAULT_NONE) {
        delete_fault(call);
        return;
    }
    fault.method = sim_call_text(call, "method");
    fault.path = sim_call_text(call, "path");
    fault.count = text_query_number(call->query, "count", FAULT_FOR_EVER);
    fault.after_ms = text_query_number(call->query, "after", 0);
    fault.bytes = text_query_number(call->query, "bytes", 0);
    fault.status = static_cast<int>(text_query_number(call->query, "status", 500));
    bool ok = true;
    const std::vector<std::string> names = named_nodes(call);
    for (const std::string &name : names) {
        if (fault.kind == FAULT_REDIRECT)
            fault.location = next_node_address(call->cluster, name);
        ok = sim_node_add_fault(sim_cluster_find(call->cluster, name)->node, &fault) && ok;
    }
    if (!names.empty())
        sim_call_done(call, ok);
}

static void post_node(const struct sim_call *call)
{
    std::string pods;
    struct sim_pod_options options = {};
    options.name = sim_call_text(call, "name");
    options.kube_node = sim_call_text(call, "kube-node");
    options.pod = sim_call_text(call, "pod");
    options.name_space = sim_call_text(call, "namespace");
    options.app = sim_call_text(call, "app");
    options.phase = sim_call_text(call, "phase");
    options.ready = sim_call_flag(call, "ready", true);
    options.https = sim_call_flag(call, "https", call->cluster->authority != nullptr);
    options.has_pods = text_query(call->query, "pods", &pods);
    options.pods = text_split(pods);
    if (options.name.empty()) {
        sim_call_bad(call, "name= is missing");
        return;
    }
    const struct sim_pod *pod = sim_cluster_add(call->cluster, &options);
    sim_call_done(call, pod != nullptr);
    if (pod)
        call->answer->body = pod->ip + ':' + std::to_string(pod->port) + '\n';
}

static void delete_node(const struct sim_call *call)
{
    if (!named_pod(call))
        return;
    sim_cluster_remove(call->cluster, sim_call_text(call, "name"));
    sim_call_ok(call);
}

static void post_node_ready(const struct sim_call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    pod->ready = sim_call_flag(call, "ready", true);
    pod->serving = pod->ready;
    sim_cluster_changed(call->cluster, pod);
    sim_call_ok(call);
}

static void post_node_terminating(const struct sim_call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    pod->terminating = sim_call_flag(call, "terminating", true);
    pod->serving = sim_call_flag(call, "serving", true);
    sim_cluster_changed(call->cluster, pod);
    sim_call_ok(call);
}

static void post_node_readdress(const struct sim_call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    const bool ok = sim_cluster_readdress(call->cluster, pod);
    sim_call_done(call, ok);
    if (ok)
        call->answer->body = pod->ip + ':' + std::to_string(pod->port) + '\n';
}

static void post_node_label(const struct sim_call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    pod->app = sim_call_text(call, "app");
    sim_cluster_changed(call->cluster, pod);
    sim_call_ok(call);
}

static void post_node_phase(const struct sim_call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    pod->phase = sim_call_text(call, "phase");
    sim_cluster_changed(call->cluster, pod);
    sim_call_ok(call);
}

static void post_node_pods(const struct sim_call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    sim_node_set_pods(pod->node, text_split(sim_call_text(call, "pods")), pod->number, 0);
    sim_call_ok(call);
}

static void post_node_hooks(const struct sim_call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    pod->node->hooks = text_split(sim_call_text(call, "hooks"));
    sim_call_ok(call);
}

// The nodes that are named take this token only, or anybody's.
static void post_node_token(const struct sim_call *call)
{
    const std::vector<std::string> names = named_nodes(call);
    for (const std::string &name : names)
        sim_cluster_find(call->cluster, name)->node->token = sim_call_text(call, "value");
    if (!names.empty())
        sim_call_ok(call);
}

// Gives a node that speaks https a certificate of other names.
static void post_node_names(const struct sim_call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    struct ssl_ctx_st *tls = pod->https ? sim_authority_issue(call->cluster->authority,
                                                              sim_call_text(call, "names").c_str())
                                        : nullptr;
    errno = EINVAL;
    if (tls)
        sim_node_set_tls(pod->node, tls);
    sim_call_done(call, tls != nullptr);
}

static void post_node_ca_rotate(const struct sim_call *call)
{
    const bool ok = sim_cluster_rotate(call->cluster, sim_call_flag(call, "write", true));
    sim_call_done(call, ok);
    if (ok && sim_call_flag(call, "reset", false))
        for (auto &[key, pod] : call->cluster->pods)
            sim_server_reset_conns(pod.node->server);
}

static void post_slice(const struct sim_call *call)
{
    struct in_addr address;
    struct sim_slice slice = {};
    slice.name = sim_call_text(call, "name");
    slice.name_space = sim_call_text(call, "namespace");
    slice.service = sim_call_text(call, "service");
    slice.manual_address = sim_call_text(call, "address");
    const uint64_t port = text_query_number(call->query, "port", 0);
    if (slice.name_space.empty())
        slice.name_space = call->cluster->options.name_space;
    if (slice.service.empty())
        slice.service = SIM_SERVICE;
    if (slice.name.empty() || port == 0 || port > UINT16_MAX ||
        inet_pton(AF_INET, slice.manual_address.c_str(), &address) != 1) {
        sim_call_bad(call, "name=, address= and port= are needed");
        return;
    }
    slice.manual_port = static_cast<uint16_t>(port);
    sim_cluster_add_slice(call->cluster, &slice);
    sim_call_ok(call);
}

static void delete_slice(const struct sim_call *call)
{
    std::string name_space = sim_call_text(call, "namespace");
    if (name_space.empty())
        name_space = call->cluster->options.name_space;
    errno = ENOENT;
    sim_call_done(call, sim_cluster_remove_slice(call->cluster,
                                                 name_space + '/' + sim_call_text(call, "name")));
}

static void append_server(std::string *out, const struct sim_server *s)
{
    text_append(out, ",\"accepted\":%llu,\"open\":%zu,\"aborted\":%llu",
                static_cast<unsigned long long>(s->accepted), s->open,
                static_cast<unsigned long long>(s->aborted));
}

static void append_stats(std::string *out, const struct sim_stats *stats,
                         const struct sim_server *server)
{
    *out += '{';
    sim_stats_append(out, stats);
    append_server(out, server);
    *out += ",\"lastRequest\":";
    text_append_json(out, stats->last_head);
    *out += ",\"lastBody\":";
    text_append_json(out, stats->last_body);
}

static void append_api_stats(std::string *out, const struct sim_kube *kube)
{
    *out += ",\"api\":";
    append_stats(out, &kube->stats, kube->server);
    text_append(
        out, ",\"failures\":%llu,\"resources\":", static_cast<unsigned long long>(kube->failures));
    sim_call_append_resources(out, kube);
    *out += '}';
}

static void get_stats(const struct sim_call *call)
{
    const std::string wanted = sim_call_text(call, "node");
    std::string body = "{\"nodes\":{";
    const char *comma = "";
    for (const std::string &name : call->cluster->order) {
        if (!wanted.empty() && wanted != "*" && name != wanted)
            continue;
        const struct sim_node *node = sim_cluster_find(call->cluster, name)->node;
        body += comma;
        comma = ",";
        text_append_json(&body, name);
        body += ':';
        append_stats(&body, &node->stats, node->server);
        text_append(&body, ",\"authorizations\":%llu,\"sessions\":%zu}",
                    static_cast<unsigned long long>(node->stats.authorizations),
                    node->sessions.size());
    }
    body += '}';
    if (wanted.empty())
        append_api_stats(&body, call->kube);
    body += "}\n";
    sim_answer_json(call->answer, 200, body);
}

static void reset_server(struct sim_server *s)
{
    s->accepted = 0;
    s->aborted = 0;
}

static void delete_stats(const struct sim_call *call)
{
    for (auto &[key, pod] : call->cluster->pods) {
        pod.node->stats = {};
        reset_server(pod.node->server);
    }
    call->kube->stats = {};
    for (struct sim_resource_stats &stats : call->kube->resources)
        stats = {};
    call->kube->failures = 0;
    reset_server(call->kube->server);
    sim_call_ok(call);
}

static void get_nodes(const struct sim_call *call)
{
    std::string body;
    for (const std::string &name : call->cluster->order) {
        const struct sim_pod *pod = sim_cluster_find(call->cluster, name);
        text_append(&body, "%s=%s:%u\n", name.c_str(), pod->ip.c_str(), pod->port);
    }
    sim_answer_text(call->answer, 200, body);
}

static const struct {
    const char *method, *path;
    sim_call_fn handle;
} routes[] = {
    {"POST", "/fault", post_fault},
    {"DELETE", "/fault", delete_fault},
    {"GET", "/nodes", get_nodes},
    {"POST", "/node", post_node},
    {"DELETE", "/node", delete_node},
    {"POST", "/node-ready", post_node_ready},
    {"POST", "/node-terminating", post_node_terminating},
    {"POST", "/node-readdress", post_node_readdress},
    {"POST", "/node-label", post_node_label},
    {"POST", "/node-phase", post_node_phase},
    {"POST", "/node-pods", post_node_pods},
    {"POST", "/node-hooks", post_node_hooks},
    {"POST", "/node-token", post_node_token},
    {"POST", "/node-names", post_node_names},
    {"POST", "/node-ca-rotate", post_node_ca_rotate},
    {"POST", "/slice", post_slice},
    {"DELETE", "/slice", delete_slice},
    {"GET", "/stats", get_stats},
    {"DELETE", "/stats", delete_stats},
};

static void on_control_request(struct sim_conn *c, const struct sim_request *r, void *arg)
{
    const struct sim_control *control = static_cast<const struct sim_control *>(arg);
    struct sim_answer a = {};
    const struct sim_call call = {
        .cluster = control->cluster, .kube = control->kube, .query = r->query, .answer = &a};
    sim_answer_text(&a, 404, "no such control request\n");
    for (const auto &route : routes)
        if (r->method == route.method && r->path == route.path)
            route.handle(&call);
    const sim_call_fn handle = sim_call_find(r->method, r->path);
    if (handle)
        handle(&call);
    sim_answer_send(c, &a);
}

struct sim_control *sim_control_new(struct event_base *base, struct sim_cluster *cluster,
                                    struct sim_kube *kube)
{
    struct sim_control *control = new sim_control{};
    control->cluster = cluster;
    control->kube = kube;
    const struct sim_server_options options = {.base = base,
                                               .address = {htonl(INADDR_LOOPBACK)},
                                               .port = 0,
                                               .tls = nullptr,
                                               .on_request = on_control_request,
                                               .arg = control};
    control->server = sim_server_new(&options);
    if (control->server)
        return control;
    delete control;
    return nullptr;
}

void sim_control_free(struct sim_control *control)
{
    if (!control)
        return;
    sim_server_free(control->server);
    delete control;
}

const struct sim_server *sim_control_server(const struct sim_control *control)
{
    return control->server;
}
