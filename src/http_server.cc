// The REST listener. Knows evhttp (libevent 2.1.12) and keeps its surprises inside: what may reach it
// and for how long is the business of connections.cc, here requests come out and replies go in.
#include "http_server.h"

#include <cassert>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <strings.h>
#include <vector>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <event2/util.h>

#include "address.h"
#include "blob.h"
#include "clock.h"
#include "connections.h"
#include "http_response.h"
#include "listener.h"
#include "problem.h"

// evhttp's own limits are above ours, so that its HTML error pages are never seen.
static const ev_ssize_t LIMIT_SLACK = 8192;
static const struct timeval NEXT_TURN = {0, 0};
static const int64_t STOP_MS = 200;  // to accept those who wait already
static const size_t COPY_MAX = 1024; // smaller pieces are copied: cheaper than a reference
static const size_t CLIENT_ID_MAX = 128;

struct http_server {
    struct http_server_options options;
    struct evhttp *http; // owns the libevent listeners and its side of the connections
    struct listener *listener;
    std::vector<struct evhttp_bound_socket *> sockets;
    struct connections *connections;
    std::vector<struct http_request *> requests; // those without a reply
    unsigned char random[512];                   // for ids: one system call for many
    size_t random_left;
    time_t date_second;
    char date[40]; // of that second, as the Date header has it
    struct event *stop_timer;
    int64_t stop_by_ms; // when the listener closes at the latest; 0: not asked to stop
};

// Lives from on_request until http_reply, or until the client leaves. While it lives, so does its
// connection; evhttp may have freed its own side of it already, then the evhttp_request is ours.
struct http_request {
    struct http_server *server;
    size_t index; // in server->requests
    struct evhttp_request *req;
    struct connection *connection;
    struct blob *body;
    std::string id;
    http_gone_fn on_gone;
    void *gone_arg;
};

static const char *date_text(struct http_server *s)
{
    struct timeval now;
    event_base_gettimeofday_cached(s->options.base, &now);
    if (now.tv_sec != s->date_second || s->date[0] == '\0') {
        s->date_second = now.tv_sec;
        struct tm utc;
        gmtime_r(&s->date_second, &utc);
        evutil_date_rfc1123(s->date, sizeof s->date, &utc);
    }
    return s->date;
}

// A random UUID, version 4 (RFC 9562).
static std::string new_id(struct http_server *s)
{
    unsigned char b[16];
    if (s->random_left < sizeof b) {
        evutil_secure_rng_get_bytes(s->random, sizeof s->random);
        s->random_left = sizeof s->random;
    }
    s->random_left -= sizeof b;
    memcpy(b, s->random + s->random_left, sizeof b);
    b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x40);
    b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);
    std::string text;
    for (size_t i = 0; i < sizeof b; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text += '-';
        text += "0123456789abcdef"[b[i] >> 4];
        text += "0123456789abcdef"[b[i] & 15];
    }
    return text;
}

// The client's id, if it is one that can be logged and echoed, or a new one.
static std::string choose_id(struct http_server *s, const char *client)
{
    const std::string id = client ? client : "";
    if (id.empty() || id.size() > CLIENT_ID_MAX)
        return new_id(s);
    for (const char c : id)
        if (c < 0x21 || c > 0x7e)
            return new_id(s);
    return id;
}

// ---- requests

static struct http_request *request_new(struct http_server *s, struct evhttp_request *req)
{
    struct http_request *r = new http_request{};
    r->server = s;
    r->index = s->requests.size();
    s->requests.push_back(r);
    r->req = req;
    struct evhttp_connection *evcon = evhttp_request_get_connection(req);
    r->connection = connections_find(s->connections, evhttp_connection_get_bufferevent(evcon));
    assert(r->connection);
    struct evbuffer *input = evhttp_request_get_input_buffer(req);
    const size_t size = evbuffer_get_length(input);
    r->body = blob_new(size);
    if (size > 0)
        r->body->size = static_cast<size_t>(evbuffer_remove(input, r->body->data, size));
    r->id = choose_id(s, http_request_header(r, "X-Request-Id"));
    return r;
}

// Forgets the request; evhttp's is not touched.
static void request_free(struct http_request *r)
{
    std::vector<struct http_request *> *all = &r->server->requests;
    (*all)[r->index] = all->back();
    (*all)[r->index]->index = r->index;
    all->pop_back();
    blob_unref(r->body);
    delete r;
}

static bool is_vital(const struct http_server *s, struct evhttp_request *req)
{
    const std::string_view target = evhttp_request_get_uri(req);
    return s->options.vital && s->options.vital(target.substr(0, target.find('?')));
}

// Every place is taken by a client that waits for its reply.
static void reply_full(struct http_request *r)
{
    struct http_response response;
    problem_response(&response, 503, "too many connections; try again");
    response.headers.push_back({.name = "Retry-After", .value = "1"});
    http_reply(r, &response);
}

static void on_evhttp_request(struct evhttp_request *req, void *arg)
{
    struct http_server *s = static_cast<struct http_server *>(arg);
    struct http_request *r = request_new(s, req);
    if (connection_request(r->connection, r) || is_vital(s, req))
        s->options.on_request(s->options.arg, r);
    else
        reply_full(r);
}

static void on_client_left(void *, void *request, bool released)
{
    struct http_request *r = static_cast<struct http_request *>(request);
    const http_gone_fn gone = r->on_gone;
    void *arg = r->gone_arg;
    if (released)
        evhttp_request_free(r->req); // evhttp took it off its connection, and left it to us
    request_free(r);
    if (gone)
        gone(arg);
}

enum http_method http_request_method(const struct http_request *r)
{
    const int command = evhttp_request_get_command(r->req);
    switch (command) {
    case EVHTTP_REQ_GET: return HTTP_GET;
    case EVHTTP_REQ_HEAD: return HTTP_HEAD;
    case EVHTTP_REQ_POST: return HTTP_POST;
    case EVHTTP_REQ_PUT: return HTTP_PUT;
    case EVHTTP_REQ_DELETE: return HTTP_DELETE;
    case EVHTTP_REQ_OPTIONS: return HTTP_OPTIONS;
    case EVHTTP_REQ_PATCH: return HTTP_PATCH;
    case EVHTTP_REQ_TRACE: return HTTP_TRACE;
    default: return HTTP_UNKNOWN;
    }
}

const char *http_request_target(const struct http_request *r)
{
    return evhttp_request_get_uri(r->req);
}

const char *http_request_header(const struct http_request *r, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(r->req), name);
}

std::string http_request_list(const struct http_request *r, const char *name)
{
    std::string joined;
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(r->req);
    for (const struct evkeyval *h = headers->tqh_first; h; h = h->next.tqe_next)
        if (strcasecmp(h->key, name) == 0)
            joined += (joined.empty() ? "" : ", ") + std::string(h->value);
    return joined;
}

struct blob *http_request_body(const struct http_request *r)
{
    return r->body;
}

const char *http_request_id(const struct http_request *r)
{
    return r->id.c_str();
}

void http_request_on_gone(struct http_request *r, http_gone_fn gone, void *arg)
{
    r->on_gone = gone;
    r->gone_arg = arg;
}

// ---- replies

static bool has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

static void on_piece_sent(const void *, size_t, void *owner)
{
    blob_unref(static_cast<struct blob *>(owner));
}

static void add_body(struct evbuffer *out, const struct rope *body)
{
    for (const struct rope_piece &piece : body->pieces) {
        const char *data = piece.owner->data + piece.offset;
        if (piece.size <= COPY_MAX)
            evbuffer_add(out, data, piece.size);
        else if (evbuffer_add_reference(out, data, piece.size, on_piece_sent,
                                        blob_ref(piece.owner)) != 0)
            blob_unref(piece.owner);
    }
}

static void add_headers(struct http_server *s, const struct http_request *r,
                        const struct http_response *response)
{
    struct evkeyvalq *out = evhttp_request_get_output_headers(r->req);
    evhttp_add_header(out, "Date", date_text(s));
    if (has_body(response->status)) {
        char length[24];
        snprintf(length, sizeof length, "%zu", response->body.size);
        evhttp_add_header(out, "Content-Type", response->content_type);
        evhttp_add_header(out, "Content-Length", length);
    }
    for (const struct http_header &header : response->headers)
        evhttp_add_header(out, header.name.c_str(), header.value.c_str());
    evhttp_add_header(out, "Cache-Control", "no-store");
    evhttp_add_header(out, "X-Request-Id", r->id.c_str());
}

// Whether the connection ends with this reply, which evhttp decides by the same rules.
static bool is_last(const struct evhttp_request *req, bool must_close)
{
    const char *connection = evhttp_find_header(req->input_headers, "Connection");
    if (must_close || (connection && strncasecmp(connection, "close", 5) == 0))
        return true;
    return req->minor == 0 && !(connection && strncasecmp(connection, "keep-alive", 10) == 0);
}

static void on_reply_closing(struct evhttp_request *, void *connection)
{
    connection_done(static_cast<struct connection *>(connection), true);
}

static void on_reply_sent(struct evhttp_request *, void *connection)
{
    connection_done(static_cast<struct connection *>(connection), false);
}

void http_reply(struct http_request *r, struct http_response *response)
{
    struct evhttp_request *req = r->req;
    const bool must_close = connection_reply(r->connection);
    const bool last = is_last(req, must_close);
    add_headers(r->server, r, response);
    if (must_close) {
        evhttp_remove_header(req->input_headers, "Connection"); // or evhttp may say keep-alive too
        evhttp_add_header(req->output_headers, "Connection", "close");
    }
    evhttp_request_set_on_complete_cb(req, last ? on_reply_closing : on_reply_sent, r->connection);
    struct evbuffer *body = evbuffer_new();
    // evhttp would send a body after the header of a HEAD, a 204 or a 304
    if (has_body(response->status) && evhttp_request_get_command(req) != EVHTTP_REQ_HEAD)
        add_body(body, &response->body);
    rope_clear(&response->body);
    struct connection *connection = r->connection;
    request_free(r);
    evhttp_send_reply(req, response->status, http_status_text(response->status), body);
    connection_sending(connection);
    evbuffer_free(body);
}

// ---- refusals

// The status of a refusal; for a method that HTTP does not know it depends on the path.
static int refusal_response(const struct http_server *s, const struct http_head *head,
                            struct http_response *out)
{
    const char *allow = nullptr;
    if (head->status == 405 && s->options.allow)
        allow = s->options.allow(head->path);
    if (head->status == 405 && !allow) {
        problem_response(out, 404, "There is nothing at this path.");
        return 404;
    }
    problem_response(out, head->status, head->detail);
    if (allow)
        out->headers.push_back({.name = "Allow", .value = allow});
    return head->status;
}

static void on_refused(void *arg, const struct http_head *head, std::string *reply)
{
    struct http_server *s = static_cast<struct http_server *>(arg);
    struct http_response response;
    const int status = refusal_response(s, head, &response);
    *reply = "HTTP/1.1 " + std::to_string(status) + " " + http_status_text(status);
    *reply += std::string("\r\nDate: ") + date_text(s);
    *reply += std::string("\r\nContent-Type: ") + response.content_type;
    *reply += "\r\nContent-Length: " + std::to_string(response.body.size);
    for (const struct http_header &header : response.headers)
        *reply += "\r\n" + header.name + ": " + header.value;
    *reply += "\r\nCache-Control: no-store\r\nX-Request-Id: " + new_id(s);
    *reply += "\r\nConnection: close\r\n\r\n";
    if (head->method != HTTP_HEAD)
        *reply += rope_text(&response.body);
    rope_clear(&response.body);
}

// ---- the server

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
        .max = o->max_connections,
        .limits = {.max_header = o->max_header, .max_body = o->max_body},
        .header_timeout_ms = o->header_timeout_ms,
        .idle_timeout_ms = o->idle_timeout_ms,
        .reply_timeout_ms = o->reply_timeout_ms,
        .release = on_connection_end,
        .on_refused = on_refused,
        .on_left = on_client_left,
        .on_full = on_connections_full,
        .arg = s,
    };
    return connections_new(&options);
}

static void configure_evhttp(struct http_server *s)
{
    evhttp_set_bevcb(s->http, on_evhttp_accept, s);
    evhttp_set_gencb(s->http, on_evhttp_request, s);
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
        request_free(r);
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
