// The REST listener against clients that misbehave: ambiguous and too large requests.
#include <csignal>
#include <string>

#include <sys/socket.h>

#include <event2/event.h>

#include "http_server.h"
#include "support/cmocka_cc.h"
#include "support/raw_client.h"
#include "support/server_fixture.h"

static const char SMUGGLED[] = "GET /now?smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

struct refusal_case {
    const char *text;
    int status;
};

#define LINE "GET /now HTTP/1.1\r\n"
#define HOST "Host: x\r\n"

static const struct refusal_case REFUSALS[] = {
    {"\r\n", 400},
    {"GET /now\r\n\r\n", 400},
    {"GET //now HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://x/now HTTP/1.1\r\n" HOST "\r\n", 400},
    {LINE "\r\n", 400},
    {LINE HOST HOST "\r\n", 400},
    {LINE HOST "X: a\n\n", 400},
    {LINE HOST "X: a\r\n b\r\n\r\n", 400},
    {LINE HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
    {LINE HOST "Content-Length : 3\r\n\r\nabc", 400},
    {LINE HOST "Content-Length: +3\r\n\r\nabc", 400},
    {"FOO /elsewhere HTTP/1.1\r\n" HOST "\r\n", 404},
    {"FOO /now HTTP/1.1\r\n" HOST "\r\n", 405},
    {"CONNECT /now HTTP/1.1\r\n" HOST "\r\n", 405},
    {LINE HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411},
    {LINE HOST "Content-Length: 1048577\r\n\r\n", 413},
    {LINE HOST "Expect: wonders\r\n\r\n", 417},
    {LINE HOST "Expect:\t100-continue\r\n\r\n", 417},
    {"GET /now HTTP/1.9\r\n" HOST "\r\n", 505},
    {"HEAD /now HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", 400},
};

// What every refusal is: a problem document, the last of its connection, and no reset.
static void check_refusal(struct raw_client *c, int status, bool head)
{
    const struct raw_reply reply = raw_client_reply(c, LONG_MS, head);
    assert_int_equal(reply.status, status);
    assert_string_equal(raw_reply_header(&reply, "Content-Type").c_str(),
                        "application/problem+json");
    assert_string_equal(raw_reply_header(&reply, "Connection").c_str(), "close");
    assert_string_equal(raw_reply_header(&reply, "Cache-Control").c_str(), "no-store");
    assert_int_equal(raw_reply_header(&reply, "X-Request-Id").size(), 36);
    assert_int_equal(raw_reply_header(&reply, "Date").size(), 29);
    assert_string_equal(raw_reply_header(&reply, "Allow").c_str(),
                        status == 405 ? "GET, HEAD" : "");
    if (!head)
        assert_true(reply.body.find("\"status\":" + std::to_string(status)) != std::string::npos);
    assert_true(raw_client_wait_end(c, LONG_MS));
    assert_false(c->was_reset);
    assert_int_equal(c->in.size(), 0);
}

static void request__that_is_refused__gets_a_problem_and_no_successor(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    for (const struct refusal_case &t : REFUSALS) {
        const std::string text = t.text;
        struct raw_client c;
        raw_client_init(&c, f->base, f->port);

        raw_client_send(&c, text + SMUGGLED);

        check_refusal(&c, t.status, text.substr(0, 4) == "HEAD");
        assert_int_equal(f->seen.size(), 0);
        raw_client_fini(&c);
    }
    assert_true(server_fixture_wait_connections(f, 0));
}

static void request__that_is_refused_in_pieces__gets_the_same(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    for (const struct refusal_case &t : REFUSALS) {
        struct raw_client c;
        raw_client_init(&c, f->base, f->port);

        for (const char *p = t.text; *p; p++) {
            raw_client_send(&c, std::string_view(p, 1));
            event_base_loop(f->base, EVLOOP_NONBLOCK);
        }
        raw_client_send(&c, SMUGGLED);

        check_refusal(&c, t.status, t.text[0] == 'H');
        assert_int_equal(f->seen.size(), 0);
        raw_client_fini(&c);
    }
}

static void client__that_ends_behind_a_bad_request__gets_the_refusal(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    raw_client_send(&c, "BAD\r\n");
    raw_client_end(&c);

    check_refusal(&c, 400, false);
    raw_client_fini(&c);
    assert_true(server_fixture_wait_connections(f, 0));
}

static void bad_bytes__behind_good_requests__end_the_connection(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    raw_client_send(&c, make_get("/now?1") + make_get("/now?2") + "BAD\r\n\r\n" + SMUGGLED);
    const struct raw_reply first = raw_client_reply(&c, LONG_MS);
    const struct raw_reply second = raw_client_reply(&c, LONG_MS);

    assert_int_equal(first.status, 200);
    assert_string_equal(raw_reply_header(&first, "Connection").c_str(), "");
    assert_int_equal(second.status, 200);
    assert_string_equal(raw_reply_header(&second, "Connection").c_str(), "close");
    assert_true(raw_client_wait_end(&c, LONG_MS));
    assert_false(c.was_reset);
    assert_int_equal(f->seen.size(), 2);
    raw_client_fini(&c);
}

static void bad_bytes__behind_a_held_request__end_the_connection(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    raw_client_send(&c, make_get("/held"));
    assert_true(server_fixture_wait_seen(f, 1));
    raw_client_send(&c, std::string("BAD\r\n\r\n") + SMUGGLED);
    raw_client_idle(&c, 20);
    server_fixture_reply(f->held[0], 200, "held");
    const struct raw_reply held = raw_client_reply(&c, LONG_MS);

    assert_string_equal(held.body.c_str(), "held");
    assert_true(raw_client_wait_end(&c, LONG_MS));
    assert_int_equal(f->seen.size(), 1);
    raw_client_fini(&c);
}

static void bad_bytes__while_a_reply_is_sent__are_refused_behind_it(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    raw_client_send(&c, make_get("/big"));
    assert_true(server_fixture_wait_seen(f, 1));
    raw_client_send(&c, std::string("BAD\r\n\r\n") + SMUGGLED);
    raw_client_idle(&c, 20);
    const struct raw_reply big = raw_client_reply(&c, LONG_MS);

    assert_int_equal(big.body.size(), f->reply_size);
    check_refusal(&c, 400, false);
    assert_int_equal(f->seen.size(), 1);
    raw_client_fini(&c);
}

static void request__in_parts_while_a_reply_is_sent__is_answered(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    raw_client_send(&c, make_get("/big"));
    assert_true(server_fixture_wait_seen(f, 1));
    raw_client_send(&c, "GET /now HT");
    raw_client_idle(&c, 20);
    const struct raw_reply big = raw_client_reply(&c, LONG_MS);
    raw_client_send(&c, "TP/1.1\r\nHost: x\r\n\r\n");
    const struct raw_reply next = raw_client_reply(&c, LONG_MS);

    assert_int_equal(big.status, 200);
    assert_int_equal(next.status, 200);
    raw_client_fini(&c);
}

static void input__while_a_reply_is_sent__waits(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    f->reply_size = 64 << 20;
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);
    const std::string more(65536, 'a');
    size_t sent = 0;

    raw_client_send(&c, make_get("/big") + "GET /");
    assert_true(server_fixture_wait_seen(f, 1));
    for (int stuck = 0; stuck < 20 && sent < 64 << 20;) {
        const ssize_t size = send(c.fd, more.data(), more.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += size > 0 ? static_cast<size_t>(size) : 0;
        stuck = size > 0 ? 0 : stuck + 1;
        raw_client_idle(&c, size > 0 ? 0 : 1);
    }

    assert_in_range(sent, 1, 32 << 20); // what the kernel buffers
    raw_client_fini(&c);
}

static void client__that_ends_behind_its_request__gets_the_reply(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    for (const char *target : {"/now", "/big"}) {
        struct raw_client c;
        raw_client_init(&c, f->base, f->port);

        raw_client_send(&c, make_get(target));
        raw_client_end(&c);
        const struct raw_reply reply = raw_client_reply(&c, LONG_MS);

        assert_int_equal(reply.status, 200);
        assert_true(raw_client_wait_end(&c, LONG_MS));
        raw_client_fini(&c);
    }
    assert_true(server_fixture_wait_connections(f, 0));
}

static void body__that_is_too_large__is_refused_while_it_is_sent(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    raw_client_send(&c, "POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: 16777216\r\n\r\n");
    raw_client_send(&c, std::string(16 << 20, 'b'));

    check_refusal(&c, 413, false);
    raw_client_fini(&c);
}

static void header__that_is_too_large__is_refused(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    const std::string large(100000, 'a');
    for (const std::string &text : {"GET /" + large, std::string(LINE) + "X: " + large}) {
        struct raw_client c;
        raw_client_init(&c, f->base, f->port);

        raw_client_send(&c, text);

        check_refusal(&c, 431, false);
        raw_client_fini(&c);
    }
}

int main()
{
    signal(SIGPIPE, SIG_IGN);
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, server_fixture_setup, server_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(request__that_is_refused__gets_a_problem_and_no_successor),
        TEST(request__that_is_refused_in_pieces__gets_the_same),
        TEST(client__that_ends_behind_a_bad_request__gets_the_refusal),
        TEST(bad_bytes__behind_good_requests__end_the_connection),
        TEST(bad_bytes__behind_a_held_request__end_the_connection),
        TEST(bad_bytes__while_a_reply_is_sent__are_refused_behind_it),
        TEST(request__in_parts_while_a_reply_is_sent__is_answered),
        TEST(input__while_a_reply_is_sent__waits),
        TEST(client__that_ends_behind_its_request__gets_the_reply),
        TEST(body__that_is_too_large__is_refused_while_it_is_sent),
        TEST(header__that_is_too_large__is_refused),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
