// The life of a request, and every byte of its reply. Works around evhttp (libevent 2.1.12), which sends
// a body after the header of a HEAD, and answers errors with HTML.
#include "http_server_request.h"

#include <cassert>
#include <cstdio>
#include <cstring>
#include <strings.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/util.h>

#include "blob.h"
#include "clock.h"
#include "connections.h"
#include "http_response.h"
#include "problem.h"
#include "rope_feed.h"
#include "trace_context.h"

// OpenSSL takes a piece whole, however long that takes; this is one record of TLS.
static const size_t TLS_PIECE_MAX = 16384;
static const size_t CLIENT_ID_MAX = 128;

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

static void take_random(struct http_server *s, unsigned char *bytes, size_t size)
{
    if (s->random_left < size) {
        evutil_secure_rng_get_bytes(s->random, sizeof s->random);
        s->random_left = sizeof s->random;
    }
    s->random_left -= size;
    memcpy(bytes, s->random + s->random_left, size);
}

// A random UUID, version 4 (RFC 9562).
static std::string new_id(struct http_server *s)
{
    unsigned char b[16];
    take_random(s, b, sizeof b);
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

static std::string new_traceparent(struct http_server *s)
{
    unsigned char random[TRACE_RANDOM_SIZE];
    take_random(s, random, sizeof random);
    return trace_parent_new(random);
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
    r->route = "";
    r->started_us = clock_monotonic_us();
    r->id = choose_id(s, http_request_header(r, "X-Request-Id"));
    return r;
}

void http_server_forget(struct http_request *r)
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

// The client has no certificate, or that of somebody else.
static void reply_forbidden(struct http_request *r, const std::string &why)
{
    struct http_response response;
    problem_response(&response, 403, why);
    http_reply(r, &response);
}

// Every place is taken by a client that waits for its reply.
static void reply_full(struct http_request *r)
{
    struct http_response response;
    problem_response(&response, 503, "too many connections; try again");
    response.headers.push_back({.name = "Retry-After", .value = "1"});
    http_reply(r, &response);
}

void http_server_on_request(struct evhttp_request *req, void *arg)
{
    struct http_server *s = static_cast<struct http_server *>(arg);
    struct http_request *r = request_new(s, req);
    const bool vital = is_vital(s, req);
    const bool placed = connection_request(r->connection, r) || vital;
    const std::string refusal = vital ? "" : connection_refusal(r->connection);
    if (!refusal.empty())
        reply_forbidden(r, refusal);
    else if (!placed)
        reply_full(r);
    else
        s->options.on_request(s->options.arg, r);
}

void http_server_on_left(void *, void *request, bool released)
{
    struct http_request *r = static_cast<struct http_request *>(request);
    const http_gone_fn gone = r->on_gone;
    void *arg = r->gone_arg;
    if (released)
        evhttp_request_free(r->req); // evhttp took it off its connection, and left it to us
    http_server_forget(r);
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

const std::string &http_request_traceparent(struct http_request *r)
{
    if (r->traceparent.empty()) {
        r->traceparent = http_request_list(r, "traceparent");
        r->own_trace = !trace_parent_is_good(r->traceparent);
        if (r->own_trace)
            r->traceparent = new_traceparent(r->server);
    }
    return r->traceparent;
}

std::string http_request_tracestate(struct http_request *r)
{
    (void)http_request_traceparent(r);
    return r->own_trace ? "" : http_request_list(r, "tracestate");
}

void http_request_set_user(struct http_request *r, const std::string &user)
{
    r->user = user;
}

const char *http_request_user(const struct http_request *r)
{
    return r->user.c_str();
}

void http_request_set_route(struct http_request *r, const char *route)
{
    r->route = route;
}

const char *http_request_route(const struct http_request *r)
{
    return r->route;
}

int64_t http_request_age_us(const struct http_request *r)
{
    return clock_monotonic_us() - r->started_us;
}

size_t http_request_connections(const struct http_request *r)
{
    return http_server_connections(r->server);
}

bool http_request_end_stalled(const struct http_request *r)
{
    return connections_end_stalled(r->server->connections);
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

// Whether the client wants this reply to be the last. evhttp would look at the begin of the first
// Connection header only.
static bool asks_for_close(const struct http_request *r)
{
    std::string list = http_request_list(r, "Connection");
    char *rest = list.data();
    while (const char *word = strsep(&rest, ", \t"))
        if (strcasecmp(word, "close") == 0)
            return true;
    return false;
}

static void on_reply_closing(struct evhttp_request *, void *connection)
{
    connection_done(static_cast<struct connection *>(connection), true);
}

static void on_reply_sent(struct evhttp_request *, void *connection)
{
    connection_done(static_cast<struct connection *>(connection), false);
}

// Tells the owner what is answered; `r` is null where there is no request.
static void tell(const struct http_server *s, struct http_request *r,
                 const struct http_response *response)
{
    if (s->options.on_replied)
        s->options.on_replied(s->options.arg, r, response);
}

void http_reply(struct http_request *r, struct http_response *response)
{
    struct evhttp_request *req = r->req;
    tell(r->server, r, response);
    if (response->status >= 400)
        problem_add_request(response, r->id, trace_id_of(http_request_traceparent(r)));
    const bool must_close = connection_reply(r->connection) || asks_for_close(r);
    const bool last = is_last(req, must_close);
    add_headers(r->server, r, response);
    if (must_close) {
        while (evhttp_remove_header(req->input_headers, "Connection") == 0) {
            // or evhttp may say keep-alive too
        }
        evhttp_add_header(req->output_headers, "Connection", "close");
    }
    evhttp_request_set_on_complete_cb(req, last ? on_reply_closing : on_reply_sent, r->connection);
    struct rope_feed *rest = nullptr;
    // evhttp would send a body after the header of a HEAD, a 204 or a 304
    if (has_body(response->status) && evhttp_request_get_command(req) != EVHTTP_REQ_HEAD)
        rest = rope_feed_new(&response->body, r->server->options.tls ? TLS_PIECE_MAX : SIZE_MAX,
                             evhttp_request_get_output_buffer(req));
    rope_clear(&response->body);
    struct connection *connection = r->connection;
    http_server_forget(r);
    evhttp_send_reply(req, response->status, http_status_text(response->status), nullptr);
    connection_sending(connection, rest, last);
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
    if (head->status == 503)
        out->headers.push_back({.name = "Retry-After", .value = "1"});
    if (allow)
        out->headers.push_back({.name = "Allow", .value = allow});
    return head->status;
}

void http_server_on_refused(void *arg, const struct http_head *head, std::string *reply)
{
    struct http_server *s = static_cast<struct http_server *>(arg);
    struct http_response response;
    const int status = refusal_response(s, head, &response);
    tell(s, nullptr, &response);
    const std::string id = new_id(s);
    problem_add_request(&response, id, trace_id_of(new_traceparent(s)));
    *reply = "HTTP/1.1 " + std::to_string(status) + " " + http_status_text(status);
    *reply += std::string("\r\nDate: ") + date_text(s);
    *reply += std::string("\r\nContent-Type: ") + response.content_type;
    *reply += "\r\nContent-Length: " + std::to_string(response.body.size);
    for (const struct http_header &header : response.headers)
        *reply += "\r\n" + header.name + ": " + header.value;
    *reply += "\r\nCache-Control: no-store\r\nX-Request-Id: " + id;
    *reply += "\r\nConnection: close\r\n\r\n";
    if (head->method != HTTP_HEAD)
        *reply += rope_text(&response.body);
    rope_clear(&response.body);
}
