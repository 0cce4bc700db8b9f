// The text exposition.
#include <cstdio>
#include <initializer_list>
#include <string>

#include "metrics_data.h"
#include "nodes.h"

#define PREFIX "tracer_svc_"

// One label of a series.
struct label {
    const char *name;
    std::string_view value;
};

static std::string escaped(std::string_view value)
{
    std::string out;
    for (const char c : value)
        if (c == '\n')
            out += "\\n";
        else if (c == '"' || c == '\\')
            out += {'\\', c};
        else
            out += c;
    return out;
}

static std::string number_text(double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.15g", value);
    return text;
}

static void head(std::string *out, const char *name, const char *type, const char *help)
{
    *out += std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
}

static void sample(std::string *out, const std::string &name,
                   std::initializer_list<struct label> labels, const std::string &value)
{
    *out += name;
    const char *before = "{";
    for (const struct label &l : labels) {
        *out += before + std::string(l.name) + "=\"" + escaped(l.value) + "\"";
        before = ",";
    }
    *out += (labels.size() > 0 ? "} " : " ") + value + "\n";
}

static void one(std::string *out, const char *name, const char *type, const char *help,
                const std::string &value)
{
    head(out, name, type, help);
    sample(out, name, {}, value);
}

static void counter(std::string *out, const char *name, const char *help, uint64_t value)
{
    one(out, name, "counter", help, std::to_string(value));
}

static void gauge(std::string *out, const char *name, const char *help, uint64_t value)
{
    one(out, name, "gauge", help, std::to_string(value));
}

static std::string seconds(int64_t ms)
{
    return number_text(static_cast<double>(ms) / 1e3);
}

// `by` has no name: the histogram has no label but that of its buckets.
static void histogram_text(std::string *out, const std::string &name, const struct label &by,
                           const struct histogram *h)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= METRICS_BUCKET_COUNT; i++) {
        count += h->counts[i];
        const std::string le = i < METRICS_BUCKET_COUNT ? number_text(METRICS_BUCKETS[i]) : "+Inf";
        if (by.name)
            sample(out, name + "_bucket", {by, {"le", le}}, std::to_string(count));
        else
            sample(out, name + "_bucket", {{"le", le}}, std::to_string(count));
    }
    if (by.name) {
        sample(out, name + "_sum", {by}, number_text(h->sum));
        sample(out, name + "_count", {by}, std::to_string(count));
    } else {
        sample(out, name + "_sum", {}, number_text(h->sum));
        sample(out, name + "_count", {}, std::to_string(count));
    }
}

static void add_requests(std::string *out, const struct metrics *m, const struct metrics_state *s)
{
    head(out, PREFIX "http_requests_total", "counter", "Requests of clients that were answered.");
    for (const auto &[series, count] : m->requests)
        sample(out, PREFIX "http_requests_total",
               {{"route", series.route},
                {"method", series.method},
                {"code", std::to_string(series.status)}},
               std::to_string(count));
    head(out, PREFIX "http_request_duration_seconds", "histogram",
         "From a request's last byte to its reply.");
    for (const auto &[route, histogram] : m->durations)
        histogram_text(out, PREFIX "http_request_duration_seconds", {"route", route}, &histogram);
    gauge(out, PREFIX "http_requests_waiting", "Requests that wait for nodes or for a review.",
          s->requests);
    gauge(out, PREFIX "http_requests_waiting_limit", "How many may wait; beyond: 503.",
          s->requests_limit);
    gauge(out, PREFIX "http_connections", "Connections of clients.", s->connections);
    gauge(out, PREFIX "http_connections_limit", "How many may have a request under way.",
          s->connections_limit);
    counter(out, PREFIX "http_requests_shared_total",
            "Requests that were answered with the node requests of another.", s->shared);
}

static void add_node_requests(std::string *out, const struct metrics *m)
{
    head(out, PREFIX "node_requests_total", "counter",
         "What became of nodes that were to be asked, those that were not asked included.");
    for (int o = OUTCOME_OK; o <= OUTCOME_FAILED; o++)
        for (int r = REASON_NONE; r <= REASON_NODE_ERROR; r++)
            if (m->node_requests[o][r] > 0)
                sample(out, PREFIX "node_requests_total",
                       {{"outcome", outcome_name(static_cast<enum outcome>(o))},
                        {"reason", reason_name(static_cast<enum reason>(r))}},
                       std::to_string(m->node_requests[o][r]));
    head(out, PREFIX "node_request_duration_seconds", "histogram",
         "How long nodes took that were asked.");
    histogram_text(out, PREFIX "node_request_duration_seconds", {nullptr, ""}, &m->node_durations);
    counter(out, PREFIX "reply_collisions_total",
            "Members that were renamed, as two nodes sent the same name.", m->collisions);
}

static void add_nodes(std::string *out, const struct metrics_state *s)
{
    uint64_t ready = 0, terminating = 0, open = 0, failing = 0;
    const std::vector<struct node> &all = nodes_all(s->nodes);
    for (const struct node &n : all) {
        terminating += n.record.terminating;
        ready += n.record.ready && !n.record.terminating;
        open += n.breaker.open;
        failing += n.asked && n.outcome == OUTCOME_FAILED;
    }
    head(out, PREFIX "nodes", "gauge", "Known tracer-nodes, as Kubernetes says how they are.");
    sample(out, PREFIX "nodes", {{"state", "ready"}}, std::to_string(ready));
    sample(out, PREFIX "nodes", {{"state", "not-ready"}},
           std::to_string(all.size() - ready - terminating));
    sample(out, PREFIX "nodes", {{"state", "terminating"}}, std::to_string(terminating));
    gauge(out, PREFIX "nodes_failing", "Nodes that gave no usable answer when last asked.",
          failing);
    gauge(out, PREFIX "nodes_circuit_open", "Nodes that are not waited for any more.", open);
}

static void add_each_node(std::string *out, const struct metrics_state *s)
{
    const std::vector<struct node> &all = nodes_all(s->nodes);
    head(out, PREFIX "node_up", "gauge",
         "Whether the node gave a usable answer when last asked; absent before.");
    for (const struct node &n : all)
        if (n.asked)
            sample(out, PREFIX "node_up", {{"node", n.face->name}},
                   n.outcome == OUTCOME_FAILED ? "0" : "1");
    head(out, PREFIX "node_last_duration_seconds", "gauge",
         "How long the node took when last asked.");
    for (const struct node &n : all)
        if (n.asked)
            sample(out, PREFIX "node_last_duration_seconds", {{"node", n.face->name}},
                   seconds(n.ms));
}

static void add_reviews_of(std::string *out, const char *kind, const struct metrics_reviews *r)
{
    const char *const name = PREFIX "auth_reviews_total";
    sample(out, name, {{"kind", kind}, {"outcome", "allowed"}}, std::to_string(r->allowed));
    sample(out, name, {{"kind", kind}, {"outcome", "denied"}}, std::to_string(r->denied));
    sample(out, name, {{"kind", kind}, {"outcome", "failed"}}, std::to_string(r->failed));
}

// With zeros: where a series begins with its first failure, no rate shows that failure.
static void add_reviews(std::string *out, const struct metrics_state *s)
{
    head(out, PREFIX "auth_reviews_total", "counter",
         "What the Kubernetes API server said of tokens and rights; failed: nothing usable.");
    add_reviews_of(out, "token", &s->token_reviews);
    add_reviews_of(out, "access", &s->access_reviews);
}

static void add_discovery(std::string *out, const struct metrics_state *s)
{
    head(out, PREFIX "discovery_info", "gauge", "Where nodes are found, and how.");
    sample(out, PREFIX "discovery_info", {{"source", s->source}, {"mode", s->mode}}, "1");
    gauge(out, PREFIX "discovery_synced", "Whether discovery has succeeded once.", s->synced);
    one(out, PREFIX "discovery_age_seconds", "gauge",
        "Since what is known of nodes was last known to be so; NaN: never.",
        s->age_ms < 0 ? "NaN" : seconds(s->age_ms));
    counter(out, PREFIX "discovery_lists_total", "Lists begun, of all resources.", s->lists);
    counter(out, PREFIX "discovery_watches_total", "Watches begun, of all resources.", s->watches);
    counter(out, PREFIX "discovery_events_total", "Events of watches.", s->events);
    counter(out, PREFIX "discovery_failures_total", "Lists and watches that failed.", s->failures);
    gauge(out, PREFIX "discovery_rejected_endpoints",
          "Endpoints that no pod of the selector stands behind.", s->rejected);
}

static void add_process(std::string *out, const struct metrics_state *s)
{
    one(out, PREFIX "loop_turn_longest_seconds", "gauge",
        "The longest that one turn of the event loop has kept the others waiting.",
        seconds(s->longest_turn_ms));
    one(out, "process_cpu_seconds_total", "counter", "User and system CPU time.",
        seconds(s->cpu_ms));
    gauge(out, "process_resident_memory_bytes", "Resident memory.", s->resident_bytes);
    gauge(out, "process_open_fds", "Open file descriptors.", s->open_descriptors);
    gauge(out, "process_max_fds", "The most file descriptors.", s->most_descriptors);
    one(out, "process_start_time_seconds", "gauge", "When the process began, since 1970.",
        seconds(s->started_ms));
    head(out, PREFIX "build_info", "gauge", "The version that runs.");
    sample(out, PREFIX "build_info", {{"version", TRACER_SVC_VERSION}}, "1");
}

std::string metrics_text(const struct metrics *m, const struct metrics_state *state)
{
    std::string out;
    add_requests(&out, m, state);
    add_node_requests(&out, m);
    add_nodes(&out, state);
    if (state->per_node)
        add_each_node(&out, state);
    gauge(&out, PREFIX "reply_bytes", "Bytes of node replies that are held.", state->reply_bytes);
    gauge(&out, PREFIX "reply_bytes_limit", "How many may be held.", state->reply_bytes_limit);
    add_reviews(&out, state);
    add_discovery(&out, state);
    add_process(&out, state);
    return out;
}
