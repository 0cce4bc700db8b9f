// The REST listener over real sockets: what it serves, and how it begins and ends.
#include <csignal>
#include <string>

#include <sys/socket.h>

#include "clock.h"
#include "http_server.h"
#include "support/cmocka_cc.h"
#include "support/raw_client.h"
#include "support/server_fixture.h"

static void request__on_kept_connection__is_answered_again(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    for (int i = 0; i < 3; i++) {
        raw_client_send(&c, make_get("/now?q=%20"));
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
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    raw_client_send(&c,
                    "HEAD /now HTTP/1.1\r\nHost: x\r\n\r\n" + make_get("/none") + make_get("/now"));
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
    struct server_fixture *f = server_fixture_of(state);
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

static void body__of_one_mebibyte__comes_whole(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);
    const std::string body(1 << 20, 'b');

    raw_client_send(&c, "POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n" + body);
    const struct raw_reply reply = raw_client_reply(&c, LONG_MS);

    assert_int_equal(reply.status, 200);
    assert_true(f->body == body);
    raw_client_fini(&c);
}

static void expect__100_continue__is_answered_first(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    raw_client_send(&c, "PUT /now HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                        "Expect: 100-continue\r\n\r\n");
    const struct raw_reply go_on = raw_client_reply(&c, LONG_MS);
    raw_client_send(&c, "ab");
    const struct raw_reply reply = raw_client_reply(&c, LONG_MS);

    assert_int_equal(go_on.status, 100);
    assert_int_equal(reply.status, 200);
    assert_string_equal(f->body.c_str(), "ab");
    raw_client_fini(&c);
}

static void reply__of_8_mebibytes__comes_whole(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    raw_client_send(&c, make_get("/big") + make_get("/now"));
    const struct raw_reply big = raw_client_reply(&c, LONG_MS);
    const struct raw_reply next = raw_client_reply(&c, LONG_MS);

    assert_int_equal(big.status, 200);
    assert_true(big.body == std::string(f->reply_size, 'x'));
    assert_int_equal(next.status, 200);
    raw_client_fini(&c);
}

static void pipelined_requests__are_answered_in_order(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    raw_client_send(&c, make_get("/held") + make_get("/now?2") + make_get("/none"));
    assert_true(server_fixture_wait_seen(f, 1));
    raw_client_idle(&c, 30);
    const size_t seen_before = f->seen.size();
    server_fixture_reply(f->held[0], 202, "first");
    const struct raw_reply first = raw_client_reply(&c, LONG_MS);
    const struct raw_reply second = raw_client_reply(&c, LONG_MS);
    const struct raw_reply third = raw_client_reply(&c, LONG_MS);

    assert_int_equal(seen_before, 1);
    assert_int_equal(first.status, 202);
    assert_int_equal(second.status, 200);
    assert_int_equal(third.status, 204);
    raw_client_fini(&c);
}

static void request_with_connection_close__ends_the_connection(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    const char *const heads[] = {"GET /now HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                                 "GET /now HTTP/1.1\r\nHost: x\r\nConnection: TE, Close\r\n\r\n",
                                 ("GET /now HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n"
                                  "Connection:\tclose\r\n\r\n"),
                                 "GET /now HTTP/1.0\r\n\r\n"};
    for (const char *head : heads) {
        struct raw_client c;
        raw_client_init(&c, f->base, f->port);

        raw_client_send(&c, head);
        const struct raw_reply reply = raw_client_reply(&c, LONG_MS);

        assert_int_equal(reply.status, 200);
        assert_true(raw_client_wait_end(&c, LONG_MS));
        assert_false(c.was_reset);
        raw_client_fini(&c);
        assert_true(server_fixture_wait_connections(f, 0));
    }
}

static void request__of_http_1_0_keep_alive__is_kept(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    for (int i = 0; i < 2; i++) {
        raw_client_send(&c, "GET /now HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        const struct raw_reply reply = raw_client_reply(&c, LONG_MS);
        assert_int_equal(reply.status, 200);
        assert_string_equal(raw_reply_header(&reply, "Connection").c_str(), "keep-alive");
    }
    raw_client_fini(&c);
}

static void client__that_leaves__is_noticed_once(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client clients[4];
    for (struct raw_client &c : clients) {
        raw_client_init(&c, f->base, f->port);
        raw_client_send(&c, make_get("/held"));
    }
    assert_true(server_fixture_wait_seen(f, 4));

    raw_client_fini(&clients[0]);
    raw_client_reset(&clients[1]);
    raw_client_end(&clients[2]);
    raw_client_send(&clients[3], make_get("/now") + "GET /ha"); // unread bytes before the end
    raw_client_fini(&clients[3]);

    assert_true(server_fixture_wait_gone(f, 4));
    assert_true(server_fixture_wait_connections(f, 0));
    raw_client_idle(&clients[2], 150);
    assert_int_equal(f->gone, 4);
    raw_client_fini(&clients[2]);
}

static void server__freed_with_requests_pending__forgets_them(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client clients[3];
    for (struct raw_client &c : clients)
        raw_client_init(&c, f->base, f->port);
    raw_client_send(&clients[0], make_get("/held"));
    raw_client_send(&clients[1], make_get("/big")); // is being sent
    raw_client_send(&clients[2], "GET / HT");
    assert_true(server_fixture_wait_seen(f, 2));

    const struct http_server_options options = server_fixture_options(f);
    server_fixture_restart(f, &options);

    assert_true(raw_client_wait_end(&clients[0], LONG_MS));
    assert_int_equal(f->gone, 0);
    for (struct raw_client &c : clients)
        raw_client_fini(&c);
}

static void server__stopped__finishes_what_is_under_way(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client idle, busy, half, late;
    raw_client_init(&idle, f->base, f->port);
    raw_client_init(&busy, f->base, f->port);
    raw_client_init(&half, f->base, f->port);
    raw_client_send(&busy, make_get("/held"));
    raw_client_send(&half, "GET /now HTTP/1.1\r\n");
    assert_true(server_fixture_wait_seen(f, 1));
    assert_true(server_fixture_wait_connections(f, 3));

    http_server_stop(f->server);
    raw_client_idle(&idle, 10);
    raw_client_init(&late, f->base, f->port);
    raw_client_send(&half, "Host: x\r\n\r\n");
    const struct raw_reply of_half = raw_client_reply(&half, LONG_MS);
    const bool idle_before = http_server_is_idle(f->server);
    server_fixture_reply(f->held[0], 200, "done");
    const struct raw_reply of_busy = raw_client_reply(&busy, LONG_MS);

    assert_int_equal(late.fd, -1);
    assert_true(raw_client_wait_end(&idle, LONG_MS));
    assert_int_equal(of_half.status, 200);
    assert_false(idle_before);
    assert_string_equal(of_busy.body.c_str(), "done");
    assert_string_equal(raw_reply_header(&of_busy, "Connection").c_str(), "close");
    raw_client_fini(&idle);
    raw_client_fini(&half);
    raw_client_fini(&busy);
    assert_true(server_fixture_wait_connections(f, 0));
    assert_true(http_server_is_idle(f->server));
}

static void server__stopped__waits_a_moment_for_half_requests_and_stuck_replies(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    f->reply_size = 64 << 20;
    struct http_server_options options = server_fixture_options(f);
    server_fixture_restart(f, &options);
    struct raw_client silent, half, stuck;
    raw_client_init(&silent, f->base, f->port);
    raw_client_init(&half, f->base, f->port);
    raw_client_init(&stuck, f->base, f->port);
    raw_client_send(&half, "POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    raw_client_send(&stuck, make_get("/big"));
    assert_true(server_fixture_wait_seen(f, 1));
    assert_true(server_fixture_wait_connections(f, 3));
    const int64_t begin = clock_monotonic_ms();

    http_server_stop(f->server);
    const struct raw_reply of_half = raw_client_reply(&half, LONG_MS);

    assert_int_equal(of_half.status, 408);
    assert_true(server_fixture_wait_connections(f, 0));
    assert_in_range(clock_monotonic_ms() - begin, 900, 3000);
    raw_client_fini(&silent);
    raw_client_fini(&half);
    raw_client_fini(&stuck);
}

static void server__stopped__answers_what_was_just_sent_on_kept_connections(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client kept, fresh;
    raw_client_init(&kept, f->base, f->port);
    raw_client_init(&fresh, f->base, f->port);
    raw_client_send(&kept, make_get("/now"));
    assert_int_equal(raw_client_reply(&kept, LONG_MS).status, 200);
    assert_true(server_fixture_wait_connections(f, 2));

    http_server_stop(f->server);
    raw_client_idle(&kept, 10);
    for (struct raw_client *c : {&kept, &fresh}) {
        raw_client_send(c, make_get("/now"));
        const struct raw_reply reply = raw_client_reply(c, LONG_MS);
        assert_int_equal(reply.status, 200);
        assert_string_equal(raw_reply_header(&reply, "Connection").c_str(), "close");
        raw_client_fini(c);
    }
    assert_true(server_fixture_wait_connections(f, 0));
}

static void server__stopped__answers_those_who_wait_to_be_accepted(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client clients[50];
    for (struct raw_client &c : clients) { // more than one turn of the loop accepts
        raw_client_init(&c, f->base, f->port);
        const std::string text = make_get("/now");
        assert_int_equal(send(c.fd, text.data(), text.size(), 0), text.size());
    }

    http_server_stop(f->server);
    const bool idle_before = http_server_is_idle(f->server);

    for (struct raw_client &c : clients) {
        assert_int_equal(raw_client_reply(&c, LONG_MS).status, 200);
        raw_client_fini(&c);
    }
    assert_false(idle_before);
    assert_true(server_fixture_wait_connections(f, 0));
    assert_true(http_server_is_idle(f->server));
}

static void server__draining__makes_each_reply_the_last(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client kept, next;
    raw_client_init(&kept, f->base, f->port);
    raw_client_send(&kept, make_get("/now"));
    const struct raw_reply before = raw_client_reply(&kept, LONG_MS);

    http_server_drain(f->server);
    raw_client_init(&next, f->base, f->port);

    assert_string_equal(raw_reply_header(&before, "Connection").c_str(), "");
    for (struct raw_client *c : {&kept, &next}) {
        raw_client_send(c, make_get("/now"));
        const struct raw_reply reply = raw_client_reply(c, LONG_MS);
        assert_int_equal(reply.status, 200);
        assert_string_equal(raw_reply_header(&reply, "Connection").c_str(), "close");
        assert_true(raw_client_wait_end(c, LONG_MS));
        raw_client_fini(c);
    }
}

static void address__without_host__is_listened_on_in_both_families(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct http_server_options options = server_fixture_options(f);
    options.address = ":0";
    server_fixture_restart(f, &options);

    for (const bool ipv6 : {false, true}) {
        struct raw_client c;
        raw_client_init(&c, f->base, f->port, ipv6);
        if (c.fd < 0 && ipv6)
            continue; // a host without IPv6
        raw_client_send(&c, make_get("/now"));
        const struct raw_reply reply = raw_client_reply(&c, LONG_MS);
        assert_int_equal(reply.status, 200);
        raw_client_fini(&c);
    }
}

static void address__that_is_taken__is_an_error(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct http_server_options options = server_fixture_options(f);
    const std::string taken = "127.0.0.1:" + std::to_string(f->port);
    const std::string taken_any = ":" + std::to_string(f->port);

    for (const std::string &address : {taken, taken_any, std::string("192.0.2.1:0")}) {
        std::string error;
        options.address = address.c_str();
        assert_null(http_server_new(&options, &error));
        assert_true(error.find("can not listen on") == 0);
    }
}

int main()
{
    signal(SIGPIPE, SIG_IGN);
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, server_fixture_setup, server_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(request__on_kept_connection__is_answered_again),
        TEST(head__then_get__are_framed),
        TEST(request_id__of_client__is_echoed_if_sane),
        TEST(body__of_one_mebibyte__comes_whole),
        TEST(expect__100_continue__is_answered_first),
        TEST(reply__of_8_mebibytes__comes_whole),
        TEST(pipelined_requests__are_answered_in_order),
        TEST(request_with_connection_close__ends_the_connection),
        TEST(request__of_http_1_0_keep_alive__is_kept),
        TEST(client__that_leaves__is_noticed_once),
        TEST(server__freed_with_requests_pending__forgets_them),
        TEST(server__stopped__finishes_what_is_under_way),
        TEST(server__stopped__waits_a_moment_for_half_requests_and_stuck_replies),
        TEST(server__stopped__answers_what_was_just_sent_on_kept_connections),
        TEST(server__stopped__answers_those_who_wait_to_be_accepted),
        TEST(server__draining__makes_each_reply_the_last),
        TEST(address__without_host__is_listened_on_in_both_families),
        TEST(address__that_is_taken__is_an_error),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
