// http_client: how fetches end, are cancelled, reuse connections and are sent again, or are not.
#include <sys/resource.h>
#include <vector>

#include <event2/event.h>

#include "cmocka_cc.h"
#include "fetching.h"
#include "http_client.h"
#include "pool.h"
#include "tcp_server.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static size_t requests_with(const struct fetching *s, const char *method)
{
    size_t count = 0;
    for (const std::string &request : tcp_server_requests(s->server))
        count += request.starts_with(method);
    return count;
}

// The connection is kept by the first reply and ends as the next request arrives.
static void fetch__get_on_a_dying_kept_connection__is_sent_again(void **)
{
    for (const enum tcp_then then : {TCP_CLOSE, TCP_RESET}) {
        struct fetching s = fetching_begin({{OK, TCP_KEEP}, {"", then}, {OK, TCP_KEEP}});

        const struct outcome first = fetching_get(&s, s.url);
        const struct outcome second = fetching_get(&s, s.url);

        assert_int_equal(first.tries, 1);
        assert_int_equal(second.status, FETCH_DONE);
        assert_int_equal(second.tries, 2);
        assert_string_equal(second.body.c_str(), "hello");
        assert_int_equal(tcp_server_requests(s.server).size(), 3);
        fetching_end(&s);
    }
}

static void fetch__post_once_on_dying_connections__is_never_sent_twice(void **)
{
    constexpr size_t TRIES = 100;
    for (const enum tcp_then then : {TCP_CLOSE, TCP_RESET}) {
        std::vector<struct tcp_reply> script;
        for (size_t i = 0; i < TRIES; i++) {
            script.push_back({OK, TCP_KEEP});
            script.push_back({"", then});
        }
        struct fetching s = fetching_begin(script);
        for (size_t i = 0; i < TRIES; i++) {
            const struct outcome get = fetching_get(&s, s.url);
            struct fetch_options options = fetching_options(s.url.c_str(), nullptr);
            options.method = "POST";
            options.body = "{}";
            options.body_size = 2;
            options.once = true;

            const struct outcome post = fetching_do(&s, &options);

            assert_int_equal(get.status, FETCH_DONE);
            assert_int_equal(post.status, FETCH_RESET);
            assert_int_equal(post.tries, 1);
            assert_int_equal(post.connects, 1);
            assert_true(post.sent);
        }
        assert_int_equal(requests_with(&s, "POST"), TRIES);
        fetching_end(&s);
    }
}

static void fetch__once__leaves_no_connection_behind(void **)
{
    struct fetching s = fetching_begin({{OK, TCP_KEEP}});
    struct fetch_options options = fetching_options(s.url.c_str(), nullptr);
    options.once = true;

    const struct outcome first = fetching_do(&s, &options);
    const struct outcome second = fetching_get(&s, s.url);
    const struct outcome third = fetching_get(&s, s.url);

    assert_int_equal(first.status, FETCH_DONE);
    assert_int_equal(second.connects, 1);
    assert_int_equal(third.connects,
                     0); // neither fresh nor forbidden by what the handle did before
    fetching_end(&s);
}

static void fetch__fresh__connects_again(void **)
{
    struct fetching s = fetching_begin({{OK, TCP_KEEP}});
    struct fetch_options options = fetching_options(s.url.c_str(), nullptr);
    options.fresh = true;

    const struct outcome first = fetching_do(&s, &options);
    const struct outcome second = fetching_do(&s, &options);

    assert_int_equal(first.connects, 1);
    assert_int_equal(second.connects, 1);
    fetching_end(&s);
}

static void on_rested(void *arg)
{
    event_base_loopbreak(static_cast<struct event_base *>(arg));
}

static void rest__after_a_fetch__gives_all_back_and_says_so(void **)
{
    struct fetching s = fetching_begin({{OK, TCP_KEEP}});
    (void)fetching_get(&s, s.url);
    assert_true(pool_kept() > 0 || pool_is_watched());

    http_client_rest(s.client, on_rested, s.base);
    event_base_dispatch(s.base); // until on_rested

    assert_int_equal(pool_kept(), 0);
    fetching_end(&s);
}

static void on_time_up(evutil_socket_t, short, void *arg)
{
    *static_cast<bool *>(arg) = true;
}

// Turns that the loop takes in some time.
static unsigned turns_within(struct fetching *f, int ms)
{
    const struct timeval limit = {.tv_sec = 0, .tv_usec = ms * 1000};
    bool up = false;
    struct event *timer = evtimer_new(f->base, on_time_up, &up);
    evtimer_add(timer, &limit);
    unsigned turns = 0;
    while (!up) {
        event_base_loop(f->base, EVLOOP_ONCE);
        turns++;
    }
    event_free(timer);
    return turns;
}

static void fetch__server_closed_the_kept_connection__connects_without_a_second_try(void **)
{
    struct fetching s = fetching_begin({{OK, TCP_KEEP}});

    const struct outcome first = fetching_get(&s, s.url);
    tcp_server_hang_up(s.server);
    const unsigned turns = turns_within(&s, 30);
    const struct outcome second = fetching_get(&s, s.url);
    const struct outcome third = fetching_get(&s, s.url);

    assert_int_equal(first.status, FETCH_DONE);
    assert_true(turns < 10); // it is seen, and must not make the loop spin
    assert_int_equal(second.status, FETCH_DONE);
    assert_int_equal(second.tries, 1);
    assert_int_equal(second.connects, 1);
    assert_int_equal(third.connects, 0);
    fetching_end(&s);
}

static void forget__kept_connection__is_closed(void **)
{
    struct fetching s = fetching_begin({{OK, TCP_KEEP}});

    const struct outcome first = fetching_get(&s, s.url);
    http_client_forget(s.client, 1);
    http_client_forget(s.client, 77);
    const struct outcome second = fetching_get(&s, s.url);

    assert_int_equal(first.connects, 1);
    assert_int_equal(second.connects, 1);
    fetching_end(&s);
}

static void forget__fetch_under_way__goes_on(void **)
{
    struct fetching s = fetching_begin({{OK, TCP_KEEP}});
    struct outcome a = {};
    struct outcome b = {};
    const struct fetch_options of_a = fetching_options(s.url.c_str(), &a);
    const struct fetch_options of_b = fetching_options(s.url.c_str(), &b);

    struct fetch *first = fetch_start(s.client, &of_a);
    http_client_forget(s.client, 1);
    struct fetch *second = fetch_start(s.client, &of_b);
    http_client_forget(s.client, 1);
    fetch_cancel(second); // the last of its shard
    fetching_wait(&s, &a);

    assert_non_null(first);
    assert_int_equal(a.status, FETCH_DONE);
    assert_int_equal(b.calls, 0);
    fetching_end(&s);
}

// Stages of a fetch, by what the server has done when it is cancelled.
static void cancel__at_each_stage__done_is_never_called(void **)
{
    static const struct {
        const char *bytes; // of the reply
        int ms;            // from start to cancel
    } cases[] = {
        {OK, 0},
        {OK, -1},
        {"", 20},
        {"HTTP/1.1 200 OK\r\n", 20},
        {"HTTP/1.1 200 OK\r\n\r\nhel", 20},
    };
    for (const auto &c : cases) {
        struct fetching s = fetching_begin({{c.bytes, TCP_KEEP}});
        struct outcome o = {};
        const struct fetch_options options = fetching_options(s.url.c_str(), &o);

        struct fetch *f = fetch_start(s.client, &options);
        if (c.ms > 0)
            fetching_run(&s, c.ms);
        if (c.ms < 0)
            event_base_loop(s.base, EVLOOP_ONCE); // connecting
        assert_int_equal(o.calls, 0);
        fetch_cancel(f);
        fetching_run(&s, 20);
        const struct outcome next = fetching_get(&s, "http://127.0.0.1:1/");

        assert_int_equal(o.calls, 0);
        assert_int_equal(next.status, FETCH_CONNECT);
        fetching_end(&s);
    }
}

static void cancel__of_one_that_could_not_start__done_is_never_called(void **)
{
    struct fetching f = fetching_begin({});
    const std::string url = "http://127.0.0.1/" + std::string(9000000, 'x');
    struct outcome outcomes[3] = {};
    struct fetch *fetches[3];
    for (unsigned i = 0; i < 3; i++) {
        const struct fetch_options options = fetching_options(url.c_str(), &outcomes[i]);
        fetches[i] = fetch_start(f.client, &options);
    }

    fetch_cancel(fetches[1]);
    fetching_run(&f, 20);

    assert_int_equal(outcomes[0].calls, 1);
    assert_int_equal(outcomes[1].calls, 0);
    assert_int_equal(outcomes[2].calls, 1);
    assert_int_equal(outcomes[0].status, FETCH_CONNECT);
    fetching_end(&f);
}

constexpr size_t CROWD = 40;

// Fetches that end in the same turn of the loop; whoever ends first acts on the others.
struct crowd {
    struct fetching s;
    struct fetch *fetches[CROWD];
    bool gone[CROWD];
    unsigned dones;
    unsigned starts_left; // fetches to start from within `done`
};

struct member {
    struct crowd *crowd;
    size_t number;
};

static void on_first_cancels_all(void *arg, const struct fetch_result *result)
{
    struct member *m = static_cast<struct member *>(arg);
    struct crowd *c = m->crowd;
    assert_int_equal(result->status, FETCH_DONE);
    assert_false(c->gone[m->number]);
    c->dones++;
    c->gone[m->number] = true;
    for (size_t i = 0; i < CROWD; i++) {
        if (!c->gone[i])
            fetch_cancel(c->fetches[i]);
        c->gone[i] = true;
    }
    event_base_loopbreak(c->s.base);
}

static void cancel__all_others_from_a_done__none_of_them_is_done(void **)
{
    struct crowd c = {};
    struct member members[CROWD];
    c.s = fetching_begin({{OK, TCP_KEEP}});
    for (size_t i = 0; i < CROWD; i++) {
        members[i] = {.crowd = &c, .number = i};
        struct fetch_options options = fetching_options(c.s.url.c_str(), nullptr);
        options.done = on_first_cancels_all;
        options.arg = &members[i];
        c.fetches[i] = fetch_start(c.s.client, &options);
    }

    event_base_dispatch(c.s.base);
    fetching_run(&c.s, 30);

    assert_int_equal(c.dones, 1);
    fetching_end(&c.s);
}

// Fetches to nowhere fail within one call of curl: they are finished and not drained when the first
// one's `done` cancels them.
static void on_failed_cancels_next(void *arg, const struct fetch_result *result)
{
    struct member *m = static_cast<struct member *>(arg);
    struct crowd *c = m->crowd;
    assert_int_equal(result->status, FETCH_CONNECT);
    assert_false(c->gone[m->number]);
    c->dones++;
    c->gone[m->number] = true;
    const size_t other = m->number ^ 1;
    if (!c->gone[other])
        fetch_cancel(c->fetches[other]);
    c->gone[other] = true;
}

static void cancel__of_finished_ones_from_a_done__half_of_them_are_done(void **)
{
    struct crowd c = {};
    struct member members[CROWD];
    c.s = fetching_begin({{OK, TCP_KEEP}});
    for (size_t i = 0; i < CROWD; i++) {
        members[i] = {.crowd = &c, .number = i};
        struct fetch_options options = fetching_options("http://127.0.0.1:99999/", nullptr);
        options.done = on_failed_cancels_next;
        options.arg = &members[i];
        c.fetches[i] = fetch_start(c.s.client, &options);
    }

    fetching_run(&c.s, 30);

    assert_int_equal(c.dones, CROWD / 2);
    fetching_end(&c.s);
}

static void on_done_starts_next(void *arg, const struct fetch_result *result)
{
    struct crowd *c = static_cast<struct crowd *>(arg);
    assert_int_equal(result->status, FETCH_DONE);
    c->dones++;
    if (c->starts_left-- == 0) {
        event_base_loopbreak(c->s.base);
        return;
    }
    if (c->starts_left % 3 == 0)
        http_client_forget(c->s.client, 1);
    struct fetch_options options = fetching_options(c->s.url.c_str(), nullptr);
    options.done = on_done_starts_next;
    options.arg = c;
    c->fetches[0] = fetch_start(c->s.client, &options);
}

static void start__from_a_done__goes_on(void **)
{
    struct crowd c = {};
    c.s = fetching_begin({{OK, TCP_KEEP}});
    c.starts_left = 10;
    struct fetch_options options = fetching_options(c.s.url.c_str(), nullptr);
    options.done = on_done_starts_next;
    options.arg = &c;

    c.fetches[0] = fetch_start(c.s.client, &options);
    event_base_dispatch(c.s.base);

    assert_int_equal(c.dones, 11);
    fetching_end(&c.s);
}

static void free__fetches_in_flight__ends_them_silently(void **)
{
    for (const int ms : {0, 20}) {
        struct fetching s = fetching_begin({{"HTTP/1.1 200 OK\r\n\r\nhel", TCP_KEEP}});
        const std::string huge = "http://127.0.0.1/" + std::string(9000000, 'x');
        struct outcome o = {};
        for (uint32_t i = 0; i < 12; i++) {
            struct fetch_options options = fetching_options(s.url.c_str(), &o);
            options.shard = i % 4;
            options.timeout_ms = i % 2 ? 5000 : 0;
            struct fetch *f = fetch_start(s.client, &options);
            assert_non_null(f);
        }
        if (ms > 0)
            fetching_run(&s, ms);
        const struct fetch_options options = fetching_options(huge.c_str(), &o);
        struct fetch *failed = fetch_start(s.client, &options);

        fetching_end(&s);

        assert_non_null(failed);
        assert_int_equal(o.calls, 0);
    }
}

// A fan-out to many addresses with a window of requests in flight.
struct fan {
    struct fetching s;
    unsigned servers;
    unsigned next;
    unsigned dones;
    long connects;
};

static void on_fan_done(void *arg, const struct fetch_result *result);

static void fan_start_one(struct fan *fan)
{
    const unsigned i = fan->next++;
    const std::string url = "http://127.1." + std::to_string(i / 250) + "." +
                            std::to_string(i % 250 + 1) + ":" +
                            std::to_string(tcp_server_port(fan->s.server)) + "/";
    struct fetch_options options = fetching_options(url.c_str(), nullptr);
    options.done = on_fan_done;
    options.arg = fan;
    options.shard = 1 + i / FETCH_SHARD_SERVERS;
    struct fetch *f = fetch_start(fan->s.client, &options);
    assert_non_null(f);
}

static void on_fan_done(void *arg, const struct fetch_result *result)
{
    struct fan *fan = static_cast<struct fan *>(arg);
    assert_int_equal(result->status, FETCH_DONE);
    fan->connects += result->connects;
    if (fan->next < fan->servers)
        fan_start_one(fan);
    if (++fan->dones == fan->servers)
        event_base_loopbreak(fan->s.base);
}

static void fan_out(struct fan *fan)
{
    fan->next = 0;
    fan->dones = 0;
    fan->connects = 0;
    while (fan->next < 64)
        fan_start_one(fan);
    event_base_dispatch(fan->s.base);
}

static void fetch__thousand_servers_again__makes_no_new_connection(void **)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    struct fan fan = {};
    fan.s = fetching_begin({});
    fan.s.server = tcp_server_new(fan.s.base, "0.0.0.0", 0, {{OK, TCP_KEEP}});
    fan.servers = files.rlim_max > 2200 ? 1000 : 300;

    fan_out(&fan);
    assert_int_equal(fan.connects, fan.servers);
    fan_out(&fan);
    assert_int_equal(fan.connects, 0);

    assert_int_equal(tcp_server_connections(fan.s.server), fan.servers);
    fetching_end(&fan.s);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rest__after_a_fetch__gives_all_back_and_says_so),
        cmocka_unit_test(fetch__get_on_a_dying_kept_connection__is_sent_again),
        cmocka_unit_test(fetch__post_once_on_dying_connections__is_never_sent_twice),
        cmocka_unit_test(fetch__once__leaves_no_connection_behind),
        cmocka_unit_test(fetch__fresh__connects_again),
        cmocka_unit_test(fetch__server_closed_the_kept_connection__connects_without_a_second_try),
        cmocka_unit_test(forget__kept_connection__is_closed),
        cmocka_unit_test(forget__fetch_under_way__goes_on),
        cmocka_unit_test(cancel__at_each_stage__done_is_never_called),
        cmocka_unit_test(cancel__of_one_that_could_not_start__done_is_never_called),
        cmocka_unit_test(cancel__all_others_from_a_done__none_of_them_is_done),
        cmocka_unit_test(cancel__of_finished_ones_from_a_done__half_of_them_are_done),
        cmocka_unit_test(start__from_a_done__goes_on),
        cmocka_unit_test(free__fetches_in_flight__ends_them_silently),
        cmocka_unit_test(fetch__thousand_servers_again__makes_no_new_connection),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
