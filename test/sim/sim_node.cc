// A tracer-node: state, and the way of a request through its faults.
#include "sim_node.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sim_answer.h"
#include "sim_http.h"
#include "sim_node_api.h"
#include "sim_text.h"

constexpr size_t BODY_SHOWN = 4096;

static const char *const HOOKS[] = {"fail", "silent", "ticker"};

// Makes the reply to GET /v1/pods ahead: benchmarks ask for it more than for anything else.
static void prepare_pods(struct sim_node *node)
{
    struct sim_answer a = {};
    sim_answer_json(&a, 200, node->pods_body);
    node->pods_reply = sim_answer_head(&a, sim_answer_length(a.body.size()));
    node->pods_date = node->pods_reply.find("Date: ") + strlen("Date: ");
    node->pods_reply += a.body;
}

static void send_pods(struct sim_node *node, struct sim_conn *c)
{
    if (node->pods_reply.empty())
        prepare_pods(node);
    memcpy(node->pods_reply.data() + node->pods_date, text_http_date(), TEXT_DATE_SIZE);
    sim_conn_write(c, node->pods_reply);
    sim_conn_finish(c);
}

// Whether the request has the token that the node wants; a 401 in `answer`.
static bool is_allowed(const struct sim_node *node, const struct sim_request *r,
                       struct sim_answer *answer)
{
    if (node->token.empty() || sim_request_header(r, "Authorization") == "Bearer " + node->token)
        return true;
    sim_answer_text(answer, 401, "Unauthorized\n");
    return false;
}

static void on_node_request(struct sim_conn *c, const struct sim_request *r, void *arg)
{
    struct sim_node *node = static_cast<struct sim_node *>(arg);
    sim_stats_count(&node->stats, r->method, r->path);
    node->stats.last_head = r->head;
    node->stats.last_body = r->body.substr(0, BODY_SHOWN);
    node->stats.authorizations += sim_request_has_header(r, "Authorization");
    struct sim_answer a = {};
    if (!is_allowed(node, r, &a)) {
        sim_answer_send(c, &a);
        return;
    }
    struct sim_fault *found = node->faults.empty() ? nullptr : sim_fault_find(&node->faults, r);
    if (!found && r->keep_alive && r->method == "GET" && r->path == "/v1/pods") {
        send_pods(node, c);
        return;
    }
    if (!found) {
        sim_node_answer(node, r, &a);
        sim_answer_send(c, &a);
        return;
    }
    const struct sim_fault fault = *found;
    if (sim_fault_needs_answer(fault.kind))
        sim_node_answer(node, r, &a);
    sim_fault_play(c, &fault, &a);
}

static void append_tasks(std::string *out, const std::vector<unsigned> &tasks)
{
    *out += '[';
    for (size_t i = 0; i < tasks.size(); i++)
        text_append(out, i > 0 ? ",%u" : "%u", tasks[i]);
    *out += ']';
}

static void append_container(std::string *out, const struct sim_container *container)
{
    text_append_json(out, container->pod);
    *out += ":{\"Containers\":{";
    text_append_json(out, container->name);
    *out += ":{\"Id\":";
    text_append_json(out, container->id);
    *out += ",\"Pod\":";
    text_append_json(out, container->pod);
    text_append(out, ",\"Parent\":[%u],\"Tasks\":", container->parent);
    append_tasks(out, container->tasks);
    *out += "}}}";
}

// A node without pods sends a JSON string.
static void make_pods_body(struct sim_node *node)
{
    std::string *body = &node->pods_body;
    body->clear();
    node->pods_reply.clear();
    if (node->containers.empty()) {
        *body = "\"{}\"";
        return;
    }
    *body += '{';
    for (size_t i = 0; i < node->containers.size(); i++) {
        if (i > 0)
            *body += ',';
        append_container(body, &node->containers[i]);
    }
    *body += '}';
}

// Gives the containers as many tasks as it takes to fill `size` bytes.
static void pad_tasks(struct sim_node *node, size_t size)
{
    make_pods_body(node);
    if (node->containers.empty() || node->pods_body.size() >= size)
        return;
    const unsigned pid = node->containers[0].parent + 1000;
    std::string one;
    text_append(&one, ",%u", pid);
    const size_t missing = (size - node->pods_body.size()) / one.size();
    for (size_t i = 0; i < missing; i++) {
        struct sim_container *container = &node->containers[i % node->containers.size()];
        container->tasks.push_back(pid + static_cast<unsigned>(i));
    }
    make_pods_body(node);
}

static struct sim_container container_of(const std::string &pod, size_t index, unsigned number)
{
    struct sim_container container = {};
    container.pod = pod;
    container.name = pod.substr(0, pod.find('-'));
    container.parent = static_cast<unsigned>(10000 + index % 1000 * 20 + number * 2);
    container.tasks.push_back(container.parent + 1);
    // 64 hexadecimal digits, as container runtimes make them
    uint64_t seed = std::hash<std::string>{}(pod);
    for (int i = 0; i < 4; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        text_append(&container.id, "%016llx", static_cast<unsigned long long>(seed));
    }
    return container;
}

void sim_node_set_pods(struct sim_node *node, const std::vector<std::string> &pods, size_t index,
                       size_t pods_size)
{
    std::vector<std::string> sorted = pods;
    std::sort(sorted.begin(), sorted.end());
    node->containers.clear();
    for (const std::string &pod : sorted) {
        const unsigned number = static_cast<unsigned>(node->containers.size());
        node->containers.push_back(container_of(pod, index, number));
    }
    pad_tasks(node, pods_size);
}

struct sim_node *sim_node_new(const struct sim_node_options *options)
{
    struct sim_node *node = new sim_node{};
    node->tls = options->tls;
    const struct sim_server_options server = {.base = options->base,
                                              .address = options->address,
                                              .port = options->port,
                                              .tls = node->tls,
                                              .on_request = on_node_request,
                                              .arg = node};
    node->server = sim_server_new(&server);
    if (!node->server) {
        const int reason = errno;
        sim_node_free(node);
        errno = reason;
        return nullptr;
    }
    node->name = options->name;
    for (const char *hook : HOOKS)
        node->hooks.push_back(hook);
    sim_node_set_pods(node, options->pods, options->index, options->pods_size);
    return node;
}

void sim_node_free(struct sim_node *node)
{
    sim_server_free(node->server);
    SSL_CTX_free(node->tls);
    delete node;
}

void sim_node_set_tls(struct sim_node *node, struct ssl_ctx_st *tls)
{
    node->server->options.tls = tls;
    SSL_CTX_free(node->tls); // open connections hold on to it
    node->tls = tls;
}

bool sim_node_move(struct sim_node *node, struct in_addr address)
{
    struct sim_server_options options = node->server->options;
    options.address = address;
    struct sim_server *server = sim_server_new(&options);
    if (!server)
        return false;
    const enum sim_server_mode mode = node->server->mode;
    sim_server_free(node->server);
    node->server = server;
    return sim_server_set_mode(server, mode);
}

bool sim_node_add_fault(struct sim_node *node, const struct sim_fault *fault)
{
    node->faults.push_back(*fault);
    if (fault->kind == FAULT_SWALLOW)
        return sim_server_set_mode(node->server, SIM_SWALLOWS);
    if (fault->kind != FAULT_REFUSE)
        return true;
    sim_server_reset_conns(node->server);
    return sim_server_set_mode(node->server, SIM_REFUSES);
}

bool sim_node_heal(struct sim_node *node)
{
    node->faults.clear();
    return sim_server_set_mode(node->server, SIM_LISTENS);
}
