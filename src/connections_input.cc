// What comes in on a connection: it goes past the scanner, and what is refused is answered and ended.
#include "connections_table.h"

#include <algorithm>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "clock.h"

// Bytes that all bodies together may have, but for small ones, which are bounded by their number. A
// client that means well sends a few hundred.
static const size_t BODIES_MAX = 64 << 20;
static const size_t SMALL_BODY = 16 << 10;

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
void connection_linger(struct connection *c)
{
    connection_enter(c, CONNECTION_LINGERING);
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
    connection_say_end(c);
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

// There is no read callback, because evhttp calls it with its own argument if a deferred read is under
// way.
void connection_refuse(struct connection *c)
{
    struct connections *cs = c->owner;
    c->user = connection_user(c);
    if (!c->user) { // it has let go by itself
        connection_linger(c);
        return;
    }
    connection_enter(c, CONNECTION_REFUSING);
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

// Finds room for a large body that has begun, or refuses it: nobody knows yet whether its client may ask.
static bool hold_body(struct connection *c)
{
    struct connections *cs = c->owner;
    if (c->held > 0 || c->head.state != HTTP_HEAD_BODY || c->head.body_left <= SMALL_BODY)
        return true;
    const size_t most = std::max(BODIES_MAX, cs->options.limits.max_body);
    if (c->head.body_left > most - std::min(most, cs->held)) {
        http_head_refuse(&c->head, 503, "Too many requests with large bodies at once; try again.");
        return false;
    }
    c->held = c->head.body_left;
    cs->held += c->held;
    return true;
}

// Runs before the bufferevent calls the user's read callback.
void connection_on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
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
    const bool taken = feed(&c->head, input, info->n_added) && hold_body(c);
    if (c->phase == CONNECTION_NEW || c->phase == CONNECTION_IDLE)
        connection_enter(c, CONNECTION_READING);
    else if (c->phase == CONNECTION_READING)
        connection_moved(c, clock_monotonic_ms());
    if (!taken && c->phase == CONNECTION_READING && c->head.requests == c->answered)
        connection_refuse(c);
}
