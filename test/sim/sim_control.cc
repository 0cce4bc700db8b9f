// The control API.
#include "sim_control.h"

#include <arpa/inet.h>

#include <cerrno>
#include <cstring>

#include "sim_answer.h"
#include "sim_cluster.h"
#include "sim_http.h"
#include "sim_kube.h"
#include "sim_node.h"
#include "sim_text.h"

struct sim_control {
    struct sim_cluster *cluster;
    struct sim_kube *kube;
    struct sim_server *server;
};

// What a handler reads and answers.
struct call {
    struct sim_cluster *cluster;
    struct sim_kube *kube;
    std::string_view query;
    struct sim_answer *answer;
};

typedef void (*call_fn)(const struct call *call);

static void answer_ok(const struct call *call)
{
    sim_answer_text(call->answer, 200, "ok\n");
}

static void answer_bad(const struct call *call, const std::string &reason)
{
    sim_answer_text(call->answer, 400, reason + '\n');
}

// Of an operation that set errno.
static void answer_done(const struct call *call, bool ok)
{
    if (ok)
        answer_ok(call);
    else
        sim_answer_text(call->answer, 409, std::string(strerror(errno)) + '\n');
}

static std::string parameter(const struct call *call, const char *name)
{
    std::string value;
    (void)text_query(call->query, name, &value);
    return value;
}

static bool is_true(const struct call *call, const char *name, bool fallback)
{
    const std::string value = parameter(call, name);
    return value.empty() ? fallback : value == "true" || value == "1";
}

static std::vector<std::string> split(std::string_view text)
{
    std::vector<std::string> words;
    while (!text.empty())
        words.emplace_back(text_next(&text, ','));
    return words;
}

// The nodes that `node=` names. Empty after it has answered.
static std::vector<std::string> named_nodes(const struct call *call)
{
    const std::string text = parameter(call, "node");
    std::vector<std::string> names = text == "*" ? call->cluster->order : split(text);
    for (const std::string &name : names) {
        if (sim_cluster_find(call->cluster, name))
            continue;
        answer_bad(call, "no node '" + name + "'");
        return {};
    }
    if (names.empty())
        answer_bad(call, "node= is missing");
    return names;
}

// The pod of the node that `name=` names; null after it has answered.
static struct sim_pod *named_pod(const struct call *call)
{
    const std::string name = parameter(call, "name");
    struct sim_pod *pod = sim_cluster_find(call->cluster, name);
    if (!pod)
        answer_bad(call, "no node '" + name + "'");
    return pod;
}

static void delete_fault(const struct call *call)
{
    bool ok = true;
    const std::vector<std::string> names = named_nodes(call);
    for (const std::string &name : names)
        ok = sim_node_heal(sim_cluster_find(call->cluster, name)->node) && ok;
    if (!names.empty())
        answer_done(call, ok);
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

static void post_fault(const struct call *call)
{
    struct sim_fault fault = {};
    if (!sim_fault_kind_of(parameter(call, "kind"), &fault.kind)) {
        answer_bad(call, "kind= is one of: " + sim_fault_names());
        return;
    }
    if (fault.kind == FAULT_NONE) {
        delete_fault(call);
        return;
    }
    fault.method = parameter(call, "method");
    fault.path = parameter(call, "path");
    fault.count = text_query_number(call->query, "count", FAULT_FOR_EVER);
    fault.after_ms = text_query_number(call->query, "after", 0);
    fault.bytes = text_query_number(call->query, "bytes", 0);
    bool ok = true;
    const std::vector<std::string> names = named_nodes(call);
    for (const std::string &name : names) {
        if (fault.kind == FAULT_REDIRECT)
            fault.location = next_node_address(call->cluster, name);
        ok = sim_node_add_fault(sim_cluster_find(call->cluster, name)->node, &fault) && ok;
    }
    if (!names.empty())
        answer_done(call, ok);
}

static void post_api_fault(const struct call *call)
{
    struct sim_kube_fault fault = {};
    fault.kind = parameter(call, "kind");
    fault.status = static_cast<int>(text_query_number(call->query, "status", 0));
    if (fault.kind.empty() || fault.kind.starts_with("status"))
        fault.kind = "status";
    if (fault.kind == "status" && (fault.status < 400 || fault.status > 599)) {
        answer_bad(call, "status= is missing, or none of an error");
        return;
    }
    fault.path = parameter(call, "path");
    fault.count = text_query_number(call->query, "count", FAULT_FOR_EVER);
    fault.later_pages = text_query_number(call->query, "page", 1) >= 2;
    fault.retry_after = static_cast<unsigned>(
        text_query_number(call->query, "retry-after", fault.status == 429 ? 1 : 0));
    if (sim_kube_add_fault(call->kube, &fault))
        answer_ok(call);
    else if (errno == 0)
        answer_bad(call, "kind= is one of: down hang garbage null-items status");
    else
        answer_done(call, false);
}

static void delete_api_fault(const struct call *call)
{
    answer_done(call, sim_kube_heal(call->kube));
}

static void post_node(const struct call *call)
{
    std::string pods;
    struct sim_pod_options options = {};
    options.name = parameter(call, "name");
    options.kube_node = parameter(call, "kube-node");
    options.pod = parameter(call, "pod");
    options.name_space = parameter(call, "namespace");
    options.app = parameter(call, "app");
    options.phase = parameter(call, "phase");
    options.ready = is_true(call, "ready", true);
    options.has_pods = text_query(call->query, "pods", &pods);
    options.pods = split(pods);
    if (options.name.empty()) {
        answer_bad(call, "name= is missing");
        return;
    }
    const struct sim_pod *pod = sim_cluster_add(call->cluster, &options);
    answer_done(call, pod != nullptr);
    if (pod)
        call->answer->body = pod->ip + ':' + std::to_string(pod->port) + '\n';
}

static void delete_node(const struct call *call)
{
    if (!named_pod(call))
        return;
    sim_cluster_remove(call->cluster, parameter(call, "name"));
    answer_ok(call);
}

static void post_node_ready(const struct call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    pod->ready = is_true(call, "ready", true);
    pod->serving = pod->ready;
    sim_cluster_changed(call->cluster, pod);
    answer_ok(call);
}

static void post_node_terminating(const struct call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    pod->terminating = is_true(call, "terminating", true);
    pod->serving = is_true(call, "serving", true);
    sim_cluster_changed(call->cluster, pod);
    answer_ok(call);
}

static void post_node_readdress(const struct call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    const bool ok = sim_cluster_readdress(call->cluster, pod);
    answer_done(call, ok);
    if (ok)
        call->answer->body = pod->ip + ':' + std::to_string(pod->port) + '\n';
}

static void post_node_label(const struct call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    pod->app = parameter(call, "app");
    sim_cluster_changed(call->cluster, pod);
    answer_ok(call);
}

static void post_node_phase(const struct call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    pod->phase = parameter(call, "phase");
    sim_cluster_changed(call->cluster, pod);
    answer_ok(call);
}

static void post_node_pods(const struct call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    sim_node_set_pods(pod->node, split(parameter(call, "pods")), pod->number, 0);
    answer_ok(call);
}

static void post_node_hooks(const struct call *call)
{
    struct sim_pod *pod = named_pod(call);
    if (!pod)
        return;
    pod->node->hooks = split(parameter(call, "hooks"));
    answer_ok(call);
}

static void post_slices(const struct call *call)
{
    call->kube->options.forbid_slices = is_true(call, "forbidden", false);
    answer_ok(call);
}

static void post_slice(const struct call *call)
{
    struct in_addr address;
    struct sim_slice slice = {};
    slice.name = parameter(call, "name");
    slice.name_space = parameter(call, "namespace");
    slice.service = parameter(call, "service");
    slice.manual_address = parameter(call, "address");
    const uint64_t port = text_query_number(call->query, "port", 0);
    if (slice.name_space.empty())
        slice.name_space = call->cluster->options.name_space;
    if (slice.service.empty())
        slice.service = SIM_SERVICE;
    if (slice.name.empty() || port == 0 || port > UINT16_MAX ||
        inet_pton(AF_INET, slice.manual_address.c_str(), &address) != 1) {
        answer_bad(call, "name=, address= and port= are needed");
        return;
    }
    slice.manual_port = static_cast<uint16_t>(port);
    sim_cluster_add_slice(call->cluster, &slice);
    answer_ok(call);
}

static void delete_slice(const struct call *call)
{
    std::string name_space = parameter(call, "namespace");
    if (name_space.empty())
        name_space = call->cluster->options.name_space;
    errno = ENOENT;
    answer_done(
        call, sim_cluster_remove_slice(call->cluster, name_space + '/' + parameter(call, "name")));
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
}

static void get_stats(const struct call *call)
{
    const std::string wanted = parameter(call, "node");
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
        text_append(&body, ",\"sessions\":%zu}", node->sessions.size());
    }
    body += "},\"api\":";
    append_stats(&body, &call->kube->stats, call->kube->server);
    text_append(&body, ",\"failures\":%llu}}\n",
                static_cast<unsigned long long>(call->kube->failures));
    sim_answer_json(call->answer, 200, body);
}

static void reset_server(struct sim_server *s)
{
    s->accepted = 0;
    s->aborted = 0;
}

static void delete_stats(const struct call *call)
{
    for (auto &[key, pod] : call->cluster->pods) {
        pod.node->stats = {};
        reset_server(pod.node->server);
    }
    call->kube->stats = {};
    call->kube->failures = 0;
    reset_server(call->kube->server);
    answer_ok(call);
}

static void get_nodes(const struct call *call)
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
    call_fn handle;
} routes[] = {
    {"POST", "/fault", post_fault},
    {"DELETE", "/fault", delete_fault},
    {"POST", "/api-fault", post_api_fault},
    {"DELETE", "/api-fault", delete_api_fault},
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
    {"POST", "/slices", post_slices},
    {"POST", "/slice", post_slice},
    {"DELETE", "/slice", delete_slice},
    {"GET", "/stats", get_stats},
    {"DELETE", "/stats", delete_stats},
};

static void on_control_request(struct sim_conn *c, const struct sim_request *r, void *arg)
{
    const struct sim_control *control = static_cast<const struct sim_control *>(arg);
    struct sim_answer a = {};
    const struct call call = {
        .cluster = control->cluster, .kube = control->kube, .query = r->query, .answer = &a};
    sim_answer_text(&a, 404, "no such control request\n");
    for (const auto &route : routes)
        if (r->method == route.method && r->path == route.path)
            route.handle(&call);
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
