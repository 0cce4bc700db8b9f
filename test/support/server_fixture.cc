// The server under test.
#include "server_fixture.h"

#include <cstring>

#include <event2/event.h>

#include "blob.h"
#include "clock.h"
#include "cmocka_cc.h"
#include "http_response.h"

static const char *allow(std::string_view path)
{
    return path == "/now" ? "GET, HEAD" : nullptr;
}

void server_fixture_reply(struct http_request *r, int status, std::string_view text)
{
    struct http_response response;
    response.status = status;
    response.headers.push_back({.name = "X-Test", .value = "yes"});
    rope_add_text(&response.body, text);
    http_reply(r, &response);
}

constexpr size_t PIECE = 30000; // bytes

// Of many pieces, as a merged reply.
static void reply_big(struct http_request *r, size_t size)
{
    struct http_response response;
    struct blob *blob = blob_new(size);
    memset(blob->data, 'x', size);
    blob->size = size;
    for (size_t at = 0; at < size; at += PIECE)
        rope_add(&response.body, blob, at, std::min(PIECE, size - at));
    blob_unref(blob);
    http_reply(r, &response);
}

static void on_gone(void *arg)
{
    static_cast<struct server_fixture *>(arg)->gone++;
}

static void on_request(void *arg, struct http_request *r)
{
    struct server_fixture *f = static_cast<struct server_fixture *>(arg);
    const std::string target = http_request_target(r);
    f->seen.push_back(std::string(http_method_name(http_request_method(r))) + " " + target);
    const struct blob *body = http_request_body(r);
    f->body.assign(body->data ? body->data : "", body->size);
    f->id = http_request_id(r);
    if (target.substr(0, 4) == "/now") {
        server_fixture_reply(r, 200, "{\"a\":1}");
    } else if (target == "/none") {
        server_fixture_reply(r, 204, "");
    } else if (target == "/big") {
        reply_big(r, f->reply_size);
    } else {
        f->held.push_back(r);
        http_request_on_gone(r, on_gone, f);
    }
}

struct http_server_options server_fixture_options(struct server_fixture *f)
{
    return {
        .base = f->base,
        .address = "127.0.0.1:0",
        .max_header = 2048,
        .max_body = 1 << 20,
        .max_connections = 100,
        .allow = allow,
        .on_request = on_request,
        .arg = f,
    };
}

static void start(struct server_fixture *f, const struct http_server_options *options)
{
    std::string error;
    f->server = http_server_new(options, &error);
    if (!f->server)
        fail_msg("%s", error.c_str());
    f->port = http_server_port(f->server);
}

void server_fixture_restart(struct server_fixture *f, const struct http_server_options *options)
{
    http_server_free(f->server);
    start(f, options);
}

int server_fixture_setup(void **state)
{
    struct server_fixture *f = new server_fixture{};
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST | EVENT_BASE_FLAG_NOLOCK);
    f->base = event_base_new_with_config(config);
    event_config_free(config);
    f->reply_size = 8 << 20;
    const struct http_server_options options = server_fixture_options(f);
    start(f, &options);
    *state = f;
    return 0;
}

int server_fixture_teardown(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    http_server_free(f->server);
    event_base_free(f->base);
    delete f;
    return 0;
}

struct server_fixture *server_fixture_of(void **state)
{
    return static_cast<struct server_fixture *>(*state);
}

// Turns the loop until `is_so`, for LONG_MS at most.
static bool wait_until(struct server_fixture *f, bool (*is_so)(struct server_fixture *f, size_t n),
                       size_t n)
{
    const int64_t end = clock_monotonic_ms() + LONG_MS;
    const struct timeval tick = {0, 1000};
    while (!is_so(f, n) && clock_monotonic_ms() < end) {
        event_base_loopexit(f->base, &tick);
        event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
    }
    return is_so(f, n);
}

static bool has_seen(struct server_fixture *f, size_t n)
{
    return f->seen.size() >= n;
}

static bool has_gone(struct server_fixture *f, size_t n)
{
    return f->gone == static_cast<int>(n);
}

static bool has_connections(struct server_fixture *f, size_t n)
{
    return http_server_connections(f->server) == n;
}

bool server_fixture_wait_seen(struct server_fixture *f, size_t count)
{
    return wait_until(f, has_seen, count);
}

bool server_fixture_wait_gone(struct server_fixture *f, int want)
{
    return wait_until(f, has_gone, static_cast<size_t>(want));
}

bool server_fixture_wait_connections(struct server_fixture *f, size_t want)
{
    return wait_until(f, has_connections, want);
}

std::string make_get(const char *target)
{
    return std::string("GET ") + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
}
