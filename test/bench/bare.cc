#include "bare.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

constexpr size_t PIECE = 65536; // bytes of one read

struct bare *bare_new(unsigned nodes, uint16_t port, const char *path, size_t size, size_t window,
                      bool keeps)
{
    struct bare *b = new struct bare();
    b->epoll = epoll_create1(0);
    b->window = window;
    b->head = bench_head(size).size();
    b->size = size;
    b->request =
        std::string("GET ") + path + " HTTP/1.1\r\nHost: 127.1.0.1:8080\r\nAccept: */*\r\n\r\n";
    b->replies.resize(keeps ? nodes * (b->head + size) : 0);
    for (unsigned i = 0; i < nodes; i++) {
        const struct sockaddr_in a = bench_node_address(i, port);
        struct epoll_event e = {};
        e.events = EPOLLIN;
        e.data.u32 = i;
        b->nodes.push_back({.fd = bench_connect(&a), .received = 0});
        if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->nodes[i].fd, &e) != 0)
            bench_fail("epoll_ctl");
    }
    return b;
}

void bare_free(struct bare *b)
{
    for (const struct bare_node &n : b->nodes)
        close(n.fd);
    close(b->epoll);
    delete b;
}

static void send_request(const struct bare *b, struct bare_node *n)
{
    n->received = 0;
    if (send(n->fd, b->request.data(), b->request.size(), MSG_NOSIGNAL) < 0)
        bench_fail("a node: send");
}

// True: the reply is whole.
static bool receive(struct bare *b, uint32_t node)
{
    static char scratch[PIECE];
    struct bare_node *n = &b->nodes[node];
    const size_t whole = b->head + b->size;
    const bool keeps = !b->replies.empty();
    char *to = keeps ? b->replies.data() + node * whole + n->received : scratch;
    const ssize_t got = recv(n->fd, to, keeps ? whole - n->received : PIECE, 0);
    if (got <= 0)
        bench_fail("a node: recv");
    n->received += static_cast<size_t>(got);
    return n->received == whole;
}

void bare_fan_out(struct bare *b)
{
    struct epoll_event events[256];
    size_t next = 0;
    size_t done = 0;
    while (next < b->nodes.size() && next < b->window)
        send_request(b, &b->nodes[next++]);
    while (done < b->nodes.size()) {
        const int count = epoll_wait(b->epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (!receive(b, events[i].data.u32))
                continue;
            done++;
            if (next < b->nodes.size())
                send_request(b, &b->nodes[next++]);
        }
    }
}
