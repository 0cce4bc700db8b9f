// HTTP connections of the simulator.
#include "sim_http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sim_server.h"
#include "sim_text.h"

constexpr size_t HEAD_MAX = 64 * 1024;
constexpr uint64_t BODY_MAX = 64 * 1024 * 1024;

// Lives from accept to the end of the TCP connection.
struct sim_conn {
    struct sim_server *server;
    struct sim_conn *prev, *next;
    struct bufferevent *stream;
    struct event *timer; // null until first used
    sim_conn_fn step, fill;
    sim_conn_end_fn on_end;
    void *owner;
    struct sim_request request;
    struct sim_play play;
    std::string head, path, body;
    uint64_t body_size;
    bool has_head; // the head of the next request was taken, its body not yet
    bool busy;     // a request waits for its reply
    bool active;   // the loop that takes requests is on the stack: free later
    bool closing;  // FIN once the output is gone
    bool dead;
};

static void conn_free(struct sim_conn *c)
{
    if (c->on_end)
        c->on_end(c->owner);
    if (c->prev)
        c->prev->next = c->next;
    else
        c->server->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->server->open--;
    if (c->timer)
        event_free(c->timer);
    // without it a client takes the end of a TLS connection for a truncation
    if (c->closing && c->server->options.tls)
        SSL_shutdown(bufferevent_openssl_get_ssl(c->stream));
    bufferevent_free(c->stream);
    delete c;
}

static void conn_end(struct sim_conn *c)
{
    c->dead = true;
    if (!c->active)
        conn_free(c);
}

static size_t output_size(const struct sim_conn *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->stream));
}

bool sim_request_has_header(const struct sim_request *r, std::string_view name)
{
    return sim_request_header(r, name).data() != nullptr;
}

std::string_view sim_request_header(const struct sim_request *r, std::string_view name)
{
    std::string_view rest = r->head;
    text_next(&rest, '\n');
    while (!rest.empty()) {
        std::string_view value = text_next(&rest, '\n');
        const std::string_view key = text_next(&value, ':');
        if (!text_equal_fold(key, name))
            continue;
        while (!value.empty() && value.front() == ' ')
            value.remove_prefix(1);
        while (!value.empty() && (value.back() == '\r' || value.back() == ' '))
            value.remove_suffix(1);
        return value;
    }
    return {};
}

// Reads c->head into c->request. False where that is no request this server takes.
static bool parse_head(struct sim_conn *c)
{
    struct sim_request *r = &c->request;
    r->head = c->head;
    std::string_view rest = r->head;
    std::string_view line = text_next(&rest, '\n');
    r->method = text_next(&line, ' ');
    std::string_view target = text_next(&line, ' ');
    if (r->method.empty() || target.empty() || target.front() != '/' ||
        !line.starts_with("HTTP/1."))
        return false;
    const std::string_view path = text_next(&target, '?');
    r->query = target;
    r->path = path;
    if (path.find('%') != std::string_view::npos) {
        c->path = text_unescape(path, false);
        r->path = c->path;
    }
    const std::string_view connection = sim_request_header(r, "Connection");
    r->keep_alive = line.starts_with("HTTP/1.1") ? !text_equal_fold(connection, "close")
                                                 : text_equal_fold(connection, "keep-alive");
    const std::string_view length = sim_request_header(r, "Content-Length");
    c->body_size = 0;
    if (!length.empty() && (!text_number(length, &c->body_size) || c->body_size > BODY_MAX))
        return false;
    return sim_request_header(r, "Transfer-Encoding").empty();
}

static void refuse_request(struct sim_conn *c)
{
    sim_conn_write(c, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
                      "Connection: close\r\n\r\n400 Bad Request");
    sim_conn_close(c);
}

// Takes the head of a request off the input. False: it is not all there, or no request.
static bool take_head(struct sim_conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->stream);
    const struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, nullptr);
    if (end.pos < 0) {
        if (evbuffer_get_length(in) > HEAD_MAX)
            refuse_request(c);
        return false;
    }
    c->head.resize(static_cast<size_t>(end.pos) + 4);
    evbuffer_remove(in, c->head.data(), c->head.size());
    if (!parse_head(c)) {
        refuse_request(c);
        return false;
    }
    c->has_head = true;
    if (c->body_size > evbuffer_get_length(in) &&
        text_equal_fold(sim_request_header(&c->request, "Expect"), "100-continue"))
        sim_conn_write(c, "HTTP/1.1 100 Continue\r\n\r\n");
    return true;
}

static bool take_request(struct sim_conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->stream);
    if (!c->has_head && (evbuffer_get_length(in) == 0 || !take_head(c)))
        return false;
    if (evbuffer_get_length(in) < c->body_size)
        return false;
    c->body.resize(static_cast<size_t>(c->body_size));
    evbuffer_remove(in, c->body.data(), c->body.size());
    c->request.body = c->body;
    c->request.number++;
    c->has_head = false;
    return true;
}

static void take_requests(struct sim_conn *c)
{
    if (c->active)
        return;
    c->active = true;
    while (!c->dead && !c->busy && !c->closing && take_request(c)) {
        c->busy = true;
        c->server->options.on_request(c, &c->request, c->server->options.arg);
    }
    c->active = false;
    if (c->dead)
        conn_free(c);
}

static void on_stream_read(struct bufferevent *, void *arg)
{
    take_requests(static_cast<struct sim_conn *>(arg));
}

static void on_stream_written(struct bufferevent *, void *arg)
{
    struct sim_conn *c = static_cast<struct sim_conn *>(arg);
    if (c->closing)
        conn_end(c);
    else if (c->fill)
        c->fill(c);
}

static void on_stream_event(struct bufferevent *, short what, void *arg)
{
    struct sim_conn *c = static_cast<struct sim_conn *>(arg);
    if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    if (c->busy || output_size(c) > 0)
        c->server->aborted++;
    conn_end(c);
}

static void on_timer(evutil_socket_t, short, void *arg)
{
    struct sim_conn *c = static_cast<struct sim_conn *>(arg);
    c->step(c);
}

static struct bufferevent *stream_new(struct sim_server *server, int fd)
{
    const int flags = BEV_OPT_CLOSE_ON_FREE;
    if (!server->options.tls)
        return bufferevent_socket_new(server->options.base, fd, flags);
    SSL *ssl = SSL_new(server->options.tls);
    if (!ssl)
        return nullptr;
    struct bufferevent *stream = bufferevent_openssl_socket_new(server->options.base, fd, ssl,
                                                                BUFFEREVENT_SSL_ACCEPTING, flags);
    if (stream)
        bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
    else
        SSL_free(ssl);
    return stream;
}

void sim_conn_new(struct sim_server *server, int fd)
{
    struct bufferevent *stream = stream_new(server, fd);
    if (!stream) {
        close(fd);
        return;
    }
    struct sim_conn *c = new sim_conn{};
    c->server = server;
    c->stream = stream;
    c->next = server->conns;
    if (c->next)
        c->next->prev = c;
    server->conns = c;
    server->accepted++;
    server->open++;
    bufferevent_setcb(stream, on_stream_read, on_stream_written, on_stream_event, c);
    bufferevent_enable(stream, EV_READ | EV_WRITE);
}

struct sim_conn *sim_conn_next(const struct sim_conn *c)
{
    return c->next;
}

const struct sim_request *sim_conn_request(const struct sim_conn *c)
{
    return &c->request;
}

struct sim_play *sim_conn_play(struct sim_conn *c)
{
    return &c->play;
}

void sim_conn_own(struct sim_conn *c, sim_conn_end_fn on_end, void *arg)
{
    c->on_end = on_end;
    c->owner = arg;
}

void *sim_conn_owner(const struct sim_conn *c)
{
    return c->owner;
}

size_t sim_conn_waiting(const struct sim_conn *c)
{
    return output_size(c);
}

// A plain connection with nothing queued is written to directly: that saves the two changes of the
// epoll set that bufferevent 2.1.12 makes for every write.
void sim_conn_write(struct sim_conn *c, std::string_view bytes)
{
    if (c->dead)
        return;
    if (!c->server->options.tls && !c->fill && output_size(c) == 0) {
        const ssize_t sent = send(bufferevent_getfd(c->stream), bytes.data(), bytes.size(),
                                  MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            bytes.remove_prefix(static_cast<size_t>(sent));
    }
    if (!bytes.empty())
        bufferevent_write(c->stream, bytes.data(), bytes.size());
}

void sim_conn_later(struct sim_conn *c, unsigned ms, sim_conn_fn step)
{
    const struct timeval delay = {.tv_sec = ms / 1000,
                                  .tv_usec = static_cast<suseconds_t>(ms % 1000) * 1000};
    if (c->dead)
        return;
    c->step = step;
    if (!c->timer)
        c->timer = event_new(c->server->options.base, -1, 0, on_timer, c);
    event_add(c->timer, &delay);
}

void sim_conn_fill(struct sim_conn *c, sim_conn_fn fill)
{
    c->fill = fill;
    if (fill)
        fill(c);
}

void sim_conn_finish(struct sim_conn *c)
{
    if (c->dead)
        return;
    c->busy = false;
    if (!c->request.keep_alive)
        sim_conn_close(c);
    else
        take_requests(c);
}

void sim_conn_close(struct sim_conn *c)
{
    c->closing = true;
    c->busy = false;
    if (output_size(c) == 0)
        conn_end(c);
}

void sim_conn_reset(struct sim_conn *c)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (c->dead)
        return;
    setsockopt(bufferevent_getfd(c->stream), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    conn_end(c);
}
