// The REST listener: the only module that knows evhttp.
//
// Every request that reaches `on_request` has been checked (http_head): it is unambiguous, within the
// limits, its target begins with one '/'. Every other one was answered with a problem document or
// closed. A request is answered exactly once, or its client leaves; a client that shuts its sending
// side down while it waits for a reply counts as leaving. The process must ignore SIGPIPE.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http_head.h"

struct blob;
struct event_base;
struct http_response;
struct http_server;
struct tls;
struct http_request; // one request; lives from on_request until http_reply or on_gone

typedef void (*http_request_fn)(void *arg, struct http_request *request);
typedef void (*http_gone_fn)(void *arg);

// The methods that a path has, as an Allow value ("GET, HEAD"), or null for an unknown path: for
// requests whose method HTTP does not know.
typedef const char *(*http_allow_fn)(std::string_view path);

// Whether a path tells if the daemon is well: such a request is answered even where no place is left,
// and to clients that may not ask anything else.
typedef bool (*http_vital_fn)(std::string_view path);

// A reply is about to be sent: to `request`, or, where that is null, to one that was refused before it was
// whole.
typedef void (*http_replied_fn)(void *arg, struct http_request *request,
                                const struct http_response *response);

struct http_server_options {
    struct event_base *base;
    const char *address;       // "IP:port", "[::1]:port"; empty host: all addresses, both families
    size_t max_header = 16384; // bytes of request line and header
    size_t max_body;           // bytes
    size_t max_connections;    // beyond it idle ones end, then slow ones, then new ones wait
    int64_t header_timeout_ms = 10000; // from the first byte to the last of a request, absolute
    int64_t idle_timeout_ms = 120000;  // a kept connection without a request
    int64_t reply_timeout_ms = 60000;  // to send a reply that is ready, absolute
    const struct tls *tls = nullptr;   // null: plain HTTP
    http_allow_fn allow;
    http_vital_fn vital = nullptr; // null: none is
    http_request_fn on_request;
    http_replied_fn on_replied = nullptr; // null: nobody wants to know
    void *arg;
};

// Listens. Null and a message for people in `error` where that is not possible.
[[nodiscard]] struct http_server *http_server_new(const struct http_server_options *options,
                                                  std::string *error);

// Makes every reply the last of its connection, so that clients look for another server in time.
void http_server_drain(struct http_server *s);

// Closes the listener, as soon as it has no connection that waits to be accepted. Connections go on, and
// each ends with the reply that is under way; those without a request have a moment to send one.
void http_server_stop(struct http_server *s);

// The listener is closed and no connection is left (after http_server_stop).
[[nodiscard]] bool http_server_is_idle(const struct http_server *s);

// Closes everything; requests that were not answered are forgotten without a call of on_gone. Not to
// be called from a callback of this module.
void http_server_free(struct http_server *s);

// The connections that are open, lingering ones included.
[[nodiscard]] size_t http_server_connections(const struct http_server *s);

// The port that is listened on, for an address with port 0.
[[nodiscard]] uint16_t http_server_port(const struct http_server *s);

// What was asked. All borrowed until the request ends.
[[nodiscard]] enum http_method http_request_method(const struct http_request *r);
[[nodiscard]] const char *http_request_target(const struct http_request *r); // "/v1/pods?x=1", raw
[[nodiscard]] const char *http_request_header(const struct http_request *r, const char *name);
// Every value of a header that is a list, joined by ", " (RFC 9110, section 5.3); "" where absent.
[[nodiscard]] std::string http_request_list(const struct http_request *r, const char *name);
[[nodiscard]] struct blob *http_request_body(const struct http_request *r); // never null
[[nodiscard]] const char *http_request_id(const struct http_request *r);    // the client's, or made

// The trace that it belongs to: the client's traceparent if that is good, or a new one; and the client's
// tracestate, which goes with a traceparent of its own only, or "".
[[nodiscard]] const std::string &http_request_traceparent(struct http_request *r);
[[nodiscard]] std::string http_request_tracestate(struct http_request *r);

// Who asks, for the log: what was found out about it, or "".
void http_request_set_user(struct http_request *r, const std::string &user);
[[nodiscard]] const char *http_request_user(const struct http_request *r);

// Ends the connection of another client, the one that has taken no byte of its reply for longest, a
// second at least: for the memory of that reply. False: there is none.
bool http_request_end_stalled(const struct http_request *r);

// What the request is counted as: a static text. Empty where nobody has set it.
void http_request_set_route(struct http_request *r, const char *route);
[[nodiscard]] const char *http_request_route(const struct http_request *r);
// How long ago it was whole, in microseconds.
[[nodiscard]] int64_t http_request_age_us(const struct http_request *r);
// The connections of the server that it came to.
[[nodiscard]] size_t http_request_connections(const struct http_request *r);

// Has `gone` called once if the client leaves before the reply, within about 100 ms; the request is
// gone then.
void http_request_on_gone(struct http_request *r, http_gone_fn gone, void *arg);

// Sends the reply and ends the request. Takes the body out of `response`. A HEAD gets the header of
// the GET.
void http_reply(struct http_request *r, struct http_response *response);
