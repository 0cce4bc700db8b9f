// A server of scripted bytes: libevent's listener and bufferevents. Owns its connections.
#include "tcp_server.h"

#include <arpa/inet.h>
#include <cassert>
#include <cstdlib>
#include <netinet/in.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

struct peer {
    struct tcp_server *server;
    struct bufferevent *stream;
    enum tcp_then then; // once the output is empty
};

struct tcp_server {
    struct event_base *base;
    struct evconnlistener *listener;
    std::string address;
    std::vector<struct tcp_reply> script;
    std::vector<std::string> requests;
    std::vector<struct peer *> peers;
    size_t connections;
    tcp_wrap_fn wrap;
    void *wrap_arg;
};

static void peer_free(struct peer *p)
{
    std::erase(p->server->peers, p);
    bufferevent_free(p->stream);
    delete p;
}

// Closes as the script wants it, after the last byte of a reply.
static void on_peer_sent(struct bufferevent *stream, void *arg)
{
    struct peer *p = static_cast<struct peer *>(arg);
    if (p->then == TCP_KEEP)
        return;
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (p->then == TCP_RESET)
        setsockopt(bufferevent_getfd(stream), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    peer_free(p);
}

static void on_peer_end(struct bufferevent *, short what, void *arg)
{
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        peer_free(static_cast<struct peer *>(arg));
}

// Bytes of the request at the front of the input; 0: not all of it has come.
static size_t request_size(const std::string &input)
{
    const size_t head = input.find("\r\n\r\n");
    if (head == std::string::npos)
        return 0;
    const size_t length = input.find("Content-Length: ");
    size_t size = head + 4;
    if (length < head)
        size += strtoul(input.c_str() + length + 16, nullptr, 10);
    return input.size() >= size ? size : 0;
}

static void on_peer_bytes(struct bufferevent *stream, void *arg)
{
    struct peer *p = static_cast<struct peer *>(arg);
    struct tcp_server *s = p->server;
    struct evbuffer *input = bufferevent_get_input(stream);
    std::string bytes(evbuffer_get_length(input), '\0');
    evbuffer_copyout(input, bytes.data(), bytes.size());
    const size_t size = request_size(bytes);
    if (size == 0)
        return;
    evbuffer_drain(input, size);
    const size_t number = s->requests.size();
    s->requests.push_back(bytes.substr(0, size));
    const size_t last = s->script.size() - 1;
    const struct tcp_reply *reply = &s->script[number < last ? number : last];
    p->then = reply->then;
    if (reply->bytes.empty())
        on_peer_sent(stream, p);
    else
        bufferevent_write(stream, reply->bytes.data(), reply->bytes.size());
}

static void on_accept(struct evconnlistener *, evutil_socket_t fd, struct sockaddr *, int,
                      void *arg)
{
    struct tcp_server *s = static_cast<struct tcp_server *>(arg);
    struct bufferevent *stream = s->wrap
                                     ? s->wrap(s->base, fd, s->wrap_arg)
                                     : bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    assert(stream);
    struct peer *p = new peer{.server = s, .stream = stream, .then = TCP_KEEP};
    s->peers.push_back(p);
    s->connections++;
    bufferevent_setcb(stream, on_peer_bytes, on_peer_sent, on_peer_end, p);
    bufferevent_enable(stream, EV_READ | EV_WRITE);
}

struct tcp_server *tcp_server_new(struct event_base *base, const char *address, uint16_t port,
                                  const std::vector<struct tcp_reply> &script)
{
    struct sockaddr_in where = {};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    if (inet_pton(AF_INET, address, &where.sin_addr) != 1)
        abort();
    struct tcp_server *s = new tcp_server{};
    s->base = base;
    s->address = address;
    s->script = script;
    s->listener = evconnlistener_new_bind(
        base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 128,
        reinterpret_cast<struct sockaddr *>(&where), static_cast<int>(sizeof where));
    if (!s->listener)
        abort();
    return s;
}

void tcp_server_hang_up(struct tcp_server *s)
{
    while (!s->peers.empty())
        peer_free(s->peers.back());
}

void tcp_server_free(struct tcp_server *s)
{
    tcp_server_hang_up(s);
    evconnlistener_free(s->listener);
    delete s;
}

void tcp_server_wrap(struct tcp_server *s, tcp_wrap_fn wrap, void *arg)
{
    s->wrap = wrap;
    s->wrap_arg = arg;
}

uint16_t tcp_server_port(const struct tcp_server *s)
{
    struct sockaddr_in where = {};
    socklen_t size = sizeof where;
    getsockname(evconnlistener_get_fd(s->listener), reinterpret_cast<struct sockaddr *>(&where),
                &size);
    return ntohs(where.sin_port);
}

std::string tcp_server_url(const struct tcp_server *s, const char *path)
{
    return "http://" + s->address + ":" + std::to_string(tcp_server_port(s)) + path;
}

size_t tcp_server_connections(const struct tcp_server *s)
{
    return s->connections;
}

const std::vector<std::string> &tcp_server_requests(const struct tcp_server *s)
{
    return s->requests;
}
