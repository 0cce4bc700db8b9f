// Listening sockets: made here, because evhttp's own know neither backlog, nor both families, nor
// TCP_NODELAY (which accepted sockets inherit on Linux; without it small replies wait for 40 ms).
#include "listener.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <vector>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "address.h"
#include "clock.h"
#include "log.h"

static const int BACKLOG = 1024;
static const struct timeval BACK_OFF = {0, 200000};
static const struct timeval NEXT_TURN = {0, 0};
static const int64_t LOG_INTERVAL_MS = 10000;
static const int ACCEPTS_PER_TURN = 32; // about a millisecond

struct listener {
    std::vector<struct evconnlistener *> sockets;
    struct event *back_off;  // pending while accept fails
    struct event *next_turn; // pending while connections of this turn were accepted
    listener_fn on_no_descriptor;
    void *arg;
    int accepted; // in this turn
    int spare;    // a descriptor for one that must be accepted; -1: it was given up
    uint16_t port;
    bool given;
    bool paused;
    bool failing;      // and nothing could be done about it
    int64_t logged_ms; // when a failure was last written to the log; 0: never
};

// All there are. Needed, because libevent 2.1.12 gives the error callback the argument of the accept
// callback, and that one is evhttp's.
static std::vector<struct listener *> the_listeners;

static struct listener *find_listener(const struct evconnlistener *socket)
{
    for (struct listener *l : the_listeners)
        if (std::find(l->sockets.begin(), l->sockets.end(), socket) != l->sockets.end())
            return l;
    return nullptr;
}

static void update(struct listener *l)
{
    const bool wanted = !l->paused && !l->failing && l->accepted < ACCEPTS_PER_TURN;
    for (struct evconnlistener *socket : l->sockets) {
        if (wanted)
            evconnlistener_enable(socket);
        else
            evconnlistener_disable(socket);
    }
}

static void on_next_turn(evutil_socket_t, short, void *arg)
{
    struct listener *l = static_cast<struct listener *>(arg);
    l->accepted = 0;
    update(l);
}

void listener_accepted(struct listener *l)
{
    if (l->accepted++ == 0)
        event_add(l->next_turn, &NEXT_TURN);
    if (l->accepted >= ACCEPTS_PER_TURN)
        update(l);
}

static void take_spare(struct listener *l)
{
    if (l->spare < 0)
        l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_back_off_over(evutil_socket_t, short, void *arg)
{
    struct listener *l = static_cast<struct listener *>(arg);
    l->failing = false;
    take_spare(l);
    if (l->spare < 0)
        event_add(l->back_off, &BACK_OFF);
    update(l);
}

// What can be done about a failure, so that accepting can go on at once.
static bool remedy(struct listener *l, int error)
{
    if (error != EMFILE && error != ENFILE)
        return false;
    if (l->on_no_descriptor && l->on_no_descriptor(l->arg))
        return true;
    const bool had_one = l->spare >= 0;
    if (had_one)
        close(l->spare);
    l->spare = -1;
    return had_one;
}

// accept failed, for want of descriptors mostly: the event is level-triggered and would fire at once
// again, so if there is no remedy accepting pauses for a while.
static void on_accept_error(struct evconnlistener *socket, void *)
{
    const int error = EVUTIL_SOCKET_ERROR();
    struct listener *l = find_listener(socket);
    if (!l)
        return;
    const int64_t now = clock_monotonic_ms();
    if (l->logged_ms == 0 || now - l->logged_ms >= LOG_INTERVAL_MS) {
        log_warn("no connection can be accepted: %s", strerror(error));
        l->logged_ms = now;
    }
    l->failing = !remedy(l, error);
    if (l->failing || l->spare < 0)
        event_add(l->back_off, &BACK_OFF);
    update(l);
}

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

// The socket address of `host` (empty: any) in `family`; its size, or 0 where it is none.
static socklen_t make_address(int family, const std::string &host, uint16_t port,
                              union socket_address *out)
{
    memset(out, 0, sizeof *out);
    const char *text = !host.empty() ? host.c_str() : family == AF_INET ? "0.0.0.0" : "::";
    if (family == AF_INET) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        return inet_pton(family, text, &out->v4.sin_addr) == 1 ? sizeof out->v4 : 0;
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(port);
    return inet_pton(family, text, &out->v6.sin6_addr) == 1 ? sizeof out->v6 : 0;
}

// A listening socket, or -1 and errno.
static int open_socket(const union socket_address *address, socklen_t size)
{
    const int fd =
        socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0)
        return -1;
    const int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
        (address->any.sa_family == AF_INET ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
        bind(fd, &address->any, size) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static uint16_t port_of(int fd)
{
    union socket_address address = {};
    socklen_t size = sizeof address;
    if (getsockname(fd, &address.any, &size) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

// Adds a socket of this family. False and errno where that is not possible.
static bool add_family(struct listener *l, struct event_base *base, int family,
                       const std::string &host)
{
    union socket_address address;
    const socklen_t size = make_address(family, host, l->port, &address);
    if (size == 0) {
        errno = EAFNOSUPPORT;
        return false;
    }
    const int fd = open_socket(&address, size);
    if (fd < 0)
        return false;
    l->port = port_of(fd);
    struct evconnlistener *socket = evconnlistener_new(
        base, nullptr, nullptr, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    evconnlistener_set_error_cb(socket, on_accept_error);
    l->sockets.push_back(socket);
    return true;
}

static void close_sockets(struct listener *l)
{
    for (struct evconnlistener *socket : l->sockets)
        evconnlistener_free(socket);
    l->sockets.clear();
}

// A host without IPv6, or without IPv4, is no error: one of the two is enough.
static bool is_missing_family(int error)
{
    return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

static bool open_all(struct listener *l, struct event_base *base, const struct address *address)
{
    if (!address->host.empty()) {
        const bool v6 = address->host.find(':') != std::string::npos;
        return add_family(l, base, v6 ? AF_INET6 : AF_INET, address->host);
    }
    // with port 0 the second family may find taken what the first was given: once more then
    for (int tries = 0; tries < 16; tries++) {
        l->port = address->port;
        const bool six = add_family(l, base, AF_INET6, "");
        if (!six && !is_missing_family(errno))
            return false;
        if (add_family(l, base, AF_INET, "") || (six && is_missing_family(errno)))
            return true;
        const int error = errno;
        close_sockets(l);
        errno = error;
        if (address->port != 0 || error != EADDRINUSE)
            return false;
    }
    return false;
}

struct listener *listener_new(struct event_base *base, const struct address *address,
                              std::string *error)
{
    struct listener *l = new listener{};
    l->port = address->port;
    l->back_off = evtimer_new(base, on_back_off_over, l);
    l->next_turn = evtimer_new(base, on_next_turn, l);
    l->spare = -1;
    take_spare(l);
    the_listeners.push_back(l);
    if (open_all(l, base, address))
        return l;
    *error = "can not listen on " +
             (address->host.empty() ? std::string("all addresses") : address->host) + ", port " +
             std::to_string(address->port) + ": " + strerror(errno);
    listener_free(l);
    return nullptr;
}

uint16_t listener_port(const struct listener *l)
{
    return l->port;
}

size_t listener_count(const struct listener *l)
{
    return l->sockets.size();
}

struct evconnlistener *listener_at(const struct listener *l, size_t i)
{
    return l->sockets[i];
}

void listener_give(struct listener *l)
{
    l->given = true;
}

void listener_forget(struct listener *l)
{
    l->sockets.clear();
}

void listener_on_no_descriptor(struct listener *l, listener_fn fn, void *arg)
{
    l->on_no_descriptor = fn;
    l->arg = arg;
}

void listener_refuse(struct listener *l)
{
    static const size_t FLAGS = 13, SYN = 2; // of a TCP header
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0), // drop
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog filter = {.len = std::size(steps), .filter = steps};
    for (struct evconnlistener *socket : l->sockets)
        setsockopt(evconnlistener_get_fd(socket), SOL_SOCKET, SO_ATTACH_FILTER, &filter,
                   sizeof filter);
}

bool listener_has_waiting(const struct listener *l)
{
    for (struct evconnlistener *socket : l->sockets) {
        struct pollfd p = {.fd = evconnlistener_get_fd(socket), .events = POLLIN, .revents = 0};
        if (poll(&p, 1, 0) > 0)
            return true;
    }
    return false;
}

void listener_pause(struct listener *l)
{
    l->paused = true;
    update(l);
}

void listener_resume(struct listener *l)
{
    l->paused = false;
    update(l);
}

void listener_free(struct listener *l)
{
    if (!l)
        return;
    if (!l->given)
        close_sockets(l);
    std::erase(the_listeners, l);
    if (l->spare >= 0)
        close(l->spare);
    event_free(l->back_off);
    event_free(l->next_turn);
    delete l;
}
