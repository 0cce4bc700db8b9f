// Finds tracer-nodes: lists slices (or Endpoints) and pods in rounds, and joins them into the database.
//
// A round begins on the timer, lists both at once, and ends when both have ended or one has failed; only
// then is the timer set again, so that rounds never overlap. A round that fails changes nothing.
#include "discovery.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <string_view>
#include <unordered_map>

#include <event2/event.h>
#include <event2/util.h>

#include "clock.h"
#include "credentials.h"
#include "kube_join.h"
#include "log.h"
#include "nodes.h"
#include "reflector.h"

static constexpr int64_t BACKOFF_FIRST_MS = 800;
static constexpr int64_t BACKOFF_MOST_MS = 30 * 1000;
static constexpr int64_t FAILURE_AGAIN_MS =
    10 * 60 * 1000;                                 // between two reminders of one that lasts
constexpr int64_t SLICES_AGAIN_MS = 10 * 60 * 1000; // after they were refused

// A complaint that is logged once, in the second round that has reason for it: two lists made at the
// same time may differ for a moment.
struct complaint {
    unsigned rounds;
};

// Lives from discovery_new to discovery_free. A round from begin_round to end_round.
struct discovery {
    struct event_base *base;
    struct nodes *nodes;
    struct credentials *credentials;
    struct reflector *slices, *endpoints, *pods;
    struct event *timer;
    struct kube_selector selector;
    int64_t poll_ms;
    bool prefer_v6;
    bool all_namespaces; // none was named

    bool use_endpoints;        // the role does not allow slices
    int64_t slices_refused_at; // monotonic
    bool refusal_logged;

    bool services_done, pods_done; // of this round
    struct kube_list services_list, pods_list;

    struct discovery_status status;
    struct complaint rejected, without_port, namespaces;
    enum reflector_failure logged_failure; // the kind of failure that the log knows of
    int64_t failure_logged_ms;             // monotonic
    std::string logged_problem;            // of the credentials
};

static void on_poll(evutil_socket_t, short, void *arg);
static void on_services_sync(void *arg, struct kube_list *list);
static void on_pods_sync(void *arg, struct kube_list *list);
static void on_slices_error(void *arg, const struct reflector_error *error);
static void on_list_error(void *arg, const struct reflector_error *error);

// Where the API server is, and which files go with it.
struct server {
    std::string url;
    const char *token_file, *ca_file;
};

static const char *or_else(const char *text, const char *otherwise)
{
    return text != nullptr && *text != '\0' ? text : otherwise;
}

static bool find_server(const struct discovery_options *o, struct server *s, std::string *error)
{
    s->token_file = or_else(o->token_file, nullptr);
    s->ca_file = or_else(o->ca_file, nullptr);
    if (or_else(o->kube_server, nullptr) != nullptr) {
        std::string problem;
        if (kube_server_parse(o->kube_server, &s->url, &problem))
            return true;
        *error = "--kube-server: " + problem;
        return false;
    }
    const char *const host = or_else(getenv("KUBERNETES_SERVICE_HOST"), nullptr);
    const char *const port = or_else(getenv("KUBERNETES_SERVICE_PORT"), nullptr);
    if (host == nullptr || port == nullptr) {
        *error = "not in a Kubernetes cluster (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT "
                 "are not set): give --kube-server or --nodes";
        return false;
    }
    std::string problem;
    if (!kube_server_parse(kube_server_of(host, port), &s->url, &problem)) {
        *error = "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT: " + problem;
        return false;
    }
    s->token_file = or_else(s->token_file, CREDENTIALS_TOKEN_FILE);
    s->ca_file = or_else(s->ca_file, CREDENTIALS_CA_FILE);
    return true;
}

// Reads both selectors. `ns` is narrowed to the namespace that --svc-selector names.
static bool read_selectors(const struct discovery_options *o, struct kube_selector *selector,
                           std::string *ns, std::string *error)
{
    std::string problem;
    if (!kube_labels_check(or_else(o->pods_selector, ""), &problem)) {
        *error = "--pods-selector: " + problem;
        return false;
    }
    if (!kube_selector_parse(or_else(o->svc_selector, ""), selector, &problem)) {
        *error = "--svc-selector: " + problem;
        return false;
    }
    *ns = or_else(o->ns, "");
    const std::string named = kube_selector_namespace(*selector);
    if (!ns->empty() && !named.empty() && named != *ns) {
        *error =
            "--svc-selector: names namespace '" + named + "', but --namespace is '" + *ns + "'";
        return false;
    }
    if (ns->empty())
        *ns = named;
    return true;
}

static void make_reflectors(struct discovery *d, const struct discovery_options *o,
                            const struct server &server, const std::string &ns)
{
    struct reflector_options options = {
        .base = o->base,
        .http = o->http,
        .credentials = d->credentials,
        .resource = KUBE_PODS,
        .server = server.url,
        .ns = ns,
        .label_selector = or_else(o->pods_selector, ""),
        .field_selector = "",
        .list_timeout_ms = 0,
        .on_sync = on_pods_sync,
        .on_error = on_list_error,
        .arg = d,
    };
    d->pods = reflector_new(&options);
    options.resource = KUBE_SLICES;
    options.label_selector = kube_selector_labels(d->selector);
    options.on_sync = on_services_sync;
    options.on_error = on_slices_error;
    d->slices = reflector_new(&options);
    options.resource = KUBE_ENDPOINTS;
    options.label_selector.clear();
    options.field_selector = kube_selector_fields(d->selector);
    options.on_error = on_list_error;
    d->endpoints = reflector_new(&options);
}

struct discovery *discovery_new(const struct discovery_options *options, std::string *error)
{
    struct server server = {};
    struct kube_selector selector;
    std::string ns;
    if (!read_selectors(options, &selector, &ns, error) || !find_server(options, &server, error))
        return nullptr;
    struct credentials *credentials =
        credentials_new(server.token_file, server.ca_file, clock_monotonic_ms(), error);
    if (credentials == nullptr)
        return nullptr;
    struct discovery *d = new struct discovery();
    d->base = options->base;
    d->nodes = options->nodes;
    d->credentials = credentials;
    d->all_namespaces = ns.empty();
    d->selector = selector;
    d->poll_ms = options->poll_ms;
    d->prefer_v6 = std::string_view(or_else(getenv("POD_IP"), "")).find(':') != std::string::npos;
    d->status.source = "none";
    d->timer = evtimer_new(d->base, on_poll, d);
    if (d->timer == nullptr)
        log_fatal("out of memory");
    make_reflectors(d, options, server, ns);
    if (server.url.starts_with("http://") && server.token_file != nullptr)
        log_warn("the token is not sent to %s: only to https", server.url.c_str());
    return d;
}

void discovery_free(struct discovery *d)
{
    if (d == nullptr)
        return;
    reflector_free(d->slices);
    reflector_free(d->endpoints);
    reflector_free(d->pods);
    credentials_free(d->credentials);
    event_free(d->timer);
    delete d;
}

const struct discovery_status *discovery_get_status(const struct discovery *d)
{
    return &d->status;
}

static void set_timer(struct discovery *d, int64_t ms)
{
    const struct timeval after = {.tv_sec = static_cast<time_t>(ms / 1000),
                                  .tv_usec = static_cast<suseconds_t>(ms % 1000 * 1000)};
    evtimer_add(d->timer, &after);
}

void discovery_start(struct discovery *d)
{
    set_timer(d, 0);
}

// A number from `low` to `high`, so that replicas and failures do not march in step.
static int64_t random_between(int64_t low, int64_t high)
{
    uint32_t random = 0;
    evutil_secure_rng_get_bytes(&random, sizeof random);
    return low + static_cast<int64_t>(random) * (high - low) / UINT32_MAX;
}

// How long to wait after the failures so far: ever longer, but not so long that recovery is late.
static int64_t backoff_ms(const struct discovery *d)
{
    const int64_t most = std::max(d->poll_ms, BACKOFF_MOST_MS);
    int64_t ms = std::min(d->poll_ms, BACKOFF_FIRST_MS);
    for (uint64_t i = 1; i < d->status.failures_in_row && ms < most; i++)
        ms *= 2;
    ms = std::min(ms, most);
    return random_between(ms - ms / 2, ms);
}

// A file that can not be read again is no failure as long as what it held is good.
static void log_problem(struct discovery *d)
{
    const std::string &problem = credentials_problem(d->credentials);
    if (problem == d->logged_problem)
        return;
    if (!problem.empty())
        log_warn("what was read before stays in use: %s", problem.c_str());
    else
        log_info("the token and CA files are good again");
    d->logged_problem = problem;
}

static void begin_round(struct discovery *d)
{
    d->status.rounds++;
    d->status.last_attempt_ms = clock_wall_ms();
    d->services_done = d->pods_done = false;
    if (d->use_endpoints && clock_monotonic_ms() - d->slices_refused_at >= SLICES_AGAIN_MS)
        d->use_endpoints = false;
    reflector_list(d->use_endpoints ? d->endpoints : d->slices);
    reflector_list(d->pods);
}

static void on_poll(evutil_socket_t, short, void *arg)
{
    begin_round(static_cast<struct discovery *>(arg));
}

// A failure is logged once, again when it is of another kind, and now and then while it lasts.
static void log_failure(struct discovery *d, const struct reflector_error *error)
{
    const int64_t now_ms = clock_monotonic_ms();
    if (d->status.failures_in_row > 1 && error->failure == d->logged_failure &&
        now_ms - d->failure_logged_ms < FAILURE_AGAIN_MS) {
        log_debug("discovery fails: %s", error->message);
        return;
    }
    d->logged_failure = error->failure;
    d->failure_logged_ms = now_ms;
    if (d->status.synced)
        log_warn("discovery fails, the tracer-nodes known (%zu) stay in use: %s",
                 nodes_all(d->nodes).size(), error->message);
    else
        log_warn("discovery has not succeeded yet: %s", error->message);
}

static void fail_round(struct discovery *d, const struct reflector_error *error)
{
    reflector_stop(d->slices);
    reflector_stop(d->endpoints);
    reflector_stop(d->pods);
    d->services_list = {};
    d->pods_list = {};
    d->status.failures++;
    d->status.failures_in_row++;
    d->status.last_error = error->message;
    log_failure(d, error);
    log_problem(d);
    set_timer(d, std::max(backoff_ms(d), error->retry_after_ms));
}

static bool is_same(const struct node_record &a, const struct node_record &b)
{
    return a.node == b.node && a.pod == b.pod && a.ns == b.ns && a.host == b.host &&
           a.port == b.port && a.https == b.https && a.ready == b.ready && a.serving == b.serving &&
           a.terminating == b.terminating;
}

static void log_node(const char *what, const struct node_record &r)
{
    log_debug("tracer-node %s (pod %s/%s, %s port %u, %s%s) %s", r.node.c_str(), r.ns.c_str(),
              r.pod.c_str(), r.host.c_str(), static_cast<unsigned>(r.port),
              r.ready ? "ready" : "not ready", r.terminating ? ", terminating" : "", what);
}

// Logs what the database is about to become.
static void log_changes(const struct discovery *d, const std::vector<struct node_record> &records)
{
    std::unordered_map<std::string_view, const struct node_record *> known;
    for (const struct node &node : nodes_all(d->nodes))
        known.emplace(node.record.key, &node.record);
    size_t came = 0, changed = 0;
    for (const struct node_record &record : records) {
        const auto at = known.find(record.key);
        if (at == known.end()) {
            came++;
            log_node("came", record);
            continue;
        }
        if (!is_same(*at->second, record)) {
            changed++;
            log_node("changed", record);
        }
        known.erase(at);
    }
    for (const auto &gone : known)
        log_node("went", *gone.second);
    if (came + changed + known.size() > 0)
        log_info("tracer-nodes: %zu (%zu came, %zu went, %zu changed)", records.size(), came,
                 known.size(), changed);
}

// Whether a complaint is due now.
static bool is_due(struct complaint *c, bool reason)
{
    c->rounds = reason ? std::min(c->rounds + 1, 3U) : 0;
    return c->rounds == 2;
}

static void log_complaints(struct discovery *d, const struct kube_joined &joined)
{
    if (is_due(&d->rejected, joined.rejected > 0))
        log_warn("%zu endpoints are not asked: no pod that matches --pods-selector stands behind",
                 joined.rejected);
    if (is_due(&d->without_port, joined.without_port > 0))
        log_warn("%zu endpoints are not asked: want an address and one TCP port, or one named http "
                 "or https",
                 joined.without_port);
    if (is_due(&d->namespaces, joined.namespaces.size() > 1))
        log_warn(
            "tracer-nodes are found in %zu namespaces, such as %s and %s: --namespace keeps to one",
            joined.namespaces.size(), joined.namespaces[0].c_str(), joined.namespaces[1].c_str());
}

static void note_success(struct discovery *d, size_t count)
{
    struct discovery_status *const s = &d->status;
    s->source = d->use_endpoints ? "endpoints" : "endpointslices";
    if (!s->synced)
        log_info("discovery works, tracer-nodes: %zu, from %s", count, s->source);
    else if (s->failures_in_row > 0)
        log_info("discovery works again, failures in a row: %llu",
                 static_cast<unsigned long long>(s->failures_in_row));
    s->synced = true;
    s->failures_in_row = 0;
    s->last_error.clear();
    s->last_success_ms = clock_wall_ms();
}

// Ends the round where both lists are there.
static void end_round(struct discovery *d)
{
    if (!d->services_done || !d->pods_done)
        return;
    struct kube_joined joined;
    kube_join(d->services_list.slices, d->pods_list.pods, d->selector, d->prefer_v6, &joined);
    d->services_list = {};
    d->pods_list = {};
    d->status.rejected = joined.rejected;
    note_success(d, joined.records.size());
    log_changes(d, joined.records);
    log_complaints(d, joined);
    log_problem(d);
    nodes_replace(d->nodes, &joined.records, d->status.last_success_ms);
    set_timer(d, random_between(d->poll_ms - d->poll_ms / 10, d->poll_ms + d->poll_ms / 10));
}

static void on_services_sync(void *arg, struct kube_list *list)
{
    struct discovery *const d = static_cast<struct discovery *>(arg);
    if (!d->use_endpoints && d->refusal_logged) {
        log_info("endpoint slices may be listed now and are used");
        d->refusal_logged = false;
    }
    d->services_list = std::move(*list);
    d->services_done = true;
    end_round(d);
}

static void on_pods_sync(void *arg, struct kube_list *list)
{
    struct discovery *const d = static_cast<struct discovery *>(arg);
    d->pods_list = std::move(*list);
    d->pods_done = true;
    end_round(d);
}

static bool is_refused(const struct reflector_error *error)
{
    return error->failure == REFLECTOR_FORBIDDEN || error->failure == REFLECTOR_ABSENT;
}

// Slices that may not be listed are no failure as long as Endpoints may.
static void on_slices_error(void *arg, const struct reflector_error *error)
{
    struct discovery *const d = static_cast<struct discovery *>(arg);
    if (!is_refused(error)) {
        fail_round(d, error);
        return;
    }
    if (!d->refusal_logged)
        log_warn("Endpoints are tried, as endpoint slices are refused (the role wants apiGroups "
                 "[\"discovery.k8s.io\"], resources [\"endpointslices\"], verbs "
                 "[\"list\",\"watch\"]%s): %s",
                 d->all_namespaces ? "; a Role of one namespace wants --namespace" : "",
                 error->message);
    d->refusal_logged = true;
    d->use_endpoints = true;
    d->slices_refused_at = clock_monotonic_ms();
    reflector_list(d->endpoints);
}

static void on_list_error(void *arg, const struct reflector_error *error)
{
    struct discovery *const d = static_cast<struct discovery *>(arg);
    // it may be that slices are allowed by now
    if (is_refused(error))
        d->use_endpoints = false;
    fail_round(d, error);
}
