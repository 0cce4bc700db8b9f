// Many clients that ask the same at the same time.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "cmocka_cc.h"
#include "e2e.h"

static struct cluster the_cluster;
static struct svc the_svc;

static int start_all(void **)
{
    the_cluster = cluster_start({"--nodes", "3"});
    the_svc = svc_start_for(&the_cluster, 3);
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
    cluster_do(&the_cluster, "DELETE", "/stats");
    return 0;
}

// Waits until a node has so many requests: such as {"GET":2}.
static void wait_for_requests(const char *node, const char *count)
{
    cluster_wait_for(&the_cluster, std::string("/stats?node=") + node, count);
}

static std::vector<struct pending *> start_gets(size_t count, const std::string &target)
{
    std::vector<struct pending *> all;
    for (size_t i = 0; i < count; i++)
        all.push_back(http_start("GET", the_svc.url + target));
    return all;
}

// Each begins a fan-out of its own, as this node has those before, `older` ones too, and does not answer.
static std::vector<struct pending *> start_fan_outs(size_t count, const std::string &target,
                                                    const char *node, size_t older = 0)
{
    std::vector<struct pending *> all;
    for (size_t i = older + 1; i <= older + count; i++) {
        all.push_back(http_start("GET", the_svc.url + target));
        wait_for_requests(node, ("\"GET\":" + std::to_string(i) + "}").c_str());
    }
    return all;
}

static void same_reads__at_once__share_fan_outs(void **)
{
    cluster_slow_down(&the_cluster, "*", "300");
    cluster_do(&the_cluster, "DELETE", "/stats");

    std::vector<struct pending *> all = start_gets(1, "/v1/pods");
    wait_for_requests("worker-1", R"("GET":1})");
    for (struct pending *p : start_gets(19, "/v1/pods"))
        all.push_back(p);
    const struct reply first = http_finish(all[0]);
    for (size_t i = 1; i < all.size(); i++) {
        const struct reply r = http_finish(all[i]);
        assert_int_equal(r.status, 200);
        assert_text(r.body, first.body);
        assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=3, miss=0, error=0, failed=0");
        assert_false(reply_header(r, "X-Request-Id") == reply_header(first, "X-Request-Id"));
    }

    // one, another for those who came within the time for gathering, and one for all who came later
    const std::string stats = cluster_do(&the_cluster, "GET", "/stats?node=worker-1");
    if (!has(stats, R"("requests":{"GET":2})"))
        assert_has(stats, R"("requests":{"GET":3})");
}

// The third begins as the first two have ended, not when it has waited for a second.
static void read__behind_two_others__begins_as_they_end(void **)
{
    cluster_slow_down(&the_cluster, "*", "300");
    cluster_do(&the_cluster, "DELETE", "/stats");
    const std::vector<struct pending *> others = start_fan_outs(2, "/v1/pods", "worker-1");

    const struct reply r = http_get(the_svc.url + "/v1/pods");

    for (struct pending *p : others)
        assert_int_equal(http_finish(p).status, 200);
    assert_int_equal(r.status, 200);
    assert_true(r.seconds < 0.95);
}

// There are more than two while nodes hang, as each has waited for a second. Of those, one that ends leaves no place.
static void read__behind_many_others__does_not_begin_as_one_ends(void **)
{
    cluster_do(&the_cluster, "POST", "/fault?node=worker-1&kind=slow&after=2500&count=1");
    const std::vector<struct pending *> slow = start_fan_outs(1, "/v1/pods", "worker-1");
    cluster_do(&the_cluster, "POST", "/fault?node=worker-1&kind=hang&count=3");
    const std::vector<struct pending *> held = start_fan_outs(3, "/v1/pods", "worker-1", 1);

    const struct reply r = http_get(the_svc.url + "/v1/pods"); // the slow one ends meanwhile

    assert_int_equal(http_finish(slow[0]).status, 200);
    for (struct pending *p : held)
        http_abandon(p);
    assert_int_equal(r.status, 200);
    assert_true(r.seconds > 0.95);
}

// A reply never comes from a fan-out that began before it was asked for.
static void read__while_an_older_one_waits__sees_what_is_new(void **)
{
    cluster_do(&the_cluster, "POST",
               "/fault?node=worker-1&kind=slow&after=1500&method=GET&count=1");
    struct pending *older = http_start("GET", the_svc.url + "/v1/trace-session/all");
    wait_for_requests("worker-1", R"("GET":1})");
    const std::string id = svc_create_session(&the_svc, "web-2-a");

    const struct reply newer = http_get(the_svc.url + "/v1/trace-session/all");

    assert_has(newer.body, "\"" + id + "\":");
    assert_int_equal(http_finish(older).status, 200);
    assert_int_equal(http("DELETE", the_svc.url + "/v1/trace-session/" + id).status, 200);
}

static void reads_that_differ__at_once__are_their_own(void **)
{
    cluster_slow_down(&the_cluster, "worker-1", "300");
    std::vector<struct pending *> all;
    for (const char *target : {"/v1/pods", "/v1/pods?timeout=9s", "/v1/pods?view=nodes",
                               "/v1/pods?partial=deny", "/v1/pods?node=worker-1", "/v1/pods?x=1"})
        all.push_back(http_start("GET", the_svc.url + target));

    wait_for_requests("worker-1", R"("GET":6})"); // none waits for another
    for (struct pending *p : all)
        assert_int_equal(http_finish(p).status, 200);
}

static void mutations__the_same_at_once__are_all_sent(void **)
{
    cluster_slow_down(&the_cluster, "worker-2", "300");
    const char *const body = R"({"pod":"web-2-a","container":"*","trace-hook":"ticker"})";
    std::vector<struct pending *> all;
    for (int i = 0; i < 5; i++)
        all.push_back(http_start("POST", the_svc.url + "/v1/trace-session", body));
    wait_for_requests("worker-2", R"("POST":5})");
    std::string bodies;
    for (struct pending *p : all)
        bodies += http_finish(p).body;

    assert_int_equal(count_of(bodies, "\"Id\":"), 5);
    assert_int_equal(http("DELETE", the_svc.url + "/v1/trace-session/all").status, 200);
}

static void clients__that_leave__take_nothing_from_the_others(void **)
{
    cluster_do(&the_cluster, "POST", "/fault?node=worker-1&kind=hang&count=2");
    std::vector<struct pending *> all = start_fan_outs(2, "/v1/pods", "worker-1");
    for (struct pending *p : start_gets(5, "/v1/pods"))
        all.push_back(p);
    assert_int_equal(http_get(the_svc.url + "/livez").status, 200); // these were read before
    for (size_t i = 0; i < 6; i++)
        http_abandon(all[i]); // both that are asked for, and all but one that wait

    const struct reply r = http_finish(all[6]);

    assert_int_equal(r.status, 200);
    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=3, miss=0, error=0, failed=0");
    assert_has(cluster_do(&the_cluster, "GET", "/stats?node=worker-1"), R"("requests":{"GET":3})");
}

static void client__that_leaves_a_hanging_node__keeps_nobody_waiting(void **)
{
    cluster_do(&the_cluster, "POST", "/fault?node=worker-3&kind=hang&count=2");
    const std::vector<struct pending *> held = start_fan_outs(2, "/v1/pods", "worker-3");
    struct pending *next = http_start("GET", the_svc.url + "/v1/pods");

    for (struct pending *p : held)
        http_abandon(p);

    const struct reply r = http_finish(next);
    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=3, miss=0, error=0, failed=0");
    assert_true(r.seconds < 0.9); // not the second that it would wait for them
}

// Its successor takes its place; the sanitizer tells what is left of it.
static void client__that_leaves_while_it_waits__leaves_nothing(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3, {"--verbose"});
    cluster_slow_down(&the_cluster, "*", "2000");
    cluster_do(&the_cluster, "DELETE", "/stats");
    struct pending *first = http_start("GET", s.url + "/v1/pods");
    wait_for_requests("worker-1", R"("GET":1})");
    struct pending *second = http_start("GET", s.url + "/v1/pods");
    wait_for_requests("worker-1", R"("GET":2})");
    struct pending *waits = http_start("GET", s.url + "/v1/pods");
    assert_int_equal(http_get(s.url + "/livez").status, 200); // the one who waits was read before
    http_abandon(waits);
    program_wait_for(&s.daemon, "client left");

    struct pending *third = http_start("GET", s.url + "/v1/pods");

    for (struct pending *p : {first, second, third})
        assert_int_equal(http_finish(p).status, 200);
    wait_for_requests("worker-1", R"("GET":3})");
    svc_stop(&s);
}

// Also those who wait for two fan-outs that do not end: a second, which is part of their four.
static void node__that_hangs__costs_nobody_more_than_the_deadline(void **)
{
    cluster_do(&the_cluster, "POST", "/fault?node=worker-3&kind=hang");
    std::vector<struct pending *> all = start_fan_outs(3, "/v1/pods?timeout=4s", "worker-3");
    const size_t own = all.size();
    for (struct pending *p : start_gets(5, "/v1/pods?timeout=4s")) // share another
        all.push_back(p);

    for (size_t i = 0; i < all.size(); i++) {
        const struct reply r = http_finish(all[i]);
        assert_int_equal(r.status, 200);
        assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=2, miss=0, error=0, failed=1");
        assert_true(i >= own || r.seconds >= 4.0);
        assert_true(r.seconds < 4.7);
    }
}

static size_t open_connections()
{
    const std::string stats = cluster_do(&the_cluster, "GET", "/stats?node=worker-1");
    return strtoul(stats.c_str() + stats.find("\"open\":") + strlen("\"open\":"), nullptr, 10);
}

// What many requests at once left behind is not kept.
static void connections__after_a_rush__are_few_again(void **)
{
    cluster_slow_down(&the_cluster, "*", "300");
    std::vector<struct pending *> all;
    for (int i = 0; i < 30; i++)
        all.push_back(http_start("GET", the_svc.url + "/v1/pods?x=" + std::to_string(i)));
    for (struct pending *p : all)
        assert_int_equal(http_finish(p).status, 200);
    assert_true(open_connections() >= 30);

    cluster_wait_for(&the_cluster, "/stats?node=worker-1", "\"open\":0,");

    heal(nullptr);
    for (int i = 0; i < 3; i++)
        assert_int_equal(http_get(the_svc.url + "/v1/pods").status, 200);
    assert_int_equal(open_connections(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, heal, heal)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(same_reads__at_once__share_fan_outs),
        TEST(read__behind_two_others__begins_as_they_end),
        TEST(read__behind_many_others__does_not_begin_as_one_ends),
        TEST(read__while_an_older_one_waits__sees_what_is_new),
        TEST(reads_that_differ__at_once__are_their_own),
        TEST(mutations__the_same_at_once__are_all_sent),
        TEST(clients__that_leave__take_nothing_from_the_others),
        TEST(client__that_leaves_a_hanging_node__keeps_nobody_waiting),
        TEST(client__that_leaves_while_it_waits__leaves_nothing),
        TEST(connections__after_a_rush__are_few_again),
        TEST(node__that_hangs__costs_nobody_more_than_the_deadline),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
