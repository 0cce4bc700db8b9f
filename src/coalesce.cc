// Clients that ask the same share broadcasts. Owns the broadcasts and the clients' tickets.
#include "coalesce.h"

#include <algorithm>
#include <list>
#include <string>
#include <unordered_map>

#include <event2/event.h>

#include "blob.h"
#include "clock.h"
#include "http_response.h"
#include "log.h"
#include "tasks.h"
#include "timer.h"

constexpr size_t UNDER_WAY_MAX = 2; // broadcasts for the same, as long as they end soon
// How long the first who waits may do so while none, one or more are under way: a single one may be about to end.
constexpr int64_t WAIT_MS[UNDER_WAY_MAX + 1] = {0, 10, 1000};

// One client. Lives from coalescer_ask to `done`, or to ticket_cancel.
struct ticket {
    struct group *group;
    struct flight *flight; // null: waits for the next one
    int64_t asked_us;      // monotonic
    broadcast_done_fn done;
    void *arg;
};

// One broadcast and those who share it. Lives until the last of them has its reply or has left.
struct flight {
    struct group *group;
    struct broadcast *broadcast; // null: it has ended
    std::vector<struct ticket *> tickets;
    struct http_response response; // once it has ended
    struct task task;              // hands the response out
};

// All that ask the same. Lives as long as any ticket.
struct group {
    struct coalescer *owner;
    std::string key; // empty: shares with nobody
    std::list<struct flight> flights;
    std::vector<struct ticket *> waiting;
    struct broadcast_request request; // of the first who waits
    struct event *timer;              // when those who wait have waited long enough
};

struct coalescer {
    const struct broadcast_context *context;
    std::unordered_map<std::string, struct group *> groups; // those with a key
    std::vector<struct group *> all;
    uint64_t shared; // tickets that had the broadcast of another
};

static bool hand_out(void *arg);
static void begin_next(evutil_socket_t, short, void *arg);

struct coalescer *coalescer_new(const struct broadcast_context *context)
{
    return new coalescer{.context = context, .groups = {}, .all = {}, .shared = 0};
}

// What has to be the same for a reply to be: everything but who asks.
static std::string key_of(const struct broadcast_request *r)
{
    if (r->options.kind.mutation || r->body->size > 0)
        return "";
    std::string key = r->target + '\n' + std::to_string(r->timeout_ms) + '\n' +
                      (r->options.partial_deny ? 'd' : '-') + (r->options.view_nodes ? 'v' : '-') +
                      (r->names_nodes ? 'n' : '-');
    for (const std::string &name : r->only)
        key += '\n' + name;
    for (const std::string &header : r->headers)
        if (header.starts_with("Accept:") || header.starts_with("Content-Type:"))
            key += '\n' + header;
    return key;
}

static struct group *group_of(struct coalescer *c, const std::string &key)
{
    const auto at = c->groups.find(key);
    if (!key.empty() && at != c->groups.end())
        return at->second;
    struct group *g = new group{};
    g->owner = c;
    g->key = key;
    g->timer = evtimer_new(c->context->base, begin_next, g);
    if (!g->timer)
        log_fatal("out of memory: no timer for a request");
    c->all.push_back(g);
    if (!key.empty())
        c->groups.emplace(key, g);
    return g;
}

// Frees a group that nobody is left of.
static void group_settle(struct group *g)
{
    if (!g->flights.empty() || !g->waiting.empty())
        return;
    struct coalescer *c = g->owner;
    if (!g->key.empty())
        c->groups.erase(g->key);
    std::erase(c->all, g);
    blob_unref(g->request.body);
    event_free(g->timer);
    delete g;
}

// Nobody is left of it. Those who wait, and who have been answered and ask again by now, may take its place.
static void flight_free(struct flight *f)
{
    struct group *g = f->group;
    if (f->broadcast)
        broadcast_cancel(f->broadcast);
    task_remove(&f->task);
    rope_clear(&f->response.body);
    g->flights.remove_if([](const struct flight &other) { return other.tickets.empty(); });
    if (!g->waiting.empty() && g->flights.size() < UNDER_WAY_MAX)
        timer_start(g->timer, 0);
}

static void on_broadcast_done(void *arg, struct http_response *response)
{
    struct flight *f = static_cast<struct flight *>(arg);
    f->broadcast = nullptr;
    f->response = std::move(*response);
    response->body = {};
    std::reverse(f->tickets.begin(),
                 f->tickets.end()); // the first to ask is the first to be answered
    tasks_add(f->group->owner->context->tasks, &f->task);
}

// One client a step, as a reply may be of thousands of pieces.
static bool hand_out(void *arg)
{
    struct flight *f = static_cast<struct flight *>(arg);
    struct group *g = f->group;
    struct ticket *t = f->tickets.back();
    f->tickets.pop_back();
    const bool last = f->tickets.empty();
    struct http_response response;
    if (last) {
        response = std::move(f->response);
        f->response.body = {};
        flight_free(f);
    } else {
        response.status = f->response.status;
        response.content_type = f->response.content_type;
        response.headers = f->response.headers;
        rope_share(&response.body, &f->response.body);
        g->owner->shared++;
    }
    if (last)
        group_settle(g);
    t->done(t->arg, &response);
    rope_clear(&response.body);
    delete t;
    return !last;
}

// Those who wait share a broadcast that begins now, with the deadline of the first of them.
static void begin_next(evutil_socket_t, short, void *arg)
{
    struct group *g = static_cast<struct group *>(arg);
    g->flights.emplace_back();
    struct flight *f = &g->flights.back();
    f->group = g;
    f->task = {.step = hand_out, .arg = f, .next = nullptr, .previous = nullptr};
    f->tickets.swap(g->waiting);
    for (struct ticket *t : f->tickets)
        t->flight = f;
    // not the difference of two milliseconds, which may be one where nothing was waited for
    g->request.waited_ms = (clock_monotonic_us() - f->tickets.front()->asked_us) / 1000;
    f->broadcast = broadcast_start(g->owner->context, &g->request, on_broadcast_done, f);
    blob_unref(g->request.body);
    g->request.body = nullptr;
}

struct ticket *coalescer_ask(struct coalescer *c, struct broadcast_request *request,
                             broadcast_done_fn done, void *arg)
{
    struct group *g = group_of(c, key_of(request));
    struct ticket *t = new ticket{
        .group = g, .flight = nullptr, .asked_us = clock_monotonic_us(), .done = done, .arg = arg};
    g->waiting.push_back(t);
    if (g->waiting.size() > 1)
        return t;
    blob_unref(g->request.body); // of one who has left
    g->request = *request;
    blob_ref(request->body);
    timer_start(g->timer, std::min(request->timeout_ms / 4,
                                   WAIT_MS[std::min(g->flights.size(), UNDER_WAY_MAX)]));
    return t;
}

uint64_t coalescer_shared(const struct coalescer *c)
{
    return c->shared;
}

void ticket_cancel(struct ticket *t)
{
    struct group *g = t->group;
    struct flight *f = t->flight;
    std::erase(f ? f->tickets : g->waiting, t);
    if (f && f->tickets.empty())
        flight_free(f);
    if (g->waiting.empty())
        event_del(g->timer);
    delete t;
    group_settle(g);
}

void coalescer_free(struct coalescer *c)
{
    while (!c->all.empty()) {
        struct group *g = c->all.back();
        ticket_cancel(g->waiting.empty() ? g->flights.front().tickets.front() : g->waiting.front());
    }
    delete c;
}
