// The REST listener. Knows evhttp (libevent 2.1.12) and keeps its surprises inside: what may reach it
// and for how long is the business of connections.cc, here requests come out and replies go in.
#include "http_server_request.h"

#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "address.h"
#include "clock.h"
#include "connections.h"
#include "listener.h"

// evhttp's own limits are above ours, so that its HTML error pages are never seen.
static const ev_ssize_t LIMIT_SLACK = 8192;
static const struct timeval NEXT_TURN = {0, 0};
static const int64_t STOP_MS = 200; // to accept those who wait already

static struct bufferevent *on_evhttp_accept(struct event_base *, void *arg)
{
    const struct http_server *s = static_cast<struct http_server *>(arg);
    listener_accepted(s->listener);
    return connections_accept(s->connections);
}

static bool on_no_descriptor(void *arg)
{
    return connections_no_descriptor(static_cast<struct http_server *>(arg)->connections);
}

static void on_connection_end(void *user)
{
    evhttp_connection_free(static_cast<struct evhttp_connection *>(user));
}

static void on_connections_full(void *arg, bool full)
{
    const struct http_server *s = static_cast<struct http_server *>(arg);
    if (full)
        listener_pause(s->listener);
    else
        listener_resume(s->listener);
}

static struct connections *make_connections(struct http_server *s)
{
    const struct http_server_options *o = &s->options;
    const struct connections_options options = {
        .base = o->base,
        .tls = o->tls,
        .max = o->max_connections,
        .limits = {.max_header = o->max_header, .max_body = o->max_body},
        .header_timeout_ms = o->header_timeout_ms,
        .idle_timeout_ms = o->idle_timeout_ms,
        .reply_timeout_ms = o->reply_timeout_ms,
        .release = on_connection_end,
        .on_refused = http_server_on_refused,
        .on_left = http_server_on_left,
        .on_full = on_connections_full,
        .arg = s,
    };
    return connections_new(&options);
}

static void configure_evhttp(struct http_server *s)
{
    evhttp_set_bevcb(s->http, on_evhttp_accept, s);
    evhttp_set_gencb(s->http, http_server_on_request, s);
    evhttp_set_default_content_type(s->http, nullptr);
    evhttp_set_allowed_methods(
        s->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
                     EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE | EVHTTP_REQ_PATCH);
    evhttp_set_max_headers_size(s->http,
                                static_cast<ev_ssize_t>(s->options.max_header) + LIMIT_SLACK);
    evhttp_set_max_body_size(s->http, static_cast<ev_ssize_t>(s->options.max_body) + LIMIT_SLACK);
}

// The listener closes when those who wait were accepted.
static void on_stop_timer(evutil_socket_t, short, void *arg)
{
    struct http_server *s = static_cast<struct http_server *>(arg);
    if (listener_has_waiting(s->listener) && clock_monotonic_ms() < s->stop_by_ms) {
        event_add(s->stop_timer, &NEXT_TURN);
        return;
    }
    listener_forget(s->listener);
    for (struct evhttp_bound_socket *socket : s->sockets)
        evhttp_del_accept_socket(s->http, socket);
    s->sockets.clear();
    connections_stop(s->connections);
}

struct http_server *http_server_new(const struct http_server_options *options, std::string *error)
{
    struct address address;
    if (!address_parse(options->address, &address, error))
        return nullptr;
    struct listener *listener = listener_new(options->base, &address, error);
    if (!listener)
        return nullptr;
    struct http_server *s = new http_server{};
    s->options = *options;
    s->listener = listener;
    s->connections = make_connections(s);
    s->http = evhttp_new(options->base);
    s->stop_timer = evtimer_new(options->base, on_stop_timer, s);
    configure_evhttp(s);
    for (size_t i = 0; i < listener_count(listener); i++)
        s->sockets.push_back(evhttp_bind_listener(s->http, listener_at(listener, i)));
    listener_give(listener);
    listener_on_no_descriptor(listener, on_no_descriptor, s);
    return s;
}

void http_server_drain(struct http_server *s)
{
    connections_drain(s->connections);
}

void http_server_stop(struct http_server *s)
{
    if (s->stop_by_ms != 0)
        return;
    s->stop_by_ms = clock_monotonic_ms() + STOP_MS;
    listener_refuse(s->listener);
    event_add(s->stop_timer, &NEXT_TURN);
}

bool http_server_is_idle(const struct http_server *s)
{
    return s->sockets.empty() && connections_count(s->connections) == 0;
}

size_t http_server_connections(const struct http_server *s)
{
    return connections_count(s->connections);
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    while (!s->requests.empty()) {
        struct http_request *r = s->requests.back();
        if (!evhttp_request_get_connection(r->req))
            evhttp_request_free(r->req);
        http_server_forget(r);
    }
    listener_forget(s->listener);
    evhttp_free(s->http); // frees its connections, with the requests on them
    connections_free(s->connections);
    listener_free(s->listener);
    event_free(s->stop_timer);
    delete s;
}

uint16_t http_server_port(const struct http_server *s)
{
    return listener_port(s->listener);
}
