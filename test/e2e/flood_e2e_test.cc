// Clients in numbers: connections that ask nothing, readers that take nothing, descriptors used up. An
// honest client is served all the same, and soon.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "cmocka_cc.h"
#include "e2e.h"

static struct cluster the_cluster;

static int start_cluster(void **)
{
    the_cluster = cluster_start({"--nodes", "3", "--pod-bytes", "4000000"});
    return 0;
}

static int stop_cluster(void **)
{
    cluster_stop(&the_cluster);
    return 0;
}

static int heal(void **)
{
    cluster_do(&the_cluster, "DELETE", "/fault?node=*");
    return 0;
}

static std::vector<int> open_many(const struct svc *s, size_t count, const std::string &bytes)
{
    std::vector<int> sockets;
    for (size_t i = 0; i < count; i++)
        sockets.push_back(raw_open(s->url, bytes));
    return sockets;
}

static void close_all(const std::vector<int> &sockets)
{
    for (const int fd : sockets)
        close(fd);
}

static std::string get(const std::string &path)
{
    return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

// Asks on a new connection; how long the reply, which must be 200, took.
static int64_t ask(const struct svc *s, const char *path)
{
    const int64_t begin_ms = clock_monotonic_ms();
    const int fd = raw_open(s->url, get(path));
    const std::string got = raw_read(fd, "\r\n\r\n");
    const int64_t ms = clock_monotonic_ms() - begin_ms;
    close(fd);
    assert_has(got, "HTTP/1.1 200 OK");
    return ms;
}

static void connections__silent_and_many__do_not_keep_others_out(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3, {"--max-connections", "16"});
    const std::vector<int> silent = open_many(&s, 100, "");
    const std::vector<int> half = open_many(&s, 100, "GET /v1/pods HT");

    for (int i = 0; i < 10; i++)
        assert_true(ask(&s, "/v1/tracer-nodes") < 1000);

    close_all(silent);
    close_all(half);
    svc_stop(&s);
}

static void places__all_taken_by_requests__are_kept_for_health(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3, {"--max-connections", "4"});
    cluster_do(&the_cluster, "POST", "/fault?node=worker-1&kind=hang");
    cluster_do(&the_cluster, "DELETE", "/stats");
    std::vector<int>
        waiting; // each asks something of its own, so that none shares another's broadcast
    for (const char *query : {"n=1", "n=2", "n=3", "n=4"})
        waiting.push_back(raw_open(s.url, get(std::string("/v1/pods?timeout=30s&") + query)));
    cluster_wait_for(&the_cluster, "/stats?node=worker-1", "\"GET\":4");
    const std::vector<int> silent = open_many(&s, 8, "");

    for (int i = 0; i < 3; i++)
        for (const char *path : {"/livez", "/readyz"}) {
            const std::string got = raw_exchange(s.url, get(path));
            assert_has(got, "HTTP/1.1 200 OK");
            assert_has(got, "Connection: close");
        }
    const std::string other = raw_exchange(s.url, get("/v1/pods"));
    assert_has(other, "HTTP/1.1 503 ");
    assert_has(other, "Retry-After: 1");
    assert_has(other, "too many connections");

    close_all(waiting);
    close_all(silent);
    svc_stop(&s);
}

static void readers__that_take_nothing__give_their_places_away(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3, {"--max-connections", "4"});
    std::vector<int> stuck;
    for (int i = 0; i < 20; i++) {
        const int fd = raw_connect(s.url), little = 4096;
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
        const std::string request = get("/v1/pods");
        assert_int_equal(send(fd, request.data(), request.size(), MSG_NOSIGNAL), request.size());
        stuck.push_back(fd);
    }
    const int64_t begin_ms = clock_monotonic_ms();

    // long before --reply-timeout, 60 s
    while (!has(raw_exchange(s.url, get("/version"), "\r\n\r\n"), "HTTP/1.1 200 OK"))
        assert_true(clock_monotonic_ms() - begin_ms < 20000);

    close_all(stuck);
    svc_stop(&s);
}

static void readers__that_take_nothing__give_their_memory_away(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3, {"--max-memory", "32MiB"});
    std::vector<int> stuck;
    for (const char *query : {"n=1", "n=2", "n=3"}) { // so that none shares another's reply
        const int fd = raw_connect(s.url), little = 4096;
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
        const std::string request = get(std::string("/v1/pods?") + query);
        assert_int_equal(send(fd, request.data(), request.size(), MSG_NOSIGNAL), request.size());
        stuck.push_back(fd);
    }
    const int64_t begin_ms = clock_monotonic_ms();

    // long before --reply-timeout, 60 s
    while (!has(raw_exchange(s.url, get("/v1/pods"), "\r\n\r\n"), "failed=0"))
        assert_true(clock_monotonic_ms() - begin_ms < 20000);

    close_all(stuck);
    svc_stop(&s);
}

// Ends a connection with a reset (an odd number), or as usual.
static void end_somehow(int fd, size_t i)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (i % 2)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

// As little is used as by a daemon that never had many clients; they make it 14 MB.
static bool is_as_idle(const struct svc *s)
{
    const struct usage u = program_usage(&s->daemon);
    const size_t of_valgrind = getenv("TRACER_WRAPPER") ? 8 : 0; // it keeps seven of its own
    return u.descriptors <= 24 + of_valgrind && (!is_as_released() || u.kb <= 8192);
}

static void wait_until_idle(const struct svc *s)
{
    const int64_t end_ms = clock_monotonic_ms() + 15000;
    while (!is_as_idle(s) && clock_monotonic_ms() < end_ms)
        poll(nullptr, 0, 50);
    assert_true(is_as_idle(s));
}

static void connections__ten_thousand_opened_and_dropped__leave_nothing_behind(void **)
{
    const std::string texts[] = {
        "",
        "GET /v1/po",
        get("/version"),
        get("/version") + get("/livez"),
        "BAD\r\n\r\n",
        "PUT /v1/trace-session/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
    };
    struct svc s = svc_start_for(&the_cluster, 3);
    wait_until_idle(&s); // and has given back what only starting needs
    int64_t longest_us = 0;
    for (size_t batch = 0; batch < 100; batch++) {
        std::vector<int> sockets;
        for (size_t i = 0; i < 100; i++)
            sockets.push_back(raw_open(s.url, texts[(batch + i) % std::size(texts)]));
        for (const char *path : {"/livez", "/version"}) {
            const int64_t begin_us = program_cpu_us(&s.daemon);
            assert_true(ask(&s, path) < 5000);
            longest_us = std::max(longest_us, program_cpu_us(&s.daemon) - begin_us);
        }
        for (size_t i = 0; i < sockets.size(); i++)
            end_somehow(sockets[i], i / 7);
    }

    // what the daemon did first, in its own time: the machine has other things to do
    assert_in_range(longest_us, 1, is_as_released() ? 50000 : 500000);
    wait_until_idle(&s);
    svc_stop(&s);
}

static void descriptors__used_up__do_not_keep_probes_waiting(void **)
{
    program_limit_descriptors(48);
    struct svc s = svc_start_for(&the_cluster, 3, {"--max-connections", "1000"});
    program_limit_descriptors(0);
    const std::vector<int> silent = open_many(&s, 100, "");
    const std::vector<int> half = open_many(&s, 100, "GET /v1/pods HT");
    const struct usage begin = program_usage(&s.daemon);
    const int64_t begin_ms = clock_monotonic_ms();

    while (clock_monotonic_ms() - begin_ms < 1000) {
        for (const char *path : {"/livez", "/readyz", "/v1/tracer-nodes"})
            assert_true(ask(&s, path) < 1000);
        poll(nullptr, 0, 50);
    }

    const struct usage end = program_usage(&s.daemon);
    assert_true(!is_as_released() || end.cpu_ms - begin.cpu_ms < 300);
    assert_true(end.descriptors <= 48);
    close_all(silent);
    close_all(half);
    assert_true(http_get(s.url + "/v1/pods").status == 200);
    assert_int_equal(count_of(program_log(&s.daemon), "no connection can be accepted"), 1);
    svc_stop(&s);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections__silent_and_many__do_not_keep_others_out),
        cmocka_unit_test_teardown(places__all_taken_by_requests__are_kept_for_health, heal),
        cmocka_unit_test(readers__that_take_nothing__give_their_places_away),
        cmocka_unit_test(readers__that_take_nothing__give_their_memory_away),
        cmocka_unit_test(connections__ten_thousand_opened_and_dropped__leave_nothing_behind),
        cmocka_unit_test(descriptors__used_up__do_not_keep_probes_waiting),
    };
    return cmocka_run_group_tests(tests, start_cluster, stop_cluster);
}
