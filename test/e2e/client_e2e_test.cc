// Clients that misbehave, many at once: honest ones are served all the same.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "cmocka_cc.h"
#include "e2e.h"

static struct cluster the_cluster;

static int start_cluster(void **)
{
    the_cluster = cluster_start({"--nodes", "3"});
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

static size_t descriptors_of(const struct svc *s)
{
    DIR *folder = opendir(("/proc/" + std::to_string(s->daemon.pid) + "/fd").c_str());
    assert_non_null(folder);
    size_t count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

// User and system time of the daemon so far, in milliseconds.
static int64_t cpu_ms_of(const struct svc *s)
{
    FILE *file = fopen(("/proc/" + std::to_string(s->daemon.pid) + "/stat").c_str(), "re");
    assert_non_null(file);
    char text[1024] = "";
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    long long user = 0, system = 0;
    assert_int_equal(sscanf(strrchr(text, ')') + 1,
                            " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld", &user,
                            &system),
                     2);
    return (user + system) * 1000 / sysconf(_SC_CLK_TCK);
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

static void connections__silent_and_many__do_not_keep_others_out(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3, {"--max-connections", "16"});
    const std::vector<int> silent = open_many(&s, 100, "");
    const std::vector<int> half = open_many(&s, 100, "GET /v1/pods HT");

    for (int i = 0; i < 10; i++) {
        const struct reply r = http_get(s.url + "/v1/pods");
        assert_int_equal(r.status, 200);
        assert_true(r.seconds < 2);
    }

    close_all(silent);
    close_all(half);
    svc_stop(&s);
}

static void places__all_taken_by_requests__are_kept_for_health(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3, {"--max-connections", "4"});
    cluster_do(&the_cluster, "POST", "/fault?node=worker-1&kind=hang");
    cluster_do(&the_cluster, "DELETE", "/stats");
    const std::vector<int> waiting =
        open_many(&s, 4, "GET /v1/pods?timeout=30s HTTP/1.1\r\nHost: x\r\n\r\n");
    cluster_wait_for(&the_cluster, "/stats?node=worker-1", "\"GET\":4");

    for (int i = 0; i < 3; i++)
        for (const char *path : {"/livez", "/readyz"}) {
            const std::string got =
                raw_exchange(s.url, std::string("GET ") + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_has(got, "HTTP/1.1 200 OK");
            assert_has(got, "Connection: close");
        }
    const std::string other = raw_exchange(s.url, "GET /v1/pods HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_has(other, "HTTP/1.1 503 ");
    assert_has(other, "Retry-After: 1");
    assert_has(other, "too many connections");

    close_all(waiting);
    svc_stop(&s);
}

static void connections__opened_and_dropped__leave_nothing_behind(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3);
    assert_int_equal(http_get(s.url + "/v1/pods").status, 200);
    const size_t before = descriptors_of(&s);

    for (int i = 0; i < 2000; i++) {
        close(raw_open(s.url, i % 2 ? "" : "GET /v1/po"));
        if (i % 100 == 0)
            assert_int_equal(http_get(s.url + "/livez").status, 200);
    }

    const int64_t end_ms = clock_monotonic_ms() + 10000;
    while (descriptors_of(&s) > before + 1 && clock_monotonic_ms() < end_ms)
        (void)http_get(s.url + "/livez");
    assert_true(descriptors_of(&s) <= before + 1);
    svc_stop(&s);
}

static void descriptors__used_up__do_not_make_it_spin(void **)
{
    program_limit_descriptors(96);
    struct svc s = svc_start_for(&the_cluster, 3, {"--max-connections", "1000"});
    program_limit_descriptors(0);
    const std::vector<int> flood = open_many(&s, 200, "");
    const int64_t begin_ms = clock_monotonic_ms(), cpu_ms = cpu_ms_of(&s);

    while (clock_monotonic_ms() - begin_ms < 1000)
        usleep(10000);

    assert_true(cpu_ms_of(&s) - cpu_ms < 300);
    close_all(flood);
    svc_wait_for(&s, "/v1/pods", "web-3-a");
    assert_true(count_of(program_log(&s.daemon), "no connection can be accepted") < 5);
    svc_stop(&s);
}

static void client__that_closes_its_side__is_gone_for_a_get(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3);
    cluster_do(&the_cluster, "POST", "/fault?node=worker-2&kind=hang");
    cluster_do(&the_cluster, "DELETE", "/stats");
    const int fd = raw_open(s.url, "GET /v1/pods HTTP/1.1\r\nHost: x\r\n\r\n");
    cluster_wait_for(&the_cluster, "/stats?node=worker-2", "\"GET\":1");

    shutdown(fd, SHUT_WR);

    cluster_wait_for(&the_cluster, "/stats?node=worker-2", "\"aborted\":1");
    close(fd);
    svc_stop(&s);
}

static void requests__slow_to_come__are_ended_with_408(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3, {"--request-timeout", "300ms"});
    const std::string head = raw_exchange(s.url, "GET /v1/pods HTTP/1.1\r\nHo");
    const std::string body = raw_exchange(
        s.url, "POST /v1/trace-session HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"pod\"");

    for (const std::string &got : {head, body}) {
        assert_has(got, "HTTP/1.1 408 ");
        assert_has(got, "application/problem+json");
        assert_has(got, "Connection: close");
    }
    svc_stop(&s);
}

static void expectation__of_more_than_continue__is_417(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3);

    const int fd = raw_open(s.url, "PUT /v1/trace-session/5 HTTP/1.1\r\nHost: x\r\n"
                                   "Expect: 100-continue\r\nContent-Length: 12\r\n\r\n");
    const std::string go_on = raw_read(fd, "\r\n\r\n");
    assert_int_equal(send(fd, "{\"Run\":true}", 12, MSG_NOSIGNAL), 12);
    const std::string fine = raw_read(fd, "No session with ID 5");
    close(fd);
    const std::string other =
        raw_exchange(s.url, "GET /livez HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n");

    assert_has(go_on, "HTTP/1.1 100 Continue");
    assert_has(fine, "No session with ID 5");
    assert_has(other, "HTTP/1.1 417 ");
    svc_stop(&s);
}

static void sigterm__under_load__loses_no_request(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3, {"--drain-delay", "300ms"});
    cluster_do(&the_cluster, "POST", "/fault?node=worker-1&kind=slow&after=200");
    kill(s.daemon.pid, SIGTERM);
    program_wait_for(&s.daemon, "draining");

    std::vector<struct pending *> requests;
    for (int i = 0; i < 40; i++)
        requests.push_back(http_start("GET", s.url + "/v1/pods"));

    for (struct pending *p : requests) {
        const struct reply r = http_finish(p);
        assert_int_equal(r.status, 200);
        assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=3, miss=0, error=0, failed=0");
    }
    assert_int_equal(program_wait(&s.daemon), 0);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections__silent_and_many__do_not_keep_others_out),
        cmocka_unit_test_teardown(places__all_taken_by_requests__are_kept_for_health, heal),
        cmocka_unit_test(connections__opened_and_dropped__leave_nothing_behind),
        cmocka_unit_test(descriptors__used_up__do_not_make_it_spin),
        cmocka_unit_test_teardown(client__that_closes_its_side__is_gone_for_a_get, heal),
        cmocka_unit_test(requests__slow_to_come__are_ended_with_408),
        cmocka_unit_test(expectation__of_more_than_continue__is_417),
        cmocka_unit_test_teardown(sigterm__under_load__loses_no_request, heal),
    };
    return cmocka_run_group_tests(tests, start_cluster, stop_cluster);
}
