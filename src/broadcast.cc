// One client request sent to all nodes. Owns the node requests, their replies and the deadline.
#include "broadcast.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include <event2/event.h>

#include "blob.h"
#include "broadcast_state.h"
#include "clock.h"
#include "http_client.h"
#include "http_response.h"
#include "log.h"
#include "metrics.h"
#include "node_access.h"
#include "nodes.h"
#include "process.h"
#include "tasks.h"
#include "timer.h"

// What is done in a step, none of which takes more than some tenths of a millisecond.
constexpr size_t SENDS_A_STEP = 8;
constexpr size_t EXPIRED_A_STEP = 8;
constexpr size_t MERGED_A_STEP = 128; // members, or nodes

constexpr size_t CLEARED_AT_ONCE = 128; // replies, before the heap is put in order

// A node request that has waited for so long, or for a quarter of the deadline, gives its place in the
// window to another: nodes that hang or take seconds must not keep the others from being asked. A change that
// a session's owner alone is asked for has three quarters.
constexpr int64_t PLACE_MS = 500;
// The broadcast's deadline is what counts; a transfer's own time-out only comes behind it.
constexpr int64_t BACKSTOP_MS = 1000;

static void on_fetch_done(void *arg, const struct fetch_result *result);

static void go_on(struct broadcast *b)
{
    tasks_add(b->context->tasks, &b->task);
}

// Nothing but clearing up is left to do.
static void end(struct broadcast *b)
{
    b->state = BROADCAST_CLEARING;
    event_del(b->timer);
    if (b->place_timer)
        event_del(b->place_timer);
    go_on(b);
}

void broadcast_cancel(struct broadcast *b)
{
    assert(b->state != BROADCAST_CLEARING);
    end(b);
}

// Notes in the database what became of a node that was asked.
static void note(struct broadcast *b, const struct call *c)
{
    const struct node_reply *r = &b->replies[c->reply];
    metrics_count_node(b->context->metrics, r->outcome, r->reason, r->ms);
    nodes_note(b->context->nodes, &c->place, r->outcome, r->reason, r->status, r->ms,
               clock_wall_ms(), r->detail);
    if (r->outcome == OUTCOME_FAILED)
        log_debug("node %.*s: %s after %lld ms %s", static_cast<int>(r->name.size()),
                  r->name.data(), reason_name(r->reason), static_cast<long long>(r->ms),
                  r->detail.c_str());
}

// What no answer says of a node: it hangs if it had most of the time that clients usually give, or of what this
// one gives. Some have less, as they are asked late, or as the client is impatient.
static enum breaker_sign sign_of_silence(const struct broadcast *b, const struct node_reply *r)
{
    const int64_t whole_ms = std::max(b->timeout_ms, b->context->usual_timeout_ms);
    return r->ms >= whole_ms * 9 / 10 ? BREAKER_HUNG : BREAKER_SILENT;
}

// Only reads teach that a node hangs: stopping a session waits for its hook, and may do so for ever at a node
// that is well.
static void learn(struct broadcast *b, const struct call *c, enum breaker_sign sign, int64_t now_ms)
{
    if (sign == BREAKER_ANSWERED || !b->options.kind.mutation)
        nodes_learn(b->context->nodes, &c->place, sign, b->target, now_ms);
}

static bool on_fetch_data(void *arg, const char *data, size_t size)
{
    struct call *c = static_cast<struct call *>(arg);
    struct broadcast *b = c->owner;
    return b->state == BROADCAST_COLLECTING && node_reply_feed(&b->replies[c->reply], data, size);
}

// A POST or PUT says that its body is empty; other requests just have none.
static const char *body_of(const struct broadcast *b)
{
    if (b->body->size > 0)
        return b->body->data;
    return strcmp(b->method, "POST") == 0 || strcmp(b->method, "PUT") == 0 ? "" : nullptr;
}

static void call_send(struct broadcast *b, struct call *c)
{
    const int64_t now_ms = clock_monotonic_ms();
    if (!c->retried)
        c->started_ms = now_ms;
    b->url.assign(c->face->base).append(b->target);
    struct fetch_options options = {
        .method = b->method,
        .url = b->url.c_str(),
        .connect_to = c->face->connect_to.empty() ? nullptr : c->face->connect_to.c_str(),
        .headers = nullptr,
        .body = body_of(b),
        .body_size = b->body->size,
        .max_body = b->context->max_reply,
        .budget = b->context->budget,
        .connect_timeout_ms = FETCH_NODE_CONNECT_MS,
        .timeout_ms = std::max<int64_t>(b->deadline_ms - now_ms, 0) + BACKSTOP_MS,
        .shard = c->shard,
        .fresh = c->retried,
        .once = b->options.kind.mutation,
        .no_resend = true,
        .discard = false,
        .ca_pem = nullptr,
        .on_data = on_fetch_data,
        .done = on_fetch_done,
        .arg = c,
    };
    node_pass_apply(b->pass, &options);
    c->fetch = fetch_start(b->context->http, &options);
    c->has_place = true;
    b->window++;
}

static void give_place(struct broadcast *b, struct call *c)
{
    if (c->has_place)
        b->window--;
    c->has_place = false;
}

static int64_t usual_place_ms(const struct broadcast *b)
{
    return std::min(PLACE_MS, (b->deadline_ms - b->started_ms) / 4);
}

// How long a call keeps its place. It is usual that the owner of a session takes seconds to stop it.
static int64_t place_ms(const struct broadcast *b)
{
    if (b->alone && b->options.kind.mutation)
        return (b->deadline_ms - b->started_ms) * 3 / 4;
    return usual_place_ms(b);
}

// Those that have waited long enough make room.
static void on_place_timer(evutil_socket_t, short, void *arg)
{
    struct broadcast *b = static_cast<struct broadcast *>(arg);
    const int64_t now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < b->next; i++)
        if (now_ms - b->calls[i].started_ms >= place_ms(b))
            give_place(b, &b->calls[i]);
    if (b->next == b->calls.size() && !b->alone)
        event_del(b->place_timer);
    else
        go_on(b);
}

static enum reason reason_of(enum fetch_status status)
{
    switch (status) {
    case FETCH_DONE: return REASON_NONE;
    case FETCH_CONNECT: return REASON_CONNECT;
    case FETCH_TIMEOUT: return REASON_TIMEOUT;
    case FETCH_RESET: return REASON_RESET;
    case FETCH_STOPPED: // by on_fetch_data
    case FETCH_TOO_LARGE: return REASON_TOO_LARGE;
    case FETCH_TLS: return REASON_TLS;
    case FETCH_GARBAGE: return REASON_BAD_JSON;
    }
    return REASON_RESET;
}

// A GET that was refused or dropped is worth one more try on a fresh connection, as long as there is time.
static bool is_worth_a_retry(const struct broadcast *b, const struct call *c,
                             const struct fetch_result *result)
{
    const bool refused = result->status == FETCH_CONNECT && !fetch_was_swallowed(result);
    const bool dropped = result->status == FETCH_RESET;
    return (refused || dropped) && !c->retried && !b->options.kind.mutation &&
           clock_monotonic_ms() < b->deadline_ms;
}

static void on_fetch_done(void *arg, const struct fetch_result *result)
{
    struct call *c = static_cast<struct call *>(arg);
    struct broadcast *b = c->owner;
    struct node_reply *r = &b->replies[c->reply];
    c->fetch = nullptr;
    node_access_learn(b->context->access, result);
    if (b->state != BROADCAST_COLLECTING)
        return;
    give_place(b, c);
    if (is_worth_a_retry(b, c, result)) {
        c->retried = true;
        node_reply_restart(r);
        call_send(b, c);
        return;
    }
    const int64_t now_ms = clock_monotonic_ms();
    r->ms = now_ms - c->started_ms;
    if (result->status == FETCH_DONE) {
        node_reply_answer(r, &b->options.kind, result->http_status, result->body);
    } else {
        r->detail = result->error;
        node_reply_fail(r, &b->options.kind, reason_of(result->status),
                        result->sent ? EFFECT_UNKNOWN : EFFECT_NOT_SENT);
    }
    note(b, c);
    if (fetch_was_swallowed(result))
        learn(b, c, BREAKER_HUNG, now_ms);
    else
        learn(b, c, result->status == FETCH_TIMEOUT ? sign_of_silence(b, r) : BREAKER_ANSWERED,
              now_ms);
    broadcast_learn_owner(b, r);
    b->open--;
    if (c == &b->calls.front())
        b->settled = broadcast_is_settled(b);
    go_on(b);
}

// Time is up for a node that has not answered, or that was not even asked.
static void call_expire(struct broadcast *b, struct call *c)
{
    struct node_reply *r = &b->replies[c->reply];
    if (r->done)
        return;
    const bool sent = c->fetch && fetch_was_sent(c->fetch);
    const bool asked = c->fetch != nullptr;
    if (c->fetch)
        fetch_cancel(c->fetch);
    c->fetch = nullptr;
    // the loop's clock may be a moment behind ours
    const int64_t now_ms = std::max(clock_monotonic_ms(), b->deadline_ms);
    r->ms = asked ? now_ms - c->started_ms : -1;
    r->detail = asked ? "no whole answer within the deadline" : "no turn within the deadline";
    node_reply_fail(r, &b->options.kind, REASON_TIMEOUT, sent ? EFFECT_UNKNOWN : EFFECT_NOT_SENT);
    if (asked) {
        note(b, c);
        learn(b, c, sign_of_silence(b, r), now_ms);
    } else {
        metrics_count_node(b->context->metrics, r->outcome, r->reason, r->ms);
    }
    b->open--;
}

static void on_timer(evutil_socket_t, short, void *arg)
{
    struct broadcast *b = static_cast<struct broadcast *>(arg);
    b->expired = true;
    go_on(b);
}

// More is to be asked than has a place at once.
static void watch_places(struct broadcast *b)
{
    const struct timeval step = {.tv_sec = 0,
                                 .tv_usec = std::max<int64_t>(usual_place_ms(b) / 8, 1) * 1000};
    b->place_timer = event_new(b->context->base, -1, EV_PERSIST, on_place_timer, b);
    if (!b->place_timer || event_add(b->place_timer, &step) != 0)
        log_fatal("out of memory: no timer for a request");
}

static bool step_choosing(struct broadcast *b)
{
    if (!broadcast_choose(b))
        return true;
    b->state = BROADCAST_COLLECTING;
    if (b->alone || b->open > b->context->max_in_flight)
        watch_places(b);
    return true;
}

// The owner has answered, and nobody else can have the session: as those that were never asked, all others
// miss, but for what they answered. A change that was sent is brought to its end. What is under way of reads
// ends as the broadcast clears up.
static void drop_others(struct broadcast *b)
{
    b->settled = false;
    for (struct call &c : b->calls) {
        struct node_reply *r = &b->replies[c.reply];
        const bool changes = b->options.kind.mutation && c.fetch;
        if (r->done || (changes && fetch_was_sent(c.fetch)))
            continue;
        if (changes) {
            fetch_cancel(c.fetch);
            c.fetch = nullptr;
        }
        node_reply_miss(r);
        b->open--;
    }
    b->next = b->calls.size();
    for (struct node_reply &r : b->replies)
        if (r.done && r.outcome == OUTCOME_FAILED && r.effect != EFFECT_UNKNOWN)
            node_reply_miss(&r);
}

// Sends what the window lets through, or ends what the deadline has left over.
static bool step_collecting(struct broadcast *b)
{
    const size_t most_sent = b->next + SENDS_A_STEP, most_ended = b->next_expired + EXPIRED_A_STEP;
    const size_t in_flight = b->context->max_in_flight;
    // the owner has not answered well, or not yet: its place is free
    if (b->alone && b->next > 0 && b->window == 0 && !b->settled)
        broadcast_choose_others(b);
    if (b->settled)
        drop_others(b);
    if (b->expired)
        while (b->next_expired < b->calls.size() && b->next_expired < most_ended)
            call_expire(b, &b->calls[b->next_expired++]);
    else
        while (b->next < b->calls.size() && b->next < most_sent && b->window < in_flight)
            call_send(b, &b->calls[b->next++]);
    if (b->open == 0) {
        b->state = BROADCAST_REPLYING;
        b->aggregate = aggregate_new(&b->replies, &b->options, &b->response);
        return true;
    }
    return b->expired || (b->next < b->calls.size() && b->window < in_flight);
}

static bool step_replying(struct broadcast *b)
{
    if (!aggregate_step(b->aggregate, MERGED_A_STEP))
        return true;
    end(b);
    b->done(b->arg, &b->response);
    return true;
}

static bool step_clearing(struct broadcast *b)
{
    if (b->aggregate) {
        aggregate_free(b->aggregate);
        b->aggregate = nullptr;
        rope_clear(&b->response.body);
    } else if (!b->calls.empty()) {
        if (b->calls.back().fetch)
            fetch_cancel(b->calls.back().fetch);
        b->calls.pop_back();
    } else if (!b->replies.empty()) {
        node_reply_fini(&b->replies.back());
        b->replies.pop_back();
        if (b->replies.size() % CLEARED_AT_ONCE == 0)
            process_order_heap();
    } else {
        node_pass_free(b->pass);
        blob_unref(b->body);
        event_free(b->timer);
        if (b->place_timer)
            event_free(b->place_timer);
        delete b;
        return false;
    }
    return true;
}

static bool on_step(void *arg)
{
    struct broadcast *b = static_cast<struct broadcast *>(arg);
    switch (b->state) {
    case BROADCAST_CHOOSING: return step_choosing(b);
    case BROADCAST_COLLECTING: return step_collecting(b);
    case BROADCAST_REPLYING: return step_replying(b);
    case BROADCAST_CLEARING: return step_clearing(b);
    }
    return false;
}

struct broadcast *broadcast_start(const struct broadcast_context *context,
                                  struct broadcast_request *request, broadcast_done_fn done,
                                  void *arg)
{
    struct broadcast *b = new broadcast{};
    b->context = context;
    b->task = {.step = on_step, .arg = b, .next = nullptr, .previous = nullptr};
    b->method = request->method;
    b->target = request->target;
    b->body = blob_ref(request->body);
    b->pass = node_pass_new(context->access, request->headers);
    b->names_nodes = request->names_nodes;
    b->only = request->only;
    b->options = request->options;
    b->session = request->session;
    b->response.body.budget = context->budget;
    b->done = done;
    b->arg = arg;
    b->started_ms = clock_monotonic_ms();
    const int64_t left_ms = std::max<int64_t>(request->timeout_ms - request->waited_ms, 1);
    b->deadline_ms = b->started_ms + left_ms;
    b->timeout_ms = request->timeout_ms;
    b->timer = evtimer_new(context->base, on_timer, b);
    if (!b->timer)
        log_fatal("out of memory: no timer for a request");
    timer_start(b->timer, left_ms);
    go_on(b);
    return b;
}
