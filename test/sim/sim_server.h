// One listening address of the simulator: it accepts, refuses or swallows connections, and owns the
// connections it accepted.
#pragma once
#include <netinet/in.h>

#include <cstddef>
#include <cstdint>

struct event_base;
struct evconnlistener;
struct ssl_ctx_st;
struct sim_conn;
struct sim_request;

// A whole request came. It is borrowed until the handler returns; the reply may come later.
typedef void (*sim_request_fn)(struct sim_conn *conn, const struct sim_request *request, void *arg);

enum sim_server_mode {
    SIM_LISTENS,
    SIM_REFUSES,  // bound, but a connect gets a reset
    SIM_SWALLOWS, // the queue of the listener is full: a connect gets no answer
};

struct sim_server_options {
    struct event_base *base;
    struct in_addr address;
    uint16_t port;          // 0: the kernel chooses
    struct ssl_ctx_st *tls; // null: plain. Borrowed.
    sim_request_fn on_request;
    void *arg;
};

struct sim_server {
    struct sim_server_options options; // port: the real one
    enum sim_server_mode mode;
    int fd; // of the listener, or bound only
    struct evconnlistener *listener;
    int fillers[2]; // connections of our own that fill the queue
    struct sim_conn *conns;
    uint64_t accepted, aborted; // aborted: the client was gone before its reply was sent
    size_t open;
};

// Null, with errno, where the address cannot be had.
[[nodiscard]] struct sim_server *sim_server_new(const struct sim_server_options *options);

// Resets all connections.
void sim_server_free(struct sim_server *s);

// False, with errno, where the address was taken meanwhile. Connections stay as they are.
[[nodiscard]] bool sim_server_set_mode(struct sim_server *s, enum sim_server_mode mode);

// RST to every open connection.
void sim_server_reset_conns(struct sim_server *s);

// "127.77.0.1:8080", in a buffer of the caller's.
constexpr size_t SIM_ADDRESS_SIZE = 32;
void sim_server_address(const struct sim_server *s, char text[SIM_ADDRESS_SIZE]);
