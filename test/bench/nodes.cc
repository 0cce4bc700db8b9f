// Tracer-nodes for a load: as many as there are addresses in 127.1.0.0/16, in one cheap process.
//
//   nodes PODS:SIZE [PODS:SIZE]
//
// GET /v1/pods is answered with an object of PODS members and SIZE bytes, GET /v1/trace-hooks with one
// of the second kind, GET /connections with how many connections were accepted. The port is printed.
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <netinet/tcp.h>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "common.h"

// What is answered to one path.
struct kind {
    unsigned pods;
    size_t size;
    std::vector<std::string> replies; // by node; made when first asked for
};

struct connection {
    unsigned node;
    const std::string *reply; // being written; null: none
    size_t written;
    bool waits; // for room to write
};

struct server {
    int epoll;
    int listener;
    struct kind kinds[2];
    std::vector<struct connection> connections; // by descriptor
    unsigned accepted;
    std::string count; // the reply that says so
};

static void watch(const struct server *s, int fd, int operation, uint32_t events)
{
    struct epoll_event e = {};
    e.events = events;
    e.data.fd = fd;
    if (epoll_ctl(s->epoll, operation, fd, &e) != 0)
        bench_fail("epoll_ctl");
}

static void take(struct server *s)
{
    struct sockaddr_in local;
    socklen_t size = sizeof local;
    const int on = 1;
    const int fd = accept4(s->listener, nullptr, nullptr, SOCK_NONBLOCK);
    if (fd < 0)
        bench_fail("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (getsockname(fd, reinterpret_cast<struct sockaddr *>(&local), &size) != 0)
        bench_fail("getsockname");
    const unsigned address = ntohl(local.sin_addr.s_addr) & 0xffff;
    const size_t index = static_cast<size_t>(fd);
    if (s->connections.size() <= index)
        s->connections.resize(index * 2 + 64);
    const unsigned node = (address >> 8) * 250 + (address & 0xff) - 1;
    s->connections[index] = {.node = node, .reply = nullptr, .written = 0, .waits = false};
    s->accepted++;
    watch(s, fd, EPOLL_CTL_ADD, EPOLLIN);
}

static const std::string *reply_of(struct kind *k, unsigned node)
{
    if (k->replies.size() <= node)
        bench_fail_text("a request for a node that is none");
    std::string *reply = &k->replies[node];
    if (reply->empty())
        *reply = bench_head(k->size) + bench_pods(node, k->pods, k->size);
    return reply;
}

static bool begins(const char *request, const char *with)
{
    return strncmp(request, with, strlen(with)) == 0;
}

// A request is small and comes in one piece.
static const std::string *answer(struct server *s, const struct connection *c, const char *request)
{
    if (begins(request, "GET /v1/pods "))
        return reply_of(&s->kinds[0], c->node);
    if (begins(request, "GET /v1/trace-hooks "))
        return reply_of(&s->kinds[1], c->node);
    if (!begins(request, "GET /connections "))
        bench_fail_text("a request of no known kind");
    const std::string number = std::to_string(s->accepted);
    s->count = bench_head(number.size()) + number;
    return &s->count;
}

// False: the connection is at its end.
static bool write_reply(struct server *s, int fd, struct connection *c)
{
    const ssize_t n = write(fd, c->reply->data() + c->written, c->reply->size() - c->written);
    if (n < 0 && errno != EAGAIN)
        return false;
    c->written += static_cast<size_t>(std::max<ssize_t>(n, 0));
    const bool whole = c->written == c->reply->size();
    if (whole == c->waits)
        watch(s, fd, EPOLL_CTL_MOD, whole ? EPOLLIN : EPOLLOUT);
    c->waits = !whole;
    if (whole)
        c->reply = nullptr;
    return true;
}

static bool serve(struct server *s, int fd)
{
    static char request[8192];
    struct connection *c = &s->connections[static_cast<size_t>(fd)];
    if (!c->reply) {
        const ssize_t n = read(fd, request, sizeof request - 1);
        if (n <= 0)
            return false;
        request[n] = '\0';
        c->reply = answer(s, c, request);
        c->written = 0;
    }
    return write_reply(s, fd, c);
}

// On all addresses of the loopback device, and on no other device.
static int listen_on_loopback()
{
    struct sockaddr_in a = {};
    socklen_t size = sizeof a;
    a.sin_family = AF_INET;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof "lo") != 0 ||
        bind(fd, reinterpret_cast<struct sockaddr *>(&a), size) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, reinterpret_cast<struct sockaddr *>(&a), &size) != 0)
        bench_fail("listen");
    printf("port=%u\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    struct server s = {};
    for (int i = 1; i < argc && i < 3; i++) {
        struct kind *k = &s.kinds[i - 1];
        if (sscanf(argv[i], "%u:%zu", &k->pods, &k->size) != 2)
            bench_fail_text("nodes PODS:SIZE [PODS:SIZE]");
        k->replies.resize(64000);
    }
    bench_raise_descriptors();
    s.listener = listen_on_loopback();
    s.epoll = epoll_create1(0);
    watch(&s, s.listener, EPOLL_CTL_ADD, EPOLLIN);
    struct epoll_event events[256];
    for (;;) {
        const int count = epoll_wait(s.epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            const int fd = events[i].data.fd;
            if (fd == s.listener)
                take(&s);
            else if (!serve(&s, fd))
                close(fd);
        }
    }
}
