// Finds tracer-nodes: keeps slices (or Endpoints) and pods by reflectors, and joins them into the database.
//
// Reflectors say that something has changed; the join follows from a timer of its own, so that many changes
// at once are one join. The poll timer is for what must not depend on changes: asking whether the API
// server is still there, trying slices again where they were refused, complaints.
#include "discovery.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <event2/event.h>

#include "clock.h"
#include "discovery_log.h"
#include "discovery_setup.h"
#include "kube_account.h"
#include "kube_client.h"
#include "kube_join.h"
#include "log.h"
#include "nodes.h"
#include "reflector.h"
#include "timer.h"

static constexpr int64_t JOIN_MS = 200;      // between two joins
static constexpr size_t STORED_A_TURN = 512; // nodes
static constexpr int64_t SLICES_AGAIN_MS = 10 * 60 * 1000;
static constexpr int64_t CHECK_MS = 5000;
static constexpr unsigned CHECKS_MISSED_MAX = 2; // then the watches are begun anew

// Lives from discovery_new to discovery_free.
struct discovery {
    struct event_base *base;
    struct nodes *nodes;
    const struct kube_account *account;
    struct kube_client *client; // of the account
    struct reflector *slices, *endpoints, *pods;
    struct reflector *services; // slices or endpoints, whichever is joined; null: none is there yet
    struct event *poll_timer, *join_timer, *store_timer;
    struct kube_selector selector;
    int64_t poll_ms, slices_again_ms;
    bool prefer_v6;
    bool all_namespaces; // none was named

    int64_t slices_refused_ms; // monotonic
    bool refusal_logged;

    struct kube_call *check;   // null: none is under way
    unsigned checks_missed;    // in a row
    int64_t checked_ms;        // monotonic: when the server last answered one
    int64_t joined_ms;         // monotonic
    struct kube_joined joined; // the last join; its records until they are stored
    bool storing;              // what was joined is on its way into the database
    bool synced;
    uint64_t joins;
    std::string last_error;
    struct discovery_log log;
};

static bool has_synced(const struct reflector *r)
{
    return reflector_get_status(r)->synced;
}

// Slices as soon as they are there; Endpoints only where there are none.
static void choose_source(struct discovery *d)
{
    if (!has_synced(d->slices)) {
        if (has_synced(d->endpoints))
            d->services = d->endpoints;
        return;
    }
    if (d->services == d->endpoints)
        log_info("endpoint slices may be listed now and are used");
    d->refusal_logged = false;
    d->services = d->slices;
    reflector_stop(d->endpoints);
}

static const char *source_name(const struct discovery *d)
{
    if (!d->synced)
        return "none";
    return d->services == d->slices ? "endpointslices" : "endpoints";
}

// Stores what was joined in the database, the first time in steps.
static void on_store(evutil_socket_t, short, void *arg)
{
    struct discovery *const d = static_cast<struct discovery *>(arg);
    if (!d->storing)
        discovery_log_changes(d->nodes, d->joined.records);
    d->storing = !nodes_prepare(d->nodes, &d->joined.records, STORED_A_TURN);
    if (d->storing) {
        timer_start(d->store_timer, 0);
        return;
    }
    nodes_replace(d->nodes, &d->joined.records, clock_wall_ms());
    const bool first = !d->synced;
    d->synced = true;
    if (first)
        log_info("discovery works, tracer-nodes: %zu, from %s", nodes_all(d->nodes).size(),
                 source_name(d));
}

// Joins what the reflectors hold. With thousands of nodes that is enough for one turn of the loop.
static void on_join(evutil_socket_t, short, void *arg)
{
    struct discovery *const d = static_cast<struct discovery *>(arg);
    if (d->storing) {
        timer_start(d->join_timer, 0);
        return;
    }
    choose_source(d);
    if (d->services == nullptr || !has_synced(d->pods))
        return;
    d->joined_ms = clock_monotonic_ms();
    d->joins++;
    d->joined = {};
    kube_join(*reflector_store(d->services), *reflector_store(d->pods), d->selector, d->prefer_v6,
              &d->joined);
    timer_start(d->store_timer, 0);
}

static void on_change(void *arg)
{
    struct discovery *const d = static_cast<struct discovery *>(arg);
    if (evtimer_pending(d->join_timer, nullptr))
        return;
    const int64_t since_ms = clock_monotonic_ms() - d->joined_ms;
    timer_start(d->join_timer,
                d->joins == 0 ? 0 : std::clamp<int64_t>(JOIN_MS - since_ms, 0, JOIN_MS));
}

static uint64_t failures_in_row(const struct reflector *r)
{
    return r == nullptr ? 0 : reflector_get_status(r)->failures_in_row;
}

static void on_current(void *arg)
{
    struct discovery *const d = static_cast<struct discovery *>(arg);
    if (d->last_error.empty() || d->services == nullptr || failures_in_row(d->services) > 0 ||
        failures_in_row(d->pods) > 0)
        return;
    d->last_error.clear();
    discovery_log_success(&d->log);
}

static void note_error(struct discovery *d, const struct reflector_error *error, uint64_t in_row)
{
    d->last_error = error->message;
    // a watch that breaks off is nothing to speak of, as long as the next one holds
    if (!error->listing && in_row < 2)
        log_debug("discovery: %s", error->message);
    else
        discovery_log_failure(&d->log, error, d->synced, nodes_all(d->nodes).size());
}

// Slices that may not be listed are no failure as long as Endpoints may.
static void on_slices_error(void *arg, const struct reflector_error *error)
{
    struct discovery *const d = static_cast<struct discovery *>(arg);
    if (!error->refused) {
        note_error(d, error, failures_in_row(d->slices));
        return;
    }
    if (!d->refusal_logged)
        log_warn("Endpoints are tried, as endpoint slices are refused (the role wants apiGroups "
                 "[\"discovery.k8s.io\"], resources [\"endpointslices\"], verbs "
                 "[\"list\",\"watch\"]%s): %s",
                 d->all_namespaces ? "; a Role of one namespace wants --namespace" : "",
                 error->message);
    d->refusal_logged = true;
    d->slices_refused_ms = clock_monotonic_ms();
    reflector_stop(d->slices);
    reflector_start(d->endpoints);
}

static void on_endpoints_error(void *arg, const struct reflector_error *error)
{
    struct discovery *const d = static_cast<struct discovery *>(arg);
    note_error(d, error, failures_in_row(d->endpoints));
    if (error->refused) // it may be that slices are allowed by now
        reflector_start(d->slices);
}

static void on_pods_error(void *arg, const struct reflector_error *error)
{
    struct discovery *const d = static_cast<struct discovery *>(arg);
    note_error(d, error, failures_in_row(d->pods));
}

static bool is_watching(const struct reflector *r)
{
    return r != nullptr && reflector_get_status(r)->state == REFLECTOR_WATCHING;
}

static bool on_check_data(void *, const char *, size_t)
{
    return true; // what it says does not matter
}

static void on_check_done(void *arg, const struct kube_answer *answer)
{
    struct discovery *const d = static_cast<struct discovery *>(arg);
    d->check = nullptr;
    if (answer->failure != KUBE_UNREACHABLE) {
        d->checks_missed = 0;
        if (answer->failure != KUBE_DENIED && answer->failure != KUBE_BUSY)
            d->checked_ms = clock_monotonic_ms();
        return;
    }
    if (++d->checks_missed < CHECKS_MISSED_MAX)
        return;
    log_debug("discovery: the API server does not answer, the watches are begun anew");
    d->checks_missed = 0;
    reflector_restart_watch(d->services);
    reflector_restart_watch(d->pods);
}

// A watch is silent while nothing changes, and so is one whose server is gone. The smallest question there
// is tells the two apart. Where lists or watches fail anyhow, they find out by themselves.
static void check_server(struct discovery *d)
{
    if (d->check != nullptr || !is_watching(d->services) || !is_watching(d->pods))
        return;
    const struct kube_request request = {
        .path = "/version",
        .timeout_ms = CHECK_MS,
        .max_body = 65536,
        .on_data = on_check_data,
        .done = on_check_done,
        .arg = d,
    };
    d->check = kube_get(d->client, &request);
}

static void on_poll(evutil_socket_t, short, void *arg)
{
    struct discovery *const d = static_cast<struct discovery *>(arg);
    timer_start(d->poll_timer, d->poll_ms);
    check_server(d);
    discovery_log_complaints(&d->log, &d->joined);
    discovery_log_problem(&d->log, kube_account_problem(d->account));
    if (d->services == d->endpoints &&
        clock_monotonic_ms() - d->slices_refused_ms >= d->slices_again_ms)
        reflector_start(d->slices);
}

static void make_reflectors(struct discovery *d, const struct discovery_setup *setup)
{
    struct reflector_options options = {
        .base = d->base,
        .client = d->client,
        .query = {},
        .pace = reflector_pace_of(d->poll_ms),
        .on_change = on_change,
        .on_current = on_current,
        .on_error = on_pods_error,
        .arg = d,
    };
    options.query.resource = KUBE_PODS;
    options.query.ns = setup->ns;
    options.query.label_selector = setup->pods_selector;
    d->pods = reflector_new(&options);
    options.query.resource = KUBE_SLICES;
    options.query.label_selector = kube_selector_labels(setup->selector);
    options.on_error = on_slices_error;
    d->slices = reflector_new(&options);
    options.query.resource = KUBE_ENDPOINTS;
    options.query.label_selector.clear();
    options.query.field_selector = kube_selector_fields(setup->selector);
    options.on_error = on_endpoints_error;
    d->endpoints = reflector_new(&options);
}

struct discovery *discovery_new(const struct discovery_options *options, std::string *error)
{
    struct discovery_setup setup = {};
    if (!discovery_setup_read(options, &setup, error))
        return nullptr;
    struct discovery *d = new struct discovery();
    d->base = options->base;
    d->nodes = options->nodes;
    d->account = options->account;
    d->client = kube_account_client(d->account);
    d->all_namespaces = setup.ns.empty();
    d->selector = setup.selector;
    d->poll_ms = options->poll_ms;
    d->slices_again_ms = options->slices_again_ms > 0 ? options->slices_again_ms : SLICES_AGAIN_MS;
    const char *const own_ip = getenv("POD_IP");
    d->prefer_v6 = own_ip != nullptr && std::string_view(own_ip).find(':') != std::string::npos;
    d->poll_timer = evtimer_new(d->base, on_poll, d);
    d->join_timer = evtimer_new(d->base, on_join, d);
    d->store_timer = evtimer_new(d->base, on_store, d);
    if (d->poll_timer == nullptr || d->join_timer == nullptr || d->store_timer == nullptr)
        log_fatal("out of memory");
    make_reflectors(d, &setup);
    return d;
}

void discovery_free(struct discovery *d)
{
    if (d == nullptr)
        return;
    reflector_free(d->slices);
    reflector_free(d->endpoints);
    reflector_free(d->pods);
    if (d->check != nullptr)
        kube_call_cancel(d->check);
    event_free(d->poll_timer);
    event_free(d->join_timer);
    event_free(d->store_timer);
    delete d;
}

void discovery_start(struct discovery *d)
{
    reflector_start(d->slices);
    reflector_start(d->pods);
    timer_start(d->poll_timer, d->poll_ms);
}

// When what a reflector holds was last known to be so. A watch that stands would have told of a change.
static int64_t current_ms(const struct discovery *d, const struct reflector *r)
{
    const int64_t own_ms = reflector_get_status(r)->current_ms;
    return is_watching(r) ? std::max(own_ms, d->checked_ms) : own_ms;
}

static void add_counts(struct discovery_status *status, const struct reflector *r)
{
    const struct reflector_status *const s = reflector_get_status(r);
    status->lists += s->lists;
    status->watches += s->watches;
    status->events += s->events;
    status->failures += s->failures;
}

struct discovery_status discovery_get_status(const struct discovery *d)
{
    struct discovery_status status;
    status.source = source_name(d);
    status.synced = d->synced;
    status.rejected = d->joined.rejected;
    status.last_error = d->last_error;
    add_counts(&status, d->slices);
    add_counts(&status, d->endpoints);
    add_counts(&status, d->pods);
    status.failures_in_row = std::max(failures_in_row(d->services), failures_in_row(d->pods));
    if (!d->synced) {
        status.failures_in_row = std::max(status.failures_in_row, failures_in_row(d->slices));
        return status;
    }
    const int64_t ms = std::min(current_ms(d, d->services), current_ms(d, d->pods));
    status.age_ms = clock_monotonic_ms() - ms;
    const bool polling =
        reflector_get_status(d->services)->polling || reflector_get_status(d->pods)->polling;
    status.mode = polling ? "poll" : "watch";
    return status;
}
