// A TCP client for tests.
#include "raw_client.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <strings.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "clock.h"

static int connect_to(const struct sockaddr *address, socklen_t size)
{
    const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, address, size) == 0) // the backlog takes it, without the server's loop
        return fd;
    close(fd);
    return -1;
}

void raw_client_init(struct raw_client *c, struct event_base *base, uint16_t port, bool ipv6)
{
    *c = {};
    c->base = base;
    struct sockaddr_in v4 = {};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct sockaddr_in6 v6 = {};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    v6.sin6_addr = in6addr_loopback;
    c->fd = ipv6 ? connect_to(reinterpret_cast<struct sockaddr *>(&v6), sizeof v6)
                 : connect_to(reinterpret_cast<struct sockaddr *>(&v4), sizeof v4);
}

void raw_client_fini(struct raw_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    *c = {};
    c->fd = -1;
}

static void turn(struct raw_client *c)
{
    if (c->base)
        event_base_loop(c->base, EVLOOP_NONBLOCK | EVLOOP_NO_EXIT_ON_EMPTY);
}

// One turn of the loop, then a short wait unless something came.
static void receive(struct raw_client *c)
{
    turn(c);
    struct pollfd p = {.fd = c->fd, .events = POLLIN, .revents = 0};
    if (c->ended || poll(&p, 1, 1) <= 0)
        return;
    char data[65536];
    const ssize_t size = recv(c->fd, data, sizeof data, MSG_DONTWAIT);
    if (size > 0) {
        c->in.append(data, static_cast<size_t>(size));
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        c->ended = true;
        c->was_reset = size < 0;
    }
}

bool raw_client_send(struct raw_client *c, std::string_view bytes)
{
    while (!bytes.empty()) {
        const ssize_t size = send(c->fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (size > 0)
            bytes.remove_prefix(static_cast<size_t>(size));
        turn(c);
    }
    return true;
}

void raw_client_end(struct raw_client *c)
{
    shutdown(c->fd, SHUT_WR);
}

void raw_client_reset(struct raw_client *c)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(c->fd);
    c->fd = -1;
}

bool raw_client_wait_end(struct raw_client *c, int ms)
{
    const int64_t end = clock_monotonic_ms() + ms;
    while (!c->ended && clock_monotonic_ms() < end)
        receive(c);
    return c->ended;
}

bool raw_client_wait_bytes(struct raw_client *c, size_t size, int ms)
{
    const int64_t end = clock_monotonic_ms() + ms;
    while (!c->ended && c->in.size() < size && clock_monotonic_ms() < end)
        receive(c);
    return c->in.size() >= size;
}

void raw_client_idle(struct raw_client *c, int ms)
{
    const int64_t end = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end) {
        turn(c);
        poll(nullptr, 0, 1);
    }
}

std::string raw_reply_header(const struct raw_reply *r, const char *name)
{
    const size_t size = strlen(name);
    size_t at = r->head.find("\r\n");
    while (at != std::string::npos && at + 2 < r->head.size()) {
        const size_t end = r->head.find("\r\n", at + 2);
        const std::string line = r->head.substr(at + 2, end - at - 2);
        if (line.size() > size && line[size] == ':' && strncasecmp(line.c_str(), name, size) == 0)
            return line.substr(line.find_first_not_of(' ', size + 1));
        at = end;
    }
    return "";
}

struct raw_reply raw_client_reply(struct raw_client *c, int ms, bool head_only)
{
    struct raw_reply reply = {};
    const int64_t end = clock_monotonic_ms() + ms;
    size_t head = std::string::npos;
    while ((head = c->in.find("\r\n\r\n")) == std::string::npos) {
        if (c->ended || clock_monotonic_ms() >= end)
            return reply;
        receive(c);
    }
    reply.head = c->in.substr(0, head + 2);
    const std::string length = raw_reply_header(&reply, "Content-Length");
    const size_t body = head_only ? 0 : strtoul(length.c_str(), nullptr, 10);
    if (!raw_client_wait_bytes(c, head + 4 + body, ms))
        return reply;
    reply.body = c->in.substr(head + 4, body);
    c->in.erase(0, head + 4 + body);
    reply.status = atoi(reply.head.c_str() + 9);
    return reply;
}
