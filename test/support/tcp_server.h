// A server of scripted bytes on a loopback address, in the test's own process and loop.
//
// It knows just enough HTTP to tell where a request ends, and answers with whatever it was told to.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct event_base;
struct bufferevent;
struct tcp_server;

enum tcp_then {
    TCP_KEEP,  // wait for the next request
    TCP_CLOSE, // close when all is sent
    TCP_RESET, // close with a RST when all is sent
};

struct tcp_reply {
    std::string bytes;
    enum tcp_then then;
};

// Makes the bufferevent of an accepted connection, such as one with TLS.
typedef struct bufferevent *(*tcp_wrap_fn)(struct event_base *base, int fd, void *arg);

// Listens on an IPv4 address; port 0 takes a free one. The first request on the server gets the
// first reply, and so on; the last reply serves all further requests.
[[nodiscard]] struct tcp_server *tcp_server_new(struct event_base *base, const char *address,
                                                uint16_t port,
                                                const std::vector<struct tcp_reply> &script);
// Closes the listener and all connections.
void tcp_server_free(struct tcp_server *s);

void tcp_server_wrap(struct tcp_server *s, tcp_wrap_fn wrap, void *arg);

// Closes the connections that are open now; the listener stays.
void tcp_server_hang_up(struct tcp_server *s);

[[nodiscard]] uint16_t tcp_server_port(const struct tcp_server *s);
[[nodiscard]] std::string tcp_server_url(const struct tcp_server *s, const char *path);
[[nodiscard]] size_t tcp_server_connections(const struct tcp_server *s); // ever accepted

// The requests so far, each with its head and body.
[[nodiscard]] const std::vector<std::string> &tcp_server_requests(const struct tcp_server *s);
