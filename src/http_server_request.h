// What the parts of http_server share. Private to it: http_server.cc listens, http_server_request.cc has
// the life of a request from evhttp's callback to the reply.
#pragma once
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "http_server.h"

struct connection;
struct connections;
struct event;
struct evhttp;
struct evhttp_bound_socket;
struct evhttp_request;
struct listener;

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
    std::string id, user;
    std::string traceparent; // empty: nobody has asked yet
    bool own_trace;          // and the client has not said one
    const char *route;       // what it is counted as; static
    int64_t started_us;      // monotonic
    http_gone_fn on_gone;
    void *gone_arg;
};

// A callback for evhttp: a request was read. `arg` is the http_server.
void http_server_on_request(struct evhttp_request *req, void *arg);

// Callbacks for connections; `server` is the http_server.
void http_server_on_left(void *server, void *request, bool released);
void http_server_on_refused(void *server, const struct http_head *head, std::string *reply);

// Forgets a request that is not answered; evhttp's is not touched.
void http_server_forget(struct http_request *r);
