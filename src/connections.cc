// The client connections. Owns one reference to each bufferevent and the sweep over them.
//
// Works around what libevent 2.1.12 lacks: evhttp restarts its timeouts with every byte, counts no
// connections, tells nobody when it lets one go, and answers bad requests with HTML.
#include "connections_table.h"

#include <algorithm>
#include <cassert>

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

#include "clock.h"
#include "rope_feed.h"
#include "tls.h"

static const struct timeval SWEEP_INTERVAL = {0, 100000};
static const struct timeval SWEEP_INTERVAL_URGENT = {0,
                                                     10000}; // connections wait, or the exit does
static const int64_t NO_LIMIT_MS = INT64_MAX / 2;
static const int64_t LINGER_MS = 1000; // for the client to take the last reply
// When no request is to come any more: for one that has begun, or whose client has just connected, and
// for one on a connection that was kept.
static const int64_t LAST_REQUEST_MS = 1000;
static const int64_t LAST_IDLE_MS = 50;
// What is written of a reply as it begins, in half a millisecond or less. Many are sent whole so, and each
// write that is not the last costs a turn of the loop.
static const size_t FIRST_WRITE = 2 << 20;
// Later the sockets of many may be writable in one turn. The default of 16 KiB halves big replies' speed.
static const size_t MAX_SINGLE_WRITE = 256 << 10;
// With TLS libevent writes for as long as the client takes it, so a turn would have no end. Reading
// must never meet its limit: what OpenSSL holds then waits until more comes from the network.
static const size_t TLS_WRITE = 512 * 1024, TLS_READ = INT32_MAX; // in each tick
static const struct timeval TLS_TICK = {0, 1000};

// How long a phase may last that begins now.
static int64_t limit_ms(const struct connection *c, enum connection_phase phase)
{
    const struct connections_options *o = &c->owner->options;
    const int64_t last = c->owner->stopping ? LAST_REQUEST_MS : NO_LIMIT_MS;
    switch (phase) {
    case CONNECTION_NEW: return std::min({o->header_timeout_ms, o->idle_timeout_ms, last});
    case CONNECTION_READING: return std::min(o->header_timeout_ms, last);
    case CONNECTION_SENDING: return o->reply_timeout_ms;
    case CONNECTION_IDLE: return c->owner->stopping ? LAST_IDLE_MS : o->idle_timeout_ms;
    case CONNECTION_REFUSING:
    case CONNECTION_LINGERING: return LINGER_MS;
    case CONNECTION_PENDING:
    case CONNECTION_PHASES: break;
    }
    return NO_LIMIT_MS;
}

// The body that there was room for is not here any more.
static void forget_body(struct connection *c)
{
    c->owner->held -= c->held;
    c->held = 0;
}

static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg);

// The bufferevent has all of the reply, or will never have it.
static void forget_rest(struct connection *c)
{
    if (c->rest)
        evbuffer_remove_cb(bufferevent_get_output(c->bev), on_output, c);
    rope_feed_free(c->rest);
    c->rest = nullptr;
}

// A phase begins; its list has the connection already.
static void enter(struct connection *c, enum connection_phase phase)
{
    if (phase != CONNECTION_READING && phase != CONNECTION_PENDING)
        forget_body(c);
    c->phase = phase;
    c->moved_ms = clock_monotonic_ms();
    c->deadline_ms = c->moved_ms + limit_ms(c, phase);
    c->unsent = SIZE_MAX;
}

void connection_enter(struct connection *c, enum connection_phase phase)
{
    std::list<struct connection *> *in = c->owner->in;
    in[phase].splice(in[phase].end(), in[c->phase], c->at);
    enter(c, phase);
}

void connection_moved(struct connection *c, int64_t now_ms)
{
    std::list<struct connection *> *in = &c->owner->in[c->phase];
    in->splice(in->end(), *in, c->at);
    c->moved_ms = now_ms;
}

void *connection_user(const struct connection *c)
{
    if (c->phase == CONNECTION_REFUSING)
        return c->user;
    if (c->phase == CONNECTION_LINGERING)
        return nullptr;
    void *user = nullptr;
    bufferevent_getcb(c->bev, nullptr, nullptr, nullptr, &user);
    return user;
}

bool connection_has_input(const struct connection *c)
{
    char byte;
    return recv(bufferevent_getfd(c->bev), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

// Some of the reply was sent: more of it follows.
static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
    struct connection *c = static_cast<struct connection *>(arg);
    if (info->n_deleted > 0 && rope_feed_add(c->rest, output))
        forget_rest(c);
}

// Forgets the connection. Its socket is closed and its reply is given back here, as libevent would do
// that in a later turn only, and by then somebody else may have found no descriptor or memory.
static void connection_free(struct connection *c)
{
    struct connections *cs = c->owner;
    forget_body(c);
    if (c->soon)
        std::erase(cs->soon, c);
    cs->all.erase(c->bev);
    cs->in[c->phase].erase(c->at);
    evbuffer_remove_cb(bufferevent_get_input(c->bev), connection_on_input, c);
    bufferevent_setcb(c->bev, nullptr, nullptr, nullptr, nullptr);
    bufferevent_disable(c->bev, EV_READ | EV_WRITE);
    const evutil_socket_t fd = bufferevent_getfd(c->bev);
    bufferevent_setfd(c->bev, -1);
    if (fd >= 0)
        evutil_closesocket(fd);
    forget_rest(c);
    struct evbuffer *unsent = bufferevent_get_output(c->bev);
    evbuffer_unfreeze(unsent, 1);
    evbuffer_drain(unsent, evbuffer_get_length(unsent));
    bufferevent_decref(c->bev);
    delete c;
}

void connection_say_end(struct connection *c)
{
    if (c->owner->options.tls)
        tls_close(bufferevent_openssl_get_ssl(c->bev));
}

void connection_end(struct connection *c)
{
    void *user = connection_user(c);
    if (c->phase == CONNECTION_SENDING) { // the client does not read: nothing to wait for
        const struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    } else {
        connection_say_end(c);
    }
    if (user)
        c->owner->options.release(user);
    connection_free(c);
}

// The client has left before its reply.
static void connection_left(struct connection *c)
{
    struct connections *cs = c->owner;
    void *request = c->request;
    const bool released = connection_user(c) == nullptr;
    connection_end(c);
    cs->options.on_left(cs->options.arg, request, released);
}

static void deadline_passed(struct connection *c)
{
    const bool waits = c->phase == CONNECTION_NEW || c->phase == CONNECTION_IDLE;
    if (waits && connection_has_input(c))
        return; // its request has just come
    if (c->phase != CONNECTION_READING) {
        connection_end(c);
        return;
    }
    http_head_refuse(&c->head, 408,
                     "The request did not come in full within the time it may take.");
    connection_refuse(c);
}

// Looks whether the client has taken any of its reply. What libevent has written says too little: the
// kernel takes megabytes at once, and then nothing until a third of them has gone.
static void look_at_sending(struct connection *c, int64_t now)
{
    int queued = 0;
    ioctl(bufferevent_getfd(c->bev), SIOCOUTQ, &queued);
    const size_t unsent = rope_feed_left(c->rest) +
                          evbuffer_get_length(bufferevent_get_output(c->bev)) +
                          static_cast<size_t>(queued);
    if (unsent < c->unsent)
        connection_moved(c, now);
    c->unsent = unsent;
}

static void sweep_one(struct connection *c, int64_t now)
{
    if (c->phase != CONNECTION_LINGERING && !connection_user(c)) {
        if (c->request)
            connection_left(c);
        else
            connection_linger(c);
    } else if (now >= c->deadline_ms) {
        deadline_passed(c);
    } else if (c->phase == CONNECTION_SENDING) {
        look_at_sending(c, now);
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
    while (cs->stopping && connections_end_stalled(cs)) {
    }
    connections_make_room(cs, 0);
    if (!cs->all.empty())
        connections_sweep_later(cs);
}

void connections_sweep_later(struct connections *cs)
{
    const bool urgent = cs->full || cs->stopping;
    event_add(cs->sweep, urgent ? &SWEEP_INTERVAL_URGENT : &SWEEP_INTERVAL);
}

// Behind the user's own work after the last reply of a connection: it has let go by now.
static void on_soon(evutil_socket_t, short, void *arg)
{
    struct connections *cs = static_cast<struct connections *>(arg);
    std::vector<struct connection *> list;
    list.swap(cs->soon);
    for (struct connection *c : list) {
        c->soon = false;
        if (c->phase != CONNECTION_LINGERING && !connection_user(c))
            connection_linger(c);
    }
}

struct connections *connections_new(const struct connections_options *options)
{
    struct connections *cs = new connections{};
    cs->options = *options;
    cs->sweep = evtimer_new(options->base, on_sweep, cs);
    cs->soon_event = event_new(options->base, -1, 0, on_soon, cs);
    if (options->tls)
        cs->pace = ev_token_bucket_cfg_new(TLS_READ, TLS_READ, TLS_WRITE, TLS_WRITE, &TLS_TICK);
    return cs;
}

static struct bufferevent *bufferevent_for(struct connections *cs)
{
    struct event_base *base = cs->options.base;
    if (!cs->options.tls)
        return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    struct bufferevent *bev = bufferevent_openssl_socket_new(
        base, -1, tls_accept(cs->options.tls), BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_set_rate_limit(bev, cs->pace);
    return bev;
}

struct bufferevent *connections_accept(struct connections *cs)
{
    connections_make_room(cs, 1); // before, or it could be the new one that ends
    struct connection *c = new connection{};
    c->owner = cs;
    c->bev = bufferevent_for(cs);
    bufferevent_incref(c->bev);
    http_head_init(&c->head, &cs->options.limits);
    bufferevent_set_max_single_write(c->bev, MAX_SINGLE_WRITE);
    evbuffer_add_cb(bufferevent_get_input(c->bev), connection_on_input, c);
    c->at = cs->in[CONNECTION_NEW].insert(cs->in[CONNECTION_NEW].end(), c);
    enter(c, CONNECTION_NEW);
    cs->all.emplace(c->bev, c);
    if (!event_pending(cs->sweep, EV_TIMEOUT, nullptr))
        connections_sweep_later(cs);
    return c->bev;
}

struct connection *connections_find(const struct connections *cs, const struct bufferevent *bev)
{
    const auto at = cs->all.find(bev);
    return at == cs->all.end() ? nullptr : at->second;
}

bool connection_request(struct connection *c, void *request)
{
    assert(c->phase == CONNECTION_READING);
    c->request = request;
    connection_enter(c, CONNECTION_PENDING);
    c->reserved = connections_are_short(c->owner) && !connections_end_stalled(c->owner);
    return !c->reserved;
}

std::string connection_refusal(const struct connection *c)
{
    const struct tls *tls = c->owner->options.tls;
    return tls ? tls_refusal(tls, bufferevent_openssl_get_ssl(c->bev)) : "";
}

bool connection_reply(struct connection *c)
{
    assert(c->phase == CONNECTION_PENDING);
    c->request = nullptr;
    connection_enter(c, CONNECTION_SENDING);
    return c->owner->draining || c->reserved ||
           (c->head.state == HTTP_HEAD_REFUSED && c->head.requests == c->answered + 1);
}

// Writes what the socket takes. By itself libevent waits for it to be writable first, which it nearly always
// is: that costs a turn of the loop and two system calls. True: that was all, and the user knows.
static bool send_at_once(struct connection *c)
{
    struct evbuffer *output = bufferevent_get_output(c->bev);
    evbuffer_unfreeze(output, 1);
    (void)!evbuffer_write_atmost(output, bufferevent_getfd(c->bev), FIRST_WRITE);
    evbuffer_freeze(output, 1);
    if (evbuffer_get_length(output) > 0)
        return false; // libevent goes on, and meets the error if it was one
    bufferevent_disable(c->bev, EV_WRITE);
    bufferevent_trigger(c->bev, EV_WRITE, 0);
    return true;
}

void connection_sending(struct connection *c, struct rope_feed *rest, bool last)
{
    c->rest = rest;
    if (rest)
        evbuffer_add_cb(bufferevent_get_output(c->bev), on_output, c);
    // behind the last reply the user frees its side, which is for a turn of its own
    if (last || c->owner->options.tls || !send_at_once(c))
        bufferevent_disable(c->bev, EV_READ);
}

void connection_done(struct connection *c, bool closing)
{
    c->answered++;
    const bool idle = c->head.state == HTTP_HEAD_IDLE && c->head.requests == c->answered;
    connection_enter(c, idle ? CONNECTION_IDLE : CONNECTION_READING);
    if (closing)
        connection_say_end(c); // the user is about to shut the sending side of the socket down
    if (closing && !c->soon) {
        c->soon = true;
        c->owner->soon.push_back(c);
        event_active(c->owner->soon_event, EV_TIMEOUT, 0);
    }
}

void connections_drain(struct connections *cs)
{
    cs->draining = true;
}

void connections_stop(struct connections *cs)
{
    cs->draining = cs->stopping = true;
    const int64_t now = clock_monotonic_ms();
    for (const auto &[bev, c] : cs->all)
        c->deadline_ms = std::min(c->deadline_ms, now + limit_ms(c, c->phase));
    connections_sweep_later(cs);
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
    if (cs->pace)
        ev_token_bucket_cfg_free(cs->pace);
    delete cs;
}
