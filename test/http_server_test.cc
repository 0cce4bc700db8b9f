// The REST listener over real sockets: what it serves, what it refuses, what it ends, and when.
#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include <event2/event.h>

#include "blob.h"
#include "clock.h"
#include "http_response.h"
#include "http_server.h"
#include "support/cmocka_cc.h"
#include "support/raw_client.h"

static const int LONG_MS = 10000; // never reached unless something is wrong

// A server that answers /now at once with what it got, and keeps other requests for the test.
struct fixture {
    struct event_base *base;
    struct http_server *server;
    uint16_t port;
    std::vector<std::string> seen; // method and target
    std::string body, id;          // of the last request
    struct http_request *held;
    int gone;
    size_t reply_size; // of /big
};

static const char *allow(std::string_view path)
{
    return path == "/now" ? "GET, HEAD" : nullptr;
}

static void reply_with(struct http_request *r, int status, std::string_view text)
{
    struct http_response response;
    response.status = status;
    response.headers.push_back({.name = "X-Test", .value = "yes"});
    rope_add_text(&response.body, text);
    http_reply(r, &response);
}

static void reply_big(struct http_request *r, size_t size)
{
    struct http_response response;
    struct blob *blob = blob_new(size);
    memset(blob->data, 'x', size);
    blob->size = size;
    rope_add(&response.body, blob, 0, size);
    blob_unref(blob);
    http_reply(r, &response);
}

static void on_gone(void *arg)
{
    struct fixture *f = static_cast<struct fixture *>(arg);
    f->gone++;
    f->held = nullptr;
}

static void on_request(void *arg, struct http_request *r)
{
    struct fixture *f = static_cast<struct fixture *>(arg);
    const std::string target = http_request_target(r);
    f->seen.push_back(std::string(http_method_name(http_request_method(r))) + " " + target);
    const struct blob *body = http_request_body(r);
    f->body.assign(body->data ? body->data : "", body->size);
    f->id = http_request_id(r);
    if (target.substr(0, 4) == "/now") {
        reply_with(r, 200, "{\"a\":1}");
    } else if (target == "/none") {
        reply_with(r, 204, "");
    } else if (target == "/big") {
        reply_big(r, f->reply_size);
    } else {
        f->held = r;
        http_request_on_gone(r, on_gone, f);
    }
}

static struct http_server_options default_options(struct fixture *f)
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

static void start(struct fixture *f, const struct http_server_options *options)
{
    std::string error;
    f->server = http_server_new(options, &error);
    if (!f->server)
        fail_msg("%s", error.c_str());
    f->port = http_server_port(f->server);
}

static int setup(void **state)
{
    struct fixture *f = new fixture{};
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST | EVENT_BASE_FLAG_NOLOCK);
    f->base = event_base_new_with_config(config);
    event_config_free(config);
    f->reply_size = 8 << 20;
    const struct http_server_options options = default_options(f);
    start(f, &options);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    http_server_free(f->server);
    event_base_free(f->base);
    delete f;
    return 0;
}

static struct fixture *fixture_of(void **state)
{
    return static_cast<struct fixture *>(*state);
}

static void restart(struct fixture *f, const struct http_server_options *options)
{
    http_server_free(f->server);
    start(f, options);
}

static std::string get(const char *target)
{
    return std::string("GET ") + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

static void request__on_kept_connection__is_answered_again(void **state)
{
    struct fixture *f = fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    for (int i = 0; i < 3; i++) {
        raw_client_send(&c, get("/now?q=%20"));
        const struct raw_reply reply = raw_client_reply(&c, LONG_MS);
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body.c_str(), "{\"a\":1}");
        assert_string_equal(raw_reply_header(&reply, "Content-Type").c_str(), "application/json");
        assert_string_equal(raw_reply_header(&reply, "Cache-Control").c_str(), "no-store");
        assert_string_equal(raw_reply_header(&reply, "X-Test").c_str(), "yes");
        assert_int_equal(raw_reply_header(&reply, "X-Request-Id").size(), 36);
        assert_int_equal(raw_reply_header(&reply, "Date").size(), 29);
    }

    assert_int_equal(f->seen.size(), 3);
    assert_string_equal(f->seen[0].c_str(), "GET /now?q=%20");
    raw_client_fini(&c);
}

static void head__then_get__are_framed(void **state)
{
    struct fixture *f = fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    raw_client_send(&c, "HEAD /now HTTP/1.1\r\nHost: x\r\n\r\n" + get("/none") + get("/now"));
    const struct raw_reply head = raw_client_reply(&c, LONG_MS, true);
    const struct raw_reply none = raw_client_reply(&c, LONG_MS);
    const struct raw_reply last = raw_client_reply(&c, LONG_MS);

    assert_int_equal(head.status, 200);
    assert_string_equal(raw_reply_header(&head, "Content-Length").c_str(), "7");
    assert_int_equal(none.status, 204);
    assert_string_equal(raw_reply_header(&none, "Content-Length").c_str(), "");
    assert_int_equal(last.status, 200);
    assert_int_equal(c.in.size(), 0);
    raw_client_fini(&c);
}

static void request_id__of_client__is_echoed_if_sane(void **state)
{
    struct fixture *f = fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);
    const std::string head = "GET /now HTTP/1.1\r\nHost: x\r\nX-Request-Id: ";

    raw_client_send(&c, head + "abc-1\r\n\r\n" + head + "a b\r\n\r\n");
    const struct raw_reply taken = raw_client_reply(&c, LONG_MS);
    const struct raw_reply made = raw_client_reply(&c, LONG_MS);

    assert_string_equal(raw_reply_header(&taken, "X-Request-Id").c_str(), "abc-1");
    const std::string id = raw_reply_header(&made, "X-Request-Id");
    assert_int_equal(id.size(), 36);
    assert_int_equal(id[14], '4');
    assert_string_equal(f->id.c_str(), id.c_str());
    raw_client_fini(&c);
}

int main()
{
    signal(SIGPIPE, SIG_IGN);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(request__on_kept_connection__is_answered_again),
        TEST(head__then_get__are_framed),
        TEST(request_id__of_client__is_echoed_if_sane),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
