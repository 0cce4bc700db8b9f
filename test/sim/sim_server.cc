// A listening address: accepts, refuses or swallows.
#include "sim_server.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "sim_http.h"

constexpr int BACKLOG = 4096;

static void on_listener_accept(struct evconnlistener *, evutil_socket_t fd, struct sockaddr *, int,
                               void *arg)
{
    struct sim_server *s = static_cast<struct sim_server *>(arg);
    sim_conn_new(s, fd);
}

static struct sockaddr_in socket_address(const struct sim_server *s)
{
    struct sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(s->options.port);
    address.sin_addr = s->options.address;
    return address;
}

// Binds a new socket; connections that are accepted from it inherit TCP_NODELAY.
static bool server_bind(struct sim_server *s)
{
    const int on = 1;
    struct sockaddr_in address = socket_address(s);
    struct sockaddr *const any = reinterpret_cast<struct sockaddr *>(&address);
    socklen_t size = sizeof address;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return false;
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(s->fd, any, size) != 0 || getsockname(s->fd, any, &size) != 0) {
        const int reason = errno;
        close(s->fd);
        s->fd = -1;
        errno = reason;
        return false;
    }
    s->options.port = ntohs(address.sin_port);
    return true;
}

static void server_unbind(struct sim_server *s)
{
    if (s->listener)
        evconnlistener_free(s->listener);
    s->listener = nullptr;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    for (int &filler : s->fillers) {
        if (filler >= 0)
            close(filler);
        filler = -1;
    }
}

// With a backlog of 0 Linux queues one connection and drops the SYN of every further one.
static bool server_swallow(struct sim_server *s)
{
    struct sockaddr_in address = socket_address(s);
    if (listen(s->fd, 0) != 0)
        return false;
    for (int &filler : s->fillers) {
        filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (filler < 0)
            return false;
        (void)connect(filler, reinterpret_cast<struct sockaddr *>(&address), sizeof address);
    }
    return true;
}

static bool server_listen(struct sim_server *s)
{
    if (listen(s->fd, BACKLOG) != 0)
        return false;
    s->listener =
        evconnlistener_new(s->options.base, on_listener_accept, s, LEV_OPT_CLOSE_ON_EXEC, 0, s->fd);
    return s->listener != nullptr;
}

static bool server_enter(struct sim_server *s, enum sim_server_mode mode)
{
    s->mode = mode;
    switch (mode) {
    case SIM_LISTENS: return server_listen(s);
    case SIM_REFUSES: return true;
    case SIM_SWALLOWS: return server_swallow(s);
    }
    return false;
}

struct sim_server *sim_server_new(const struct sim_server_options *options)
{
    struct sim_server *s = new sim_server{};
    s->options = *options;
    s->fd = -1;
    for (int &filler : s->fillers)
        filler = -1;
    if (server_bind(s) && server_enter(s, SIM_LISTENS))
        return s;
    const int reason = errno;
    sim_server_free(s);
    errno = reason;
    return nullptr;
}

void sim_server_free(struct sim_server *s)
{
    if (!s)
        return;
    sim_server_reset_conns(s);
    server_unbind(s);
    delete s;
}

bool sim_server_set_mode(struct sim_server *s, enum sim_server_mode mode)
{
    if (mode == s->mode && s->fd >= 0)
        return true;
    server_unbind(s);
    return server_bind(s) && server_enter(s, mode);
}

void sim_server_reset_conns(struct sim_server *s)
{
    struct sim_conn *next;
    for (struct sim_conn *c = s->conns; c; c = next) {
        next = sim_conn_next(c);
        sim_conn_reset(c);
    }
}

void sim_server_address(const struct sim_server *s, char text[SIM_ADDRESS_SIZE])
{
    char ip[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &s->options.address, ip, sizeof ip);
    snprintf(text, SIM_ADDRESS_SIZE, "%s:%u", ip, s->options.port);
}
