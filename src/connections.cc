// The client connections. Owns one reference to each bufferevent and the sweep over them.
//
// Works around what libevent 2.1.12 lacks: evhttp restarts its timeouts with every byte, counts no
// connections, tells nobody when it lets one go, and answers bad requests with HTML.
#include "connections.h"

#include <algorithm>
#include <cassert>
#include <unordered_map>
#include <vector>

#include <poll.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "clock.h"

static const struct timeval SWEEP_INTERVAL = {0, 100000};
static const struct timeval SWEEP_INTERVAL_FULL = {0, 20000};
static const int64_t LINGER_MS = 1000; // for the client to take the last reply
// When all places are taken, how long a connection is left alone: a new client needs a moment to send
// what it came for, and a request a moment to come in full.
static const int64_t EVICT_IDLE_MS = 20;
static const int64_t EVICT_READING_MS = 500;
// Places beyond the last, for requests that tell whether the daemon is well. They must come at once.
static const size_t RESERVED_PLACES = 8;
static const int64_t RESERVED_MS = 1000;
static const size_t MAX_SINGLE_WRITE =
    256 * 1024; // the default of 16 KiB halves big replies' speed

enum connection_phase {
    CONNECTION_IDLE,      // no byte of the next request has come
    CONNECTION_READING,   // a part of it has come, or all of it, but the user has not seen it
    CONNECTION_PENDING,   // a request waits for its reply; the only phase without a deadline
    CONNECTION_SENDING,   // a reply is being written
    CONNECTION_REFUSING,  // our own reply is being written, the user sees nothing any more
    CONNECTION_LINGERING, // the user is gone; reads until the client closes too
};

// Lives from connections_accept until the user has let go of it and the client has closed, or until a
// deadline.
struct connection {
    struct connections *owner;
    struct bufferevent *bev; // one reference
    struct http_head head;
    enum connection_phase phase;
    int64_t since_ms;    // when the phase began
    int64_t deadline_ms; // when it must end
    uint64_t answered;   // requests whose reply was sent
    void *request;       // while PENDING
    void *user;          // while REFUSING: the user's callback argument
    bool soon;           // is in owner->soon
    bool reserved;       // has a place beyond the last
    bool ended;          // the client sent its end of file while REFUSING
};

struct connections {
    struct connections_options options;
    std::unordered_map<const struct bufferevent *, struct connection *> all;
    std::vector<struct connection *> soon; // to be looked at by soon_event: the last reply was sent
    struct event *soon_event;
    struct event *sweep;
    bool full;
    bool stopping;
};

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg);

static void set_phase(struct connection *c, enum connection_phase phase)
{
    const struct connections_options *o = &c->owner->options;
    const int64_t first = std::min(o->header_timeout_ms, o->idle_timeout_ms);
    int64_t limit = 0;
    switch (phase) {
    case CONNECTION_IDLE: limit = c->answered == 0 ? first : o->idle_timeout_ms; break;
    case CONNECTION_READING: limit = o->header_timeout_ms; break;
    case CONNECTION_PENDING: break;
    case CONNECTION_SENDING: limit = o->reply_timeout_ms; break;
    case CONNECTION_REFUSING: limit = LINGER_MS; break;
    case CONNECTION_LINGERING: limit = LINGER_MS; break;
    }
    if (c->reserved && (phase == CONNECTION_IDLE || phase == CONNECTION_READING))
        limit = std::min(limit, RESERVED_MS);
    c->phase = phase;
    c->since_ms = clock_monotonic_ms();
    c->deadline_ms = phase == CONNECTION_PENDING ? INT64_MAX : c->since_ms + limit;
}

// The argument of the user's callbacks, which it clears when it frees its bufferevent.
static void *user_of(struct connection *c)
{
    if (c->phase == CONNECTION_REFUSING)
        return c->user;
    if (c->phase == CONNECTION_LINGERING)
        return nullptr;
    void *user = nullptr;
    bufferevent_getcb(c->bev, nullptr, nullptr, nullptr, &user);
    return user;
}

// How little the end of this connection would hurt; 0: it must go on.
static int evict_rank(const struct connection *c, int64_t now, bool urgent)
{
    const int64_t age = now - c->since_ms;
    switch (c->phase) {
    case CONNECTION_LINGERING: return 3;
    case CONNECTION_IDLE: return urgent || age >= EVICT_IDLE_MS ? 2 : 0;
    case CONNECTION_READING: return urgent || age >= EVICT_READING_MS ? 1 : 0;
    case CONNECTION_PENDING:
    case CONNECTION_SENDING:
    case CONNECTION_REFUSING: return 0;
    }
    return 0;
}

// The connection whose end hurts least, the oldest of its kind, or null if every one is in use.
// `urgent`: for a request that is there in full, no younger one is left alone.
static struct connection *find_evictable(const struct connections *cs, bool urgent)
{
    const int64_t now = clock_monotonic_ms();
    struct connection *best = nullptr;
    int best_rank = 0;
    for (const auto &[bev, c] : cs->all) {
        const int rank = evict_rank(c, now, urgent);
        if (rank == 0 || rank < best_rank)
            continue;
        if (rank > best_rank || c->since_ms < best->since_ms)
            best = c;
        best_rank = rank;
    }
    return best;
}

static void update_full(struct connections *cs)
{
    const bool full =
        cs->all.size() >= cs->options.max + RESERVED_PLACES && !find_evictable(cs, false);
    if (full == cs->full)
        return;
    cs->full = full;
    cs->options.on_full(cs->options.arg, full);
    event_add(cs->sweep, full ? &SWEEP_INTERVAL_FULL : &SWEEP_INTERVAL);
}

// Forgets the connection; the socket closes, now or when the user lets go of it.
static void connection_free(struct connection *c)
{
    struct connections *cs = c->owner;
    if (c->soon)
        std::erase(cs->soon, c);
    cs->all.erase(c->bev);
    evbuffer_remove_cb(bufferevent_get_input(c->bev), on_input, c);
    bufferevent_setcb(c->bev, nullptr, nullptr, nullptr, nullptr);
    bufferevent_disable(c->bev, EV_READ | EV_WRITE);
    bufferevent_decref(c->bev);
    delete c;
}

// Ends the connection at once, whatever the user or the client are doing.
static void connection_end(struct connection *c)
{
    struct connections *cs = c->owner;
    void *user = user_of(c);
    if (c->phase == CONNECTION_SENDING) { // the client does not read: nothing to wait for
        const struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    if (user)
        cs->options.release(user);
    connection_free(c);
    if (cs->full)
        update_full(cs);
}

static void drop(struct evbuffer *input)
{
    evbuffer_drain(input, evbuffer_get_length(input));
}

static void on_linger_event(struct bufferevent *, short, void *arg)
{
    connection_end(static_cast<struct connection *>(arg));
}

// The user has let go and said so to the client (shutdown). Closing now, with unread input, would make
// the system send a reset, which takes away the reply that the client has not read yet.
static void connection_linger(struct connection *c)
{
    set_phase(c, CONNECTION_LINGERING);
    drop(bufferevent_get_input(c->bev));
    bufferevent_setcb(c->bev, nullptr, nullptr, on_linger_event, c);
    bufferevent_disable(c->bev, EV_WRITE);
    bufferevent_enable(c->bev, EV_READ);
}

static void on_refusal_written(struct bufferevent *, void *arg)
{
    struct connection *c = static_cast<struct connection *>(arg);
    if (c->ended) {
        connection_end(c);
        return;
    }
    c->owner->options.release(c->user);
    connection_linger(c);
}

static void on_refusal_event(struct bufferevent *, short what, void *arg)
{
    struct connection *c = static_cast<struct connection *>(arg);
    if (what == (BEV_EVENT_READING | BEV_EVENT_EOF))
        c->ended = true; // it may still read
    else
        connection_end(c);
}

// Takes the connection away from the user and answers what was refused. There is no read callback,
// because evhttp calls it with its own argument if a deferred read is under way.
static void connection_refuse(struct connection *c)
{
    struct connections *cs = c->owner;
    c->user = user_of(c);
    if (!c->user) { // it has let go by itself
        connection_linger(c);
        return;
    }
    set_phase(c, CONNECTION_REFUSING);
    bufferevent_setcb(c->bev, nullptr, on_refusal_written, on_refusal_event, c);
    drop(bufferevent_get_input(c->bev));
    std::string reply;
    cs->options.on_refused(cs->options.arg, &c->head, &reply);
    bufferevent_write(c->bev, reply.data(), reply.size());
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

// Gives the last `added` bytes of the input to the scanner.
static bool feed(struct http_head *head, struct evbuffer *input, size_t added)
{
    if (head->state == HTTP_HEAD_BODY && added <= head->body_left)
        return http_head_feed(head, nullptr, added);
    struct evbuffer_ptr at;
    evbuffer_ptr_set(input, &at, evbuffer_get_length(input) - added, EVBUFFER_PTR_SET);
    struct evbuffer_iovec pieces[8];
    while (added > 0) {
        const int count = evbuffer_peek(input, static_cast<ev_ssize_t>(added), &at, pieces, 8);
        size_t fed = 0;
        for (int i = 0; i < std::min(count, 8); i++) {
            const size_t size = std::min(pieces[i].iov_len, added - fed);
            if (!http_head_feed(head, static_cast<const char *>(pieces[i].iov_base), size))
                return false;
            fed += size;
        }
        added -= fed;
        if (added > 0)
            evbuffer_ptr_set(input, &at, fed, EVBUFFER_PTR_ADD);
    }
    return true;
}

// Runs when bytes were added to the input, before the bufferevent calls the user's read callback.
static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
    struct connection *c = static_cast<struct connection *>(arg);
    if (info->n_added == 0)
        return;
    if (c->phase == CONNECTION_REFUSING || c->phase == CONNECTION_LINGERING) {
        drop(input);
        return;
    }
    if (c->head.state == HTTP_HEAD_REFUSED)
        return; // waits behind requests that are still to be answered, and is dropped with them
    const bool taken = feed(&c->head, input, info->n_added);
    if (c->phase == CONNECTION_IDLE)
        set_phase(c, CONNECTION_READING);
    if (!taken && c->phase == CONNECTION_READING && c->head.requests == c->answered)
        connection_refuse(c);
}

// The client has left before its reply.
static void connection_left(struct connection *c)
{
    struct connections *cs = c->owner;
    void *request = c->request;
    const bool released = user_of(c) == nullptr;
    connection_end(c);
    cs->options.on_left(cs->options.arg, request, released);
}

static void deadline_passed(struct connection *c)
{
    if (c->phase != CONNECTION_READING) {
        connection_end(c);
        return;
    }
    http_head_refuse(&c->head, 408,
                     "The request did not come in full within the time it may take.");
    connection_refuse(c);
}

static void sweep_one(struct connection *c, int64_t now)
{
    if (c->phase != CONNECTION_LINGERING && !user_of(c)) {
        if (c->request)
            connection_left(c);
        else
            connection_linger(c);
    } else if (now >= c->deadline_ms) {
        deadline_passed(c);
    }
}

// Finds the clients that left while their request is pending. evhttp does not read meanwhile, and an
// event for EV_CLOSED is no help: when a client resets, epoll reports an error, which libevent 2.1.12
// hands to readers and writers only, so such an event never fires and the loop spins.
static void sweep_pending(struct connections *cs)
{
    std::vector<struct pollfd> sockets;
    std::vector<const struct bufferevent *> pending;
    for (const auto &[bev, c] : cs->all) {
        if (c->phase != CONNECTION_PENDING)
            continue;
        sockets.push_back({.fd = bufferevent_getfd(c->bev), .events = POLLRDHUP, .revents = 0});
        pending.push_back(bev);
    }
    if (sockets.empty() || poll(sockets.data(), sockets.size(), 0) <= 0)
        return;
    for (size_t i = 0; i < sockets.size(); i++) {
        const auto at = cs->all.find(pending[i]); // a callback may have ended it
        if (sockets[i].revents != 0 && at != cs->all.end() &&
            at->second->phase == CONNECTION_PENDING)
            connection_left(at->second);
    }
}

static void on_sweep(evutil_socket_t, short, void *arg)
{
    struct connections *cs = static_cast<struct connections *>(arg);
    std::vector<const struct bufferevent *> all;
    for (const auto &[bev, c] : cs->all)
        all.push_back(bev);
    const int64_t now = clock_monotonic_ms();
    for (const struct bufferevent *bev : all) {
        const auto at = cs->all.find(bev); // a callback may have ended it
        if (at != cs->all.end())
            sweep_one(at->second, now);
    }
    sweep_pending(cs);
    update_full(cs);
    if (!cs->all.empty())
        event_add(cs->sweep, cs->full ? &SWEEP_INTERVAL_FULL : &SWEEP_INTERVAL);
}

// Behind the user's own work after the last reply of a connection: it has let go by now.
static void on_soon(evutil_socket_t, short, void *arg)
{
    struct connections *cs = static_cast<struct connections *>(arg);
    std::vector<struct connection *> list;
    list.swap(cs->soon);
    for (struct connection *c : list) {
        c->soon = false;
        if (c->phase != CONNECTION_LINGERING && !user_of(c))
            connection_linger(c);
    }
}

struct connections *connections_new(const struct connections_options *options)
{
    struct connections *cs = new connections{};
    cs->options = *options;
    cs->sweep = evtimer_new(options->base, on_sweep, cs);
    cs->soon_event = event_new(options->base, -1, 0, on_soon, cs);
    return cs;
}

// Whether nothing was sent on the connection that waits to be read.
static bool is_silent(const struct connection *c)
{
    struct pollfd socket = {.fd = bufferevent_getfd(c->bev), .events = POLLIN, .revents = 0};
    return poll(&socket, 1, 0) <= 0;
}

// Makes room for one more, where that is possible.
static void make_room(struct connections *cs)
{
    struct connection *c;
    while (cs->all.size() >= cs->options.max && (c = find_evictable(cs, false))) {
        if (c->phase != CONNECTION_IDLE || is_silent(c))
            connection_end(c);
        else
            c->since_ms = clock_monotonic_ms(); // its request has come, but was not read yet
    }
}

struct bufferevent *connections_accept(struct connections *cs)
{
    make_room(cs);
    struct connection *c = new connection{};
    c->owner = cs;
    c->reserved = cs->all.size() >= cs->options.max;
    c->bev = bufferevent_socket_new(cs->options.base, -1, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_incref(c->bev);
    http_head_init(&c->head, &cs->options.limits);
    bufferevent_set_max_single_write(c->bev, MAX_SINGLE_WRITE);
    evbuffer_add_cb(bufferevent_get_input(c->bev), on_input, c);
    set_phase(c, CONNECTION_IDLE);
    cs->all.emplace(c->bev, c);
    if (!event_pending(cs->sweep, EV_TIMEOUT, nullptr))
        event_add(cs->sweep, &SWEEP_INTERVAL);
    update_full(cs);
    return c->bev;
}

struct connection *connections_find(const struct connections *cs, const struct bufferevent *bev)
{
    const auto at = cs->all.find(bev);
    return at == cs->all.end() ? nullptr : at->second;
}

void connection_request(struct connection *c, void *request)
{
    assert(c->phase == CONNECTION_READING);
    c->request = request;
    set_phase(c, CONNECTION_PENDING);
}

bool connection_keep_reserved(struct connection *c)
{
    struct connection *other = c->reserved ? find_evictable(c->owner, true) : nullptr;
    if (other) {
        connection_end(other);
        c->reserved = false;
    }
    return c->reserved;
}

bool connection_reply(struct connection *c)
{
    assert(c->phase == CONNECTION_PENDING);
    c->request = nullptr;
    set_phase(c, CONNECTION_SENDING);
    return c->owner->stopping || c->reserved ||
           (c->head.state == HTTP_HEAD_REFUSED && c->head.requests == c->answered + 1);
}

void connection_sending(struct connection *c)
{
    bufferevent_disable(c->bev, EV_READ);
}

void connection_done(struct connection *c, bool closing)
{
    c->answered++;
    const bool idle = c->head.state == HTTP_HEAD_IDLE && c->head.requests == c->answered;
    set_phase(c, idle ? CONNECTION_IDLE : CONNECTION_READING);
    if (closing && !c->soon) {
        c->soon = true;
        c->owner->soon.push_back(c);
        event_active(c->owner->soon_event, EV_TIMEOUT, 0);
    }
}

void connections_stop(struct connections *cs)
{
    cs->stopping = true;
    std::vector<struct connection *> idle;
    for (const auto &[bev, c] : cs->all)
        if (c->phase == CONNECTION_IDLE && is_silent(c))
            idle.push_back(c);
    for (struct connection *c : idle)
        connection_end(c);
}

size_t connections_count(const struct connections *cs)
{
    return cs->all.size();
}

void connections_free(struct connections *cs)
{
    if (!cs)
        return;
    while (!cs->all.empty())
        connection_free(cs->all.begin()->second);
    event_free(cs->sweep);
    event_free(cs->soon_event);
    delete cs;
}
