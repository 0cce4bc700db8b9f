// A node that hangs costs the first requests their deadline, and later ones nothing.
#include "clock.h"
#include "cmocka_cc.h"
#include "e2e.h"

static struct cluster the_cluster;
static struct svc the_svc;

// A daemon of its own for each test: circuits are remembered.
static int start_all(void **)
{
    the_cluster = cluster_start({"--nodes", "3"});
    the_svc = svc_start_for(&the_cluster, 3, {"--timeout", "1s"});
    return 0;
}

static int stop_all(void **)
{
    svc_stop(&the_svc);
    cluster_stop(&the_cluster);
    return 0;
}

static struct reply pods(const char *query)
{
    return http_get(the_svc.url + "/v1/pods" + query);
}

// Makes worker-2 hang and asks until its circuit is open: impatiently, so that a probe opens it.
static void open_circuit()
{
    cluster_do(&the_cluster, "POST", "/fault?node=worker-2&kind=hang");
    for (int i = 0; i < 3; i++)
        assert_has(reply_header(pods("?timeout=200ms"), "Tracer-Failed-Nodes"), "reason=timeout");
    program_wait_for(&the_svc.daemon, "node worker-2 did not answer");
}

static void node__that_hangs_again_and_again__is_not_waited_for(void **)
{
    cluster_do(&the_cluster, "POST", "/fault?node=worker-2&kind=hang");
    for (int i = 0; i < 3; i++)
        assert_has(reply_header(pods(""), "Tracer-Failed-Nodes"), "reason=timeout");
    program_wait_for(&the_svc.daemon, "node worker-2 did not answer");

    const struct reply r = pods("");

    assert_int_equal(r.status, 200);
    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=2, miss=0, error=0, failed=1");
    assert_text(reply_header(r, "Tracer-Failed-Nodes"), "\"worker-2\";reason=circuit-open");
    assert_true(r.seconds < 0.5);
    assert_has(http_get(the_svc.url + "/v1/tracer-nodes").body, "\"circuit\":{\"state\":\"open\"");
    assert_has(program_log(&the_svc.daemon), "node worker-2 did not answer 3 times in a row");
}

static void nodes__that_keep_others_waiting_in_any_way__are_not_waited_for(void **)
{
    for (const char *fault : {"node=worker-1&kind=swallow", "node=worker-2&kind=head-hang",
                              "node=worker-3&kind=drip&method=GET"}) {
        cluster_do(&the_cluster, "POST", std::string("/fault?") + fault);
        const std::string name = std::string(fault).substr(5, 8);
        for (int i = 0; i < 3; i++)
            assert_has(reply_header(pods("?timeout=200ms"), "Tracer-Failed-Nodes"),
                       "\"" + name + "\";reason=timeout");
        program_wait_for(&the_svc.daemon, ("node " + name + " did not answer").c_str());
        const struct reply r = pods("?timeout=5s");
        assert_text(reply_header(r, "Tracer-Failed-Nodes"), "\"" + name + "\";reason=circuit-open");
        assert_true(r.seconds < 1);
        cluster_do(&the_cluster, "DELETE", "/fault?node=*");
        program_wait_for(&the_svc.daemon, ("node " + name + " is back").c_str());
    }
}

static void node__that_refuses_or_breaks_off__costs_no_time_and_is_asked(void **)
{
    for (const char *kind : {"refuse", "reset", "garbage", "status-500"}) {
        cluster_do(&the_cluster, "POST", std::string("/fault?node=worker-2&kind=") + kind);
        for (int i = 0; i < 5; i++)
            assert_int_equal(
                count_of(reply_header(pods(""), "Tracer-Failed-Nodes"), "circuit-open"), 0);
        cluster_do(&the_cluster, "DELETE", "/fault?node=*");
        assert_text(reply_header(pods(""), "Tracer-Nodes"),
                    "total=3, ok=3, miss=0, error=0, failed=0");
    }
}

static void node__that_recovers__is_back_by_itself(void **)
{
    open_circuit();

    cluster_do(&the_cluster, "DELETE", "/fault?node=*");

    program_wait_for(&the_svc.daemon, "node worker-2 is back");
    assert_text(reply_header(pods(""), "Tracer-Nodes"), "total=3, ok=3, miss=0, error=0, failed=0");
}

static void mutation__while_a_circuit_is_open__tries_the_node(void **)
{
    open_circuit();
    cluster_do(&the_cluster, "DELETE", "/stats");

    const struct reply r = http("DELETE", the_svc.url + "/v1/trace-session/all?timeout=200ms");

    assert_has(reply_header(r, "Tracer-Failed-Nodes"), "\"worker-2\";reason=timeout");
    assert_has(cluster_do(&the_cluster, "GET", "/stats?node=worker-2"), "\"DELETE\":1");
}

static void node__named_while_its_circuit_is_open__is_tried(void **)
{
    open_circuit();

    const struct reply r = pods("?node=worker-2&timeout=200ms");

    assert_has(reply_header(r, "Tracer-Failed-Nodes"), "\"worker-2\";reason=timeout");
}

static void circuits__all_open__are_all_tried(void **)
{
    cluster_do(&the_cluster, "POST", "/fault?node=*&kind=hang");
    for (int i = 0; i < 5; i++) {
        if (i == 3)
            for (const char *name : {"worker-1", "worker-2", "worker-3"})
                program_wait_for(&the_svc.daemon, (std::string(name) + " did not answer").c_str());
        assert_int_equal(
            count_of(reply_header(pods("?timeout=200ms"), "Tracer-Failed-Nodes"), "reason=timeout"),
            3);
    }
}

static void client__that_leaves__is_no_failure_of_a_node(void **)
{
    cluster_do(&the_cluster, "POST", "/fault?node=worker-2&kind=hang");
    cluster_do(&the_cluster, "DELETE", "/stats");

    for (int i = 1; i <= 5; i++) {
        struct pending *p = http_start("GET", the_svc.url + "/v1/pods");
        cluster_wait_for(&the_cluster, "/stats?node=worker-2",
                         ("\"GET\":" + std::to_string(i)).c_str());
        http_abandon(p);
        cluster_wait_for(&the_cluster, "/stats?node=worker-2",
                         ("\"aborted\":" + std::to_string(i)).c_str());
    }

    assert_int_equal(
        count_of(http_get(the_svc.url + "/v1/tracer-nodes").body, "\"failures-in-row\":0"), 4);
}

// A session's owner is asked first, and hangs: the others have three quarters of the second that the client gives.
static void nodes__that_were_asked_late__are_not_said_to_hang(void **)
{
    const std::string session =
        the_svc.url + "/v1/trace-session/" + svc_create_session(&the_svc, "web-2-a");
    cluster_do(&the_cluster, "POST", "/fault?node=worker-2&kind=hang");
    cluster_slow_down(&the_cluster, "worker-1,worker-3", "850");

    for (int i = 0; i < 3; i++)
        assert_text(reply_header(http_get(session), "Tracer-Nodes"),
                    "total=3, ok=0, miss=0, error=0, failed=3");

    program_wait_for(&the_svc.daemon, "node worker-2 did not answer");
    assert_int_equal(count_of(program_log(&the_svc.daemon), "times in a row"), 1);
}

// It is asked last, as it failed before, and so has less than the whole time, again and again.
static void node__that_hangs_behind_many__is_not_waited_for(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3, {"--timeout", "1s", "--max-in-flight", "1"});
    cluster_do(&the_cluster, "POST", "/fault?node=worker-2&kind=hang");
    cluster_slow_down(&the_cluster, "worker-1,worker-3", "100");

    for (int i = 0; i < 3; i++)
        assert_int_equal(http_get(s.url + "/v1/pods").status, 200);
    program_wait_for(&s.daemon, "node worker-2 did not answer");

    assert_has(reply_header(http_get(s.url + "/v1/pods"), "Tracer-Failed-Nodes"), "circuit-open");
    svc_stop(&s);
}

// What one client has no patience for is nothing that others are told of.
static void nodes__that_are_slower_than_one_client_waits__are_well(void **)
{
    cluster_slow_down(&the_cluster, "*", "400");

    for (int i = 0; i < 12; i++)
        assert_has(reply_header(pods("?timeout=100ms"), "Tracer-Nodes"), "failed=3");
    for (int i = 0; i < 3; i++)
        assert_text(reply_header(pods(""), "Tracer-Nodes"),
                    "total=3, ok=3, miss=0, error=0, failed=0");

    assert_int_equal(count_of(program_log(&the_svc.daemon), "times in a row"), 0);
}

// More than are probed at the same time, which takes each two seconds.
static void nodes__many_that_hang__are_probed_in_turn(void **)
{
    struct cluster forty = cluster_start({"--nodes", "40", "--base", "127.80.0.0"});
    struct svc s = svc_start_for(&forty, 40, {"--timeout", "2s"});
    cluster_do(&forty, "POST", "/fault?node=*&kind=hang");

    for (int i = 0; i < 3; i++)
        assert_int_equal(http_get(s.url + "/v1/pods?timeout=200ms").status, 503);

    const int64_t begun_ms = clock_monotonic_ms();
    for (int i = 1; i <= 40; i++)
        program_wait_for(&s.daemon, ("worker-" + std::to_string(i) + " did not answer").c_str());
    assert_true(clock_monotonic_ms() - begun_ms < 13000); // three rounds, and no second one before
    svc_stop(&s);
    cluster_stop(&forty);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(node__that_hangs_again_and_again__is_not_waited_for,
                                        start_all, stop_all),
        cmocka_unit_test_setup_teardown(
            nodes__that_keep_others_waiting_in_any_way__are_not_waited_for, start_all, stop_all),
        cmocka_unit_test_setup_teardown(
            node__that_refuses_or_breaks_off__costs_no_time_and_is_asked, start_all, stop_all),
        cmocka_unit_test_setup_teardown(node__that_recovers__is_back_by_itself, start_all,
                                        stop_all),
        cmocka_unit_test_setup_teardown(mutation__while_a_circuit_is_open__tries_the_node,
                                        start_all, stop_all),
        cmocka_unit_test_setup_teardown(node__named_while_its_circuit_is_open__is_tried, start_all,
                                        stop_all),
        cmocka_unit_test_setup_teardown(circuits__all_open__are_all_tried, start_all, stop_all),
        cmocka_unit_test_setup_teardown(client__that_leaves__is_no_failure_of_a_node, start_all,
                                        stop_all),
        cmocka_unit_test_setup_teardown(nodes__that_were_asked_late__are_not_said_to_hang,
                                        start_all, stop_all),
        cmocka_unit_test_setup_teardown(nodes__that_are_slower_than_one_client_waits__are_well,
                                        start_all, stop_all),
        cmocka_unit_test(nodes__many_that_hang__are_probed_in_turn),
        cmocka_unit_test_setup_teardown(node__that_hangs_behind_many__is_not_waited_for, start_all,
                                        stop_all),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
