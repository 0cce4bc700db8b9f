// The REST listener's limits: deadlines, connections, descriptors.
#include <csignal>
#include <ctime>
#include <string>
#include <vector>

#include <sys/resource.h>

#include <event2/event.h>

#include "clock.h"
#include "http_server.h"
#include "support/cmocka_cc.h"
#include "support/raw_client.h"
#include "support/server_fixture.h"

// Feeds one byte of `text` each few milliseconds until the server answers.
static void drip(struct raw_client *c, const char *text)
{
    const int64_t end = clock_monotonic_ms() + LONG_MS;
    for (const char *p = text; !c->ended && c->in.empty() && clock_monotonic_ms() < end; p++) {
        if (*p == '\0')
            p--; // the last byte again and again
        raw_client_send(c, std::string_view(p, 1));
        raw_client_wait_bytes(c, 1, 10);
    }
}

static void request__that_drips__is_ended_by_the_clock(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct http_server_options options = server_fixture_options(f);
    options.header_timeout_ms = 150;
    server_fixture_restart(f, &options);
    const char *const texts[] = {
        "GET /now HTTP/1.1\r\nX: aaaaaa",
        "PUT /now HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nbbbbbb"};
    for (const char *text : texts) {
        struct raw_client c;
        raw_client_init(&c, f->base, f->port);
        const int64_t begin = clock_monotonic_ms();

        drip(&c, text);

        assert_true(clock_monotonic_ms() - begin >= 150);
        const struct raw_reply reply = raw_client_reply(&c, LONG_MS);
        assert_int_equal(reply.status, 408);
        assert_true(raw_client_wait_end(&c, LONG_MS));
        assert_false(c.was_reset);
        raw_client_fini(&c);
    }
}

static void connection__without_a_request__is_ended_silently(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct http_server_options options = server_fixture_options(f);
    options.header_timeout_ms = 100;
    options.idle_timeout_ms = 800;
    server_fixture_restart(f, &options);
    struct raw_client silent, kept;
    const int64_t begin = clock_monotonic_ms();
    raw_client_init(&silent, f->base, f->port);
    raw_client_init(&kept, f->base, f->port);
    raw_client_send(&kept, make_get("/now"));
    const struct raw_reply reply = raw_client_reply(&kept, LONG_MS);

    assert_int_equal(reply.status, 200);
    assert_true(raw_client_wait_end(&silent, LONG_MS));
    assert_in_range(clock_monotonic_ms() - begin, 100, 2000);
    assert_int_equal(http_server_connections(f->server), 1);
    assert_true(raw_client_wait_end(&kept, LONG_MS));
    assert_in_range(clock_monotonic_ms() - begin, 800, 4000);
    assert_int_equal(silent.in.size() + kept.in.size(), 0);
    raw_client_fini(&silent);
    raw_client_fini(&kept);
}

static void request__that_is_pending__has_no_deadline(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct http_server_options options = server_fixture_options(f);
    options.header_timeout_ms = options.idle_timeout_ms = options.reply_timeout_ms = 50;
    server_fixture_restart(f, &options);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    raw_client_send(&c, make_get("/held"));
    raw_client_idle(&c, 300);
    assert_int_equal(f->held.size(), 1);
    server_fixture_reply(f->held[0], 200, "late");
    const struct raw_reply reply = raw_client_reply(&c, LONG_MS);

    assert_int_equal(reply.status, 200);
    raw_client_fini(&c);
}

static void client__that_does_not_read__is_dropped(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    f->reply_size = 64 << 20;
    struct http_server_options options = server_fixture_options(f);
    options.reply_timeout_ms = 150;
    server_fixture_restart(f, &options);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);
    const int64_t begin = clock_monotonic_ms();

    raw_client_send(&c, make_get("/big"));

    assert_true(server_fixture_wait_seen(f, 1));
    assert_true(server_fixture_wait_connections(f, 0));
    assert_in_range(clock_monotonic_ms() - begin, 150, 2000);
    raw_client_fini(&c);
}

static void client__that_does_not_read__gives_its_place_away(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    f->reply_size = 64 << 20;
    struct http_server_options options = server_fixture_options(f);
    options.max_connections = 1;
    server_fixture_restart(f, &options);
    struct raw_client slow;
    raw_client_init(&slow, f->base, f->port);
    const int64_t begin = clock_monotonic_ms();
    raw_client_send(&slow, make_get("/big"));
    assert_true(server_fixture_wait_seen(f, 1));

    int status = 503;
    while (status == 503) {
        struct raw_client c;
        raw_client_init(&c, f->base, f->port);
        raw_client_send(&c, make_get("/now"));
        status = raw_client_reply(&c, LONG_MS).status;
        raw_client_fini(&c);
    }

    assert_int_equal(status, 200);
    assert_true(clock_monotonic_ms() - begin >= 900);
    assert_true(raw_client_wait_end(&slow, LONG_MS));
    assert_true(slow.was_reset);
    raw_client_fini(&slow);
}

static void client__that_reads_slowly__keeps_its_place(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    f->reply_size = 64 << 20;
    struct http_server_options options = server_fixture_options(f);
    options.max_connections = 1;
    server_fixture_restart(f, &options);
    struct raw_client slow;
    raw_client_init(&slow, f->base, f->port);
    raw_client_send(&slow, make_get("/big"));
    assert_true(server_fixture_wait_seen(f, 1));

    const int64_t end = clock_monotonic_ms() + 2000;
    while (clock_monotonic_ms() < end) {
        struct raw_client c;
        raw_client_init(&c, f->base, f->port);
        raw_client_send(&c, make_get("/now"));
        assert_int_equal(raw_client_reply(&c, LONG_MS).status, 503);
        raw_client_fini(&c);
        raw_client_wait_bytes(&slow, slow.in.size() + (256 << 10), LONG_MS);
        raw_client_idle(&slow, 100);
    }
    const struct raw_reply reply = raw_client_reply(&slow, LONG_MS);

    assert_int_equal(reply.body.size(), f->reply_size);
    raw_client_fini(&slow);
}

// There are eight places more than max_connections, which only idle connections and requests for the
// health routes get.
static void connection__beyond_the_most__ends_the_oldest_idle_one(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct http_server_options options = server_fixture_options(f);
    options.max_connections = 3;
    server_fixture_restart(f, &options);
    struct raw_client clients[11];
    for (size_t i = 0; i < 10; i++) {
        raw_client_init(&clients[i], f->base, f->port);
        raw_client_send(&clients[i], make_get(i == 0 ? "/held" : "/now"));
        assert_true(server_fixture_wait_seen(f, i + 1));
        raw_client_idle(&clients[i], 30);
    }

    raw_client_init(&clients[10], f->base, f->port);
    raw_client_send(&clients[10], make_get("/now"));
    const struct raw_reply reply = raw_client_reply(&clients[10], LONG_MS);

    assert_int_equal(reply.status, 200);
    assert_true(raw_client_wait_end(&clients[1], LONG_MS));
    assert_int_equal(http_server_connections(f->server), 10);
    for (size_t i = 2; i < 10; i++) {
        raw_client_wait_bytes(&clients[i], 10000, 10);
        assert_false(clients[i].ended);
    }
    assert_int_equal(f->gone, 0);
    for (struct raw_client &c : clients)
        raw_client_fini(&c);
}

static void connection__while_all_are_busy__is_turned_away(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct http_server_options options = server_fixture_options(f);
    options.max_connections = 2;
    server_fixture_restart(f, &options);
    struct raw_client busy[2], late;
    for (struct raw_client &c : busy) {
        raw_client_init(&c, f->base, f->port);
        raw_client_send(&c, make_get("/held"));
    }
    assert_true(server_fixture_wait_seen(f, 2));

    raw_client_init(&late, f->base, f->port);
    raw_client_send(&late, make_get("/now"));
    const struct raw_reply reply = raw_client_reply(&late, LONG_MS);

    assert_int_equal(f->seen.size(), 2);
    assert_int_equal(reply.status, 503);
    raw_client_fini(&late);
    for (struct raw_client &c : busy)
        raw_client_fini(&c);
}

// Opens many connections, sends `text` on each and then nothing, and has another client ask.
static void check_flood(struct server_fixture *f, const char *text)
{
    struct http_server_options options = server_fixture_options(f);
    options.max_connections = 20;
    options.header_timeout_ms = 60000;
    server_fixture_restart(f, &options);
    std::vector<struct raw_client> flood(60);
    for (struct raw_client &c : flood) {
        raw_client_init(&c, f->base, f->port);
        raw_client_send(&c, text);
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    }
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);
    raw_client_send(&c, make_get("/now"));

    const struct raw_reply reply = raw_client_reply(&c, LONG_MS);

    assert_int_equal(reply.status, 200);
    assert_in_range(http_server_connections(f->server), 1, 28);
    raw_client_fini(&c);
    for (struct raw_client &one : flood)
        raw_client_fini(&one);
    assert_true(server_fixture_wait_connections(f, 0));
}

static void flood__of_silent_connections__does_not_shut_others_out(void **state)
{
    check_flood(server_fixture_of(state), "");
}

static void flood__of_half_requests__does_not_shut_others_out(void **state)
{
    check_flood(server_fixture_of(state), "GET /now HT");
}

// Before anybody knows who asks: 64 bodies of 1 MiB fill the room that there is.
static void bodies__large_and_many__are_refused_and_small_ones_are_not(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    const std::string large = "PUT /now HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n";
    const std::string small = "PUT /now HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb";
    std::vector<struct raw_client> clients(64);
    for (struct raw_client &c : clients) {
        raw_client_init(&c, f->base, f->port);
        raw_client_send(&c, large);
        raw_client_idle(&c, 1);
    }
    struct raw_client one, other, next;
    for (struct raw_client *c : {&one, &other, &next})
        raw_client_init(c, f->base, f->port);

    raw_client_send(&one, large);
    const struct raw_reply refused = raw_client_reply(&one, LONG_MS);
    raw_client_send(&other, small);
    const struct raw_reply taken = raw_client_reply(&other, LONG_MS);
    raw_client_send(&clients[0], std::string(1048576, 'b')); // is answered, and its room is free
    const struct raw_reply whole = raw_client_reply(&clients[0], LONG_MS);
    raw_client_send(&next, large + std::string(1048576, 'b'));

    assert_int_equal(refused.status, 503);
    assert_string_equal(raw_reply_header(&refused, "Retry-After").c_str(), "1");
    assert_int_equal(taken.status, 200);
    assert_int_equal(whole.status, 200);
    assert_int_equal(raw_client_reply(&next, LONG_MS).status, 200);
    for (struct raw_client *c : {&one, &other, &next})
        raw_client_fini(c);
    for (struct raw_client &c : clients)
        raw_client_fini(&c);
}

static void descriptors__that_run_out__do_not_spin(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);
    struct rlimit old_limit = {}, none = {};
    getrlimit(RLIMIT_NOFILE, &old_limit);
    none = old_limit;
    none.rlim_cur = 3; // accept fails from here on
    setrlimit(RLIMIT_NOFILE, &none);
    const clock_t cpu = clock();

    raw_client_send(&c, make_get("/now"));
    const struct timeval while_out = {0, 300000};
    event_base_loopexit(f->base, &while_out);
    event_base_dispatch(f->base);
    const clock_t used = clock() - cpu;
    setrlimit(RLIMIT_NOFILE, &old_limit);
    const size_t seen_before = f->seen.size();
    struct raw_client next; // the first one is reset here under valgrind, which plays the limit
    raw_client_init(&next, f->base, f->port);
    raw_client_send(&next, make_get("/now"));
    const struct raw_reply reply = raw_client_reply(&next, LONG_MS);

    assert_int_equal(seen_before, 0);
    assert_in_range(used, 0, CLOCKS_PER_SEC / 10);
    assert_int_equal(reply.status, 200);
    raw_client_fini(&c);
    raw_client_fini(&next);
}

static void resets__at_any_moment__leave_nothing_behind(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    const std::string texts[] = {
        "", "GET", make_get("/now"), make_get("/held"), make_get("/big"), "BAD\r\n"};
    for (int turns = 0; turns < 6; turns++) {
        for (const std::string &text : texts) {
            struct raw_client c;
            raw_client_init(&c, f->base, f->port);
            raw_client_send(&c, text);
            for (int i = 0; i < turns; i++)
                event_base_loop(f->base, EVLOOP_NONBLOCK);
            raw_client_reset(&c);
        }
    }

    assert_true(server_fixture_wait_connections(f, 0));
    assert_int_equal(f->gone, f->held.size());
}

int main()
{
    signal(SIGPIPE, SIG_IGN);
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, server_fixture_setup, server_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(request__that_drips__is_ended_by_the_clock),
        TEST(connection__without_a_request__is_ended_silently),
        TEST(request__that_is_pending__has_no_deadline),
        TEST(client__that_does_not_read__is_dropped),
        TEST(client__that_does_not_read__gives_its_place_away),
        TEST(client__that_reads_slowly__keeps_its_place),
        TEST(connection__beyond_the_most__ends_the_oldest_idle_one),
        TEST(connection__while_all_are_busy__is_turned_away),
        TEST(flood__of_silent_connections__does_not_shut_others_out),
        TEST(flood__of_half_requests__does_not_shut_others_out),
        TEST(bodies__large_and_many__are_refused_and_small_ones_are_not),
        TEST(descriptors__that_run_out__do_not_spin),
        TEST(resets__at_any_moment__leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
