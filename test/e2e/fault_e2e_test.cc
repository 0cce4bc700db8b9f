// Nodes that fail: what the reply says, how long it takes, and that nobody else is hurt. Every fault for
// every method is in matrix_e2e_test.
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

#include "cmocka_cc.h"
#include "e2e.h"

static struct cluster the_cluster;
static struct svc the_svc;

static int start_all(void **)
{
    the_cluster = cluster_start({"--nodes", "3"});
    the_svc = svc_start_for(&the_cluster, 3, {"--max-reply", "1MiB"});
    return 0;
}

static int stop_all(void **)
{
    svc_stop(&the_svc);
    cluster_stop(&the_cluster);
    return 0;
}

static int heal(void **)
{
    cluster_do(&the_cluster, "DELETE", "/fault?node=*");
    return 0;
}

static void break_node(const std::string &name, const char *kind)
{
    cluster_do(&the_cluster, "POST", "/fault?node=" + name + "&kind=" + kind);
}

static std::string stats_of(const char *node)
{
    return cluster_do(&the_cluster, "GET", std::string("/stats?node=") + node);
}

static void node__sick_with_data__is_named_and_merged(void **)
{
    const std::string whole = http_get(the_svc.url + "/v1/pods").body;
    break_node("*", "error-data");

    const struct reply r = http_get(the_svc.url + "/v1/pods");

    assert_int_equal(r.status, 200);
    assert_text(r.body, whole);
    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=0, miss=0, error=3, failed=0");
    assert_has(reply_header(r, "Tracer-Failed-Nodes"),
               "\"worker-2\";reason=node-error;status=500;data");
}

static void node__that_drops_once__is_asked_again_for_a_get(void **)
{
    cluster_do(&the_cluster, "POST", "/fault?node=worker-2&kind=reset&count=1");

    const struct reply r = http_get(the_svc.url + "/v1/pods");

    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=3, miss=0, error=0, failed=0");
}

// Not once on each of the connections that are kept to it, but at once on a fresh one.
static void node__that_drops_kept_connections__is_asked_twice(void **)
{
    cluster_slow_down(&the_cluster, "*", "300");
    std::vector<struct pending *> all;
    for (int i = 0; i < 8; i++)
        all.push_back(http_start("GET", the_svc.url + "/v1/pods?n=" + std::to_string(i)));
    for (struct pending *p : all)
        assert_int_equal(http_finish(p).status, 200);
    cluster_do(&the_cluster, "DELETE", "/fault?node=*");
    break_node("worker-1", "close-idle");
    cluster_do(&the_cluster, "DELETE", "/stats");

    const struct reply r = http_get(the_svc.url + "/v1/pods");

    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=3, miss=0, error=0, failed=0");
    assert_has(stats_of("worker-1"), R"("requests":{"GET":2})");
}

static void mutation__to_a_node_that_drops__is_sent_once(void **)
{
    for (const char *kind : {"reset", "early-close", "garbage"}) {
        break_node("worker-2", kind);
        cluster_do(&the_cluster, "DELETE", "/stats");
        for (int i = 0; i < 20; i++) {
            const struct reply r =
                http("POST", the_svc.url + "/v1/trace-session",
                     "{\"pod\":\"x\",\"container\":\"*\",\"trace-hook\":\"ticker\"}");
            assert_int_equal(r.status, 503);
            assert_has(reply_header(r, "Tracer-Failed-Nodes"), ";effect=unknown");
            assert_has(r.body, "\"effect\":\"unknown\"");
        }
        assert_has(stats_of("worker-2"), "\"POST\":20");
        heal(nullptr);
    }
}

static void mutation__over_connections_that_close__is_sent_once(void **)
{
    for (const char *kind : {"close-after", "close-idle"}) {
        break_node("*", kind);
        cluster_do(&the_cluster, "DELETE", "/stats");
        for (int i = 0; i < 40; i++) {
            const struct reply read = http_get(the_svc.url + "/v1/trace-session/all");
            assert_text(reply_header(read, "Tracer-Nodes"),
                        "total=3, ok=3, miss=0, error=0, failed=0");
            const struct reply r =
                http("POST", the_svc.url + "/v1/trace-session",
                     "{\"pod\":\"x\",\"container\":\"*\",\"trace-hook\":\"ticker\"}");
            assert_text(reply_header(r, "Tracer-Nodes"),
                        "total=3, ok=0, miss=3, error=0, failed=0");
        }
        for (const char *node : {"worker-1", "worker-2", "worker-3"})
            assert_has(stats_of(node), "\"POST\":40");
        heal(nullptr);
    }
}

static void mutation__to_a_dead_node__says_not_sent(void **)
{
    break_node("worker-3", "refuse");

    const struct reply r = http("DELETE", the_svc.url + "/v1/trace-session/all");

    assert_int_equal(r.status, 200);
    assert_has(reply_header(r, "Tracer-Failed-Nodes"), "\"worker-3\";reason=connect;ms=");
    assert_has(reply_header(r, "Tracer-Failed-Nodes"), ";effect=not-sent");
}

static void mutation__to_a_hanging_node__says_unknown(void **)
{
    break_node("worker-1", "hang");

    const struct reply r = http("DELETE", the_svc.url + "/v1/trace-session/all?timeout=200ms");

    assert_int_equal(r.status, 200);
    assert_has(reply_header(r, "Tracer-Failed-Nodes"), "\"worker-1\";reason=timeout;ms=20");
    assert_has(reply_header(r, "Tracer-Failed-Nodes"), ";effect=unknown");
}

static void reply__of_half_the_nodes__is_denied_on_request(void **)
{
    break_node("worker-1", "refuse");

    const struct reply r = http_get(the_svc.url + "/v1/pods?partial=deny");

    assert_int_equal(r.status, 503);
    assert_has(r.body, "\"name\":\"worker-2\",\"outcome\":\"ok\"");
    assert_has(r.body, "\"name\":\"worker-1\",\"outcome\":\"failed\",\"reason\":\"connect\"");
    assert_false(reply_header(r, "Retry-After").empty());
}

static void nobody__reachable__is_503_with_retry_after(void **)
{
    break_node("*", "refuse");

    const struct reply r = http_get(the_svc.url + "/v1/pods");

    assert_int_equal(r.status, 503);
    assert_text(reply_header(r, "Content-Type"), "application/problem+json");
    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=0, miss=0, error=0, failed=3");
    assert_false(reply_header(r, "Retry-After").empty());
}

static void session__unknown_while_a_node_is_silent__can_not_be_denied(void **)
{
    break_node("worker-1", "refuse");

    const struct reply r = http_get(the_svc.url + "/v1/trace-session/5");

    assert_int_equal(r.status, 503);
    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=0, miss=2, error=0, failed=1");
}

static void client__that_leaves__ends_its_get_at_the_nodes(void **)
{
    break_node("worker-2", "hang");
    cluster_do(&the_cluster, "DELETE", "/stats");
    struct pending *p = http_start("GET", the_svc.url + "/v1/pods");
    cluster_wait_for(&the_cluster, "/stats?node=worker-2", "\"GET\":1");

    http_abandon(p);

    cluster_wait_for(&the_cluster, "/stats?node=worker-2", "\"aborted\":1");
}

static void client__that_leaves__does_not_end_its_mutation(void **)
{
    cluster_slow_down(&the_cluster, "worker-2", "300");
    cluster_do(&the_cluster, "DELETE", "/stats");
    struct pending *p = http_start("DELETE", the_svc.url + "/v1/trace-session/all");
    cluster_wait_for(&the_cluster, "/stats?node=worker-2", "\"DELETE\":1");

    http_abandon(p);

    program_wait_for(&the_svc.daemon, "client had left");
    assert_has(stats_of("worker-2"), "\"aborted\":0");
}

static void requests__beyond_the_limit__are_turned_away(void **)
{
    struct svc narrow = svc_start_for(&the_cluster, 3, {"--max-requests", "2"});
    break_node("worker-1", "hang");
    cluster_do(&the_cluster, "DELETE", "/stats");
    struct pending *first = http_start("GET", narrow.url + "/v1/pods?timeout=2s");
    struct pending *second = http_start("GET", narrow.url + "/v1/pods?timeout=2s&not=shared");
    cluster_wait_for(&the_cluster, "/stats?node=worker-1", "\"GET\":2");

    const struct reply third = http_get(narrow.url + "/v1/pods");

    assert_int_equal(third.status, 503);
    assert_text(reply_header(third, "Retry-After"), "1");
    assert_int_equal(http_get(narrow.url + "/livez").status, 200);
    assert_int_equal(http_finish(first).status, 200);
    assert_int_equal(http_finish(second).status, 200);
    svc_stop(&narrow);
}

static void node__hung_among_fifty__costs_its_deadline_and_nobody_else(void **)
{
    struct cluster fifty = cluster_start({"--nodes", "50", "--base", "127.78.0.0"});
    struct svc svc = svc_start_for(&fifty, 50);
    cluster_do(&fifty, "POST", "/fault?node=worker-7&kind=hang");

    struct pending *p = http_start("GET", svc.url + "/v1/pods?timeout=1s");
    cluster_wait_for(&fifty, "/stats?node=worker-7", "\"GET\":1");
    const struct reply meanwhile = http_get(svc.url + "/v1/pods?node=worker-8,worker-9");
    const struct reply r = http_finish(p);

    assert_int_equal(r.status, 200);
    assert_text(reply_header(r, "Tracer-Nodes"), "total=50, ok=49, miss=0, error=0, failed=1");
    assert_int_equal(count_of(r.body, "\"Pod\":"), 98);
    assert_true(r.seconds >= 1.0 && r.seconds < 1.5);
    assert_int_equal(meanwhile.status, 200);
    assert_true(meanwhile.seconds < 0.5);
    svc_stop(&svc);
    cluster_stop(&fifty);
}

static void replies__beyond_the_memory__are_too_large(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3, {"--max-reply", "4MiB", "--max-memory", "8MiB"});
    cluster_do(&the_cluster, "POST", "/fault?node=*&kind=big&bytes=3000000");

    const struct reply all = http_get(s.url + "/v1/pods");
    assert_int_equal(all.status, 200);
    assert_has(reply_header(all, "Tracer-Failed-Nodes"), "reason=too-large");
    for (int i = 0; i < 10; i++) { // what was taken is given back
        const struct reply one = http_get(s.url + "/v1/pods?node=worker-1");
        assert_text(reply_header(one, "Tracer-Nodes"), "total=1, ok=1, miss=0, error=0, failed=0");
    }

    svc_stop(&s);
}

static void reply__that_nobody_reads__leaves_no_memory_for_others(void **)
{
    struct svc s =
        svc_start_for(&the_cluster, 3, {"--max-reply", "32MiB", "--max-memory", "48MiB"});
    cluster_do(&the_cluster, "POST", "/fault?node=worker-1&kind=big&bytes=30000000");
    const int fd = raw_open(s.url, "GET /v1/pods?node=worker-1 HTTP/1.1\r\nHost: x\r\n\r\n");
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 1); // the reply is on its way

    const struct reply r = http_get(s.url + "/v1/pods");
    assert_int_equal(r.status, 503);
    assert_text(reply_header(r, "Retry-After"), "1");
    assert_int_equal(http_get(s.url + "/livez").status, 200);

    close(fd);
    svc_wait_for(&s, "/v1/pods?node=worker-2", "web-2-a");
    svc_stop(&s);
}

static void nodes__that_hang__do_not_keep_others_from_being_asked(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3, {"--max-in-flight", "1"});
    break_node("worker-1,worker-2", "hang");

    const struct reply r = http_get(s.url + "/v1/pods?timeout=1s");

    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=1, miss=0, error=0, failed=2");
    assert_int_equal(count_of(r.body, "\"Pod\":"), 2);
    svc_stop(&s);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(node__sick_with_data__is_named_and_merged, heal),
        cmocka_unit_test_teardown(node__that_drops_once__is_asked_again_for_a_get, heal),
        cmocka_unit_test_teardown(node__that_drops_kept_connections__is_asked_twice, heal),
        cmocka_unit_test_teardown(mutation__to_a_node_that_drops__is_sent_once, heal),
        cmocka_unit_test_teardown(mutation__over_connections_that_close__is_sent_once, heal),
        cmocka_unit_test_teardown(mutation__to_a_dead_node__says_not_sent, heal),
        cmocka_unit_test_teardown(mutation__to_a_hanging_node__says_unknown, heal),
        cmocka_unit_test_teardown(reply__of_half_the_nodes__is_denied_on_request, heal),
        cmocka_unit_test_teardown(nobody__reachable__is_503_with_retry_after, heal),
        cmocka_unit_test_teardown(session__unknown_while_a_node_is_silent__can_not_be_denied, heal),
        cmocka_unit_test_teardown(client__that_leaves__ends_its_get_at_the_nodes, heal),
        cmocka_unit_test_teardown(client__that_leaves__does_not_end_its_mutation, heal),
        cmocka_unit_test_teardown(requests__beyond_the_limit__are_turned_away, heal),
        cmocka_unit_test_teardown(replies__beyond_the_memory__are_too_large, heal),
        cmocka_unit_test_teardown(reply__that_nobody_reads__leaves_no_memory_for_others, heal),
        cmocka_unit_test_teardown(nodes__that_hang__do_not_keep_others_from_being_asked, heal),
        cmocka_unit_test(node__hung_among_fifty__costs_its_deadline_and_nobody_else),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
