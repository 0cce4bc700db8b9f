// A session's requests go to its owner alone, and the reply is that of a request to all nodes.
#include <cstring>

#include "cmocka_cc.h"
#include "e2e.h"

static struct cluster the_cluster;
static struct svc the_svc;

// The owner is the second of three nodes: worker-2.
static std::string the_id;

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

static std::string session_url(const std::string &id)
{
    return the_svc.url + "/v1/trace-session/" + id;
}

static int create(void **)
{
    the_id = svc_create_session(&the_svc, "web-2-a");
    cluster_do(&the_cluster, "DELETE", "/stats");
    return 0;
}

static int clean(void **)
{
    cluster_do(&the_cluster, "DELETE", "/fault?node=*");
    assert_int_equal(http("DELETE", session_url("all")).status, 200);
    return 0;
}

static void fault(const char *node, const char *kind)
{
    cluster_do(&the_cluster, "POST", std::string("/fault?node=") + node + "&kind=" + kind);
}

// How many requests the nodes have had of a method: of the first, of the owner, of the third.
static void assert_asked(const char *method, size_t first, size_t owner, size_t third)
{
    const size_t expected[] = {first, owner, third};
    for (size_t i = 0; i < 3; i++) {
        const std::string stats =
            cluster_do(&the_cluster, "GET", "/stats?node=worker-" + std::to_string(i + 1));
        const std::string one = std::string("\"") + method + "\":" + std::to_string(expected[i]);
        if (expected[i] > 0 ? !has(stats, one + "}") && !has(stats, one + ",")
                            : has(stats, std::string("\"") + method + "\":"))
            fail_msg("worker-%zu: %s is not what it was asked: %s", i + 1, one.c_str(),
                     stats.c_str());
    }
}

static void assert_counts(const struct reply &r, const char *counts)
{
    assert_text(reply_header(r, "Tracer-Nodes"), counts);
}

static void session__just_created__is_asked_of_its_owner_alone(void **)
{
    const struct reply r = http_get(session_url(the_id));

    assert_int_equal(r.status, 200);
    assert_has(r.body, "{\"" + the_id + "\":{");
    assert_counts(r, "total=3, ok=1, miss=2, error=0, failed=0");
    assert_asked("GET", 0, 1, 0);
    assert_int_equal(http("PUT", session_url(the_id), R"({"Run":true})").status, 200);
    const struct reply stopped = http("PUT", session_url(the_id), R"({"Run":false})");
    assert_int_equal(stopped.status, 200);
    assert_text(stopped.body, "{}");
    assert_counts(stopped, "total=3, ok=1, miss=2, error=0, failed=0");
    assert_asked("PUT", 0, 2, 0);
    assert_int_equal(http("DELETE", session_url(the_id)).status, 200);
    assert_asked("DELETE", 0, 1, 0);
}

// The same bytes, but for date and id.
static std::string without_changes(const struct reply &r)
{
    std::string text = r.head + r.body;
    for (const char *name : {"Date", "X-Request-Id"}) {
        const std::string value = reply_header(r, name);
        text.replace(text.find(value), value.size(), "");
    }
    return text;
}

static void reply__of_the_owner_alone__is_that_of_all(void **)
{
    struct svc other = svc_start_for(&the_cluster, 3);
    const std::string path = "/v1/trace-session/" + the_id;

    const std::string of_all = without_changes(http_get(other.url + path));
    assert_asked("GET", 1, 1, 1);
    const std::string of_owner = without_changes(http_get(other.url + path));

    assert_text(of_owner, of_all);
    assert_asked("GET", 1, 2, 1);
    svc_stop(&other);
}

static void id__written_otherwise__is_the_same_session(void **)
{
    char first[8];
    snprintf(first, sizeof first, "%%%02x", static_cast<unsigned char>(the_id[0]));

    assert_int_equal(http_get(session_url("00" + the_id)).status, 200);
    assert_int_equal(http_get(session_url(first + the_id.substr(1) + "?x=1")).status, 200);
    assert_int_equal(http("HEAD", session_url(the_id)).status, 200);

    assert_asked("GET", 0, 3, 0);
}

// What names nodes, or wants an entry of each, goes where it always went.
static void session__of_nodes_that_are_named__is_asked_of_these(void **)
{
    const struct reply named = http_get(session_url(the_id + "?node=worker-1,worker-2"));
    assert_counts(named, "total=2, ok=1, miss=1, error=0, failed=0");
    assert_asked("GET", 1, 1, 0);

    const struct reply view = http_get(session_url(the_id + "?view=nodes"));
    assert_counts(view, "total=3, ok=1, miss=2, error=0, failed=0");
    assert_asked("GET", 2, 2, 1);
}

static void session__that_ended_elsewhere__is_asked_of_all_again(void **)
{
    struct svc other = svc_start_for(&the_cluster, 3);
    assert_int_equal(http("DELETE", other.url + "/v1/trace-session/" + the_id).status, 200);
    svc_stop(&other);

    const struct reply gone = http_get(session_url(the_id));
    assert_int_equal(gone.status, 400);
    assert_has(gone.body, "No session with ID " + the_id);
    assert_counts(gone, "total=3, ok=0, miss=3, error=0, failed=0");
    assert_asked("GET", 1, 1, 1); // the owner was not asked twice

    assert_int_equal(http_get(session_url(the_id)).status, 400);
    assert_asked("GET", 2, 2, 2);
}

static void session__that_was_deleted__has_no_owner(void **)
{
    assert_int_equal(http("DELETE", session_url(the_id)).status, 200);

    assert_int_equal(http("PUT", session_url(the_id), R"({"Run":true})").status, 404);

    assert_asked("PUT", 1, 1, 1);
}

static void owner__that_answers_garbage__is_one_of_all(void **)
{
    fault("worker-2", "bad-json");

    const struct reply r = http_get(session_url(the_id));

    assert_int_equal(r.status, 503);
    assert_counts(r, "total=3, ok=0, miss=2, error=0, failed=1");
    assert_text(reply_header(r, "Tracer-Failed-Nodes").substr(0, 27),
                "\"worker-2\";reason=bad-json;");
    assert_asked("GET", 1, 1, 1);
}

static void owner__that_is_in_trouble__is_one_of_all(void **)
{
    fault("worker-2", "error-data");

    const struct reply r = http_get(session_url(the_id));

    assert_int_equal(r.status, 200);
    assert_has(r.body, "{\"" + the_id + "\":{");
    assert_counts(r, "total=3, ok=0, miss=2, error=1, failed=0");
    assert_asked("GET", 1, 1, 1);
}

static void owner__that_drops_a_mutation__is_not_sent_it_again(void **)
{
    for (const char *method : {"PUT", "DELETE"}) {
        cluster_do(&the_cluster, "DELETE", "/fault?node=*");
        fault("worker-2", "reset");

        const struct reply r = http(method, session_url(the_id), R"({"Run":true})");

        assert_int_equal(r.status, 503);
        assert_counts(r, "total=3, ok=0, miss=2, error=0, failed=1");
        assert_has(reply_header(r, "Tracer-Failed-Nodes"), "\"worker-2\";reason=reset;");
        assert_has(reply_header(r, "Tracer-Failed-Nodes"), ";effect=unknown");
        assert_asked(method, 1, 1, 1);
    }
}

static void owner__that_refuses_connections__was_not_sent_anything(void **)
{
    fault("worker-2", "refuse");

    const struct reply r = http("PUT", session_url(the_id), R"({"Run":true})");

    assert_int_equal(r.status, 503);
    assert_counts(r, "total=3, ok=0, miss=2, error=0, failed=1");
    assert_has(reply_header(r, "Tracer-Failed-Nodes"), ";effect=not-sent");
    assert_asked("PUT", 1, 0, 1);
}

// The others are asked before the deadline, so that it is known that they do not have it.
static void owner__that_hangs__keeps_nobody_from_being_asked(void **)
{
    for (const char *method : {"GET", "PUT"}) {
        fault("worker-2", "hang");

        const struct reply r = http(method, session_url(the_id + "?timeout=1s"), R"({"Run":true})");

        assert_int_equal(r.status, 503);
        assert_counts(r, "total=3, ok=0, miss=2, error=0, failed=1");
        assert_has(reply_header(r, "Tracer-Failed-Nodes"), "\"worker-2\";reason=timeout;");
        assert_true(r.seconds < 1.5);
        assert_asked(method, 1, 1, 1);
    }
}

// Stopping a session takes seconds.
static void owner__that_is_slow_to_change__is_waited_for_alone(void **)
{
    cluster_slow_down(&the_cluster, "worker-2", "1500");

    const struct reply r = http("PUT", session_url(the_id), R"({"Run":true})");

    assert_int_equal(r.status, 200);
    assert_counts(r, "total=3, ok=1, miss=2, error=0, failed=0");
    assert_asked("PUT", 0, 1, 0);
}

// Its answer comes when the others have been asked, and one of them hangs or has failed already.
static void owner__that_is_slow_to_read__has_the_answer(void **)
{
    static const struct {
        const char *kind;
        size_t first, owner, third; // asked by then
    } cases[] = {{"hang", 1, 1, 1}, {"refuse", 2, 2, 1}};
    cluster_slow_down(&the_cluster, "worker-2", "900");
    for (const auto &c : cases) {
        fault("worker-3", c.kind);

        const struct reply r = http_get(session_url(the_id + "?timeout=4s"));

        assert_int_equal(r.status, 200);
        assert_has(r.body, "{\"" + the_id + "\":{");
        assert_counts(r, "total=3, ok=1, miss=2, error=0, failed=0");
        assert_true(r.seconds < 3);
        assert_asked("GET", c.first, c.owner, c.third);
    }
}

// Of the others one hangs, or cannot even be connected to, and one has not been asked.
static void owner__that_has_changed__leaves_nobody_to_be_asked(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3, {"--max-in-flight", "1"});
    const std::string url = s.url + "/v1/trace-session/" + the_id;
    assert_int_equal(http_get(url).status, 200);
    cluster_slow_down(&the_cluster, "worker-2", "3250");

    fault("worker-1", "hang");
    const struct reply waits = http("PUT", url + "?timeout=4s", R"({"Run":true})");
    assert_int_equal(waits.status, 200);
    assert_counts(waits, "total=3, ok=1, miss=1, error=0, failed=1");
    assert_has(reply_header(waits, "Tracer-Failed-Nodes"), "\"worker-1\";reason=timeout;");
    assert_asked("PUT", 1, 1, 0);

    fault("worker-1", "swallow");
    const struct reply r = http("PUT", url + "?timeout=4s", R"({"Run":false})");
    assert_int_equal(r.status, 200);
    assert_counts(r, "total=3, ok=1, miss=2, error=0, failed=0");
    assert_true(r.seconds < 3.8);
    assert_asked("PUT", 1, 2, 1); // as worker-1 failed before, it comes behind the other
    svc_stop(&s);
}

// It is not the session's business.
static void other_node__that_hangs__costs_no_time(void **)
{
    fault("worker-3", "hang");

    const struct reply r = http_get(session_url(the_id));

    assert_int_equal(r.status, 200);
    assert_counts(r, "total=3, ok=1, miss=2, error=0, failed=0");
    assert_true(r.seconds < 1.0);
    assert_asked("GET", 0, 1, 0);
}

// No answer rather than one without that node: all are to be asked.
static void other_node__that_hangs_where_all_are_wanted__is_missed(void **)
{
    fault("worker-3", "hang");

    const struct reply r = http_get(session_url(the_id + "?partial=deny&timeout=300ms"));

    assert_int_equal(r.status, 503);
    assert_counts(r, "total=3, ok=1, miss=1, error=0, failed=1");
    assert_asked("GET", 1, 1, 1);
}

static void owner__that_is_not_ready__is_not_asked_and_others_are(void **)
{
    cluster_do(&the_cluster, "POST", "/node-ready?name=worker-2&ready=false");
    svc_wait_for(&the_svc, "/v1/tracer-nodes", "\"ready\":false");

    const struct reply r = http_get(session_url(the_id));

    cluster_do(&the_cluster, "POST", "/node-ready?name=worker-2&ready=true");
    assert_int_equal(r.status, 503);
    assert_counts(r, "total=3, ok=0, miss=2, error=0, failed=1");
    assert_has(reply_header(r, "Tracer-Failed-Nodes"), "reason=not-ready");
    assert_asked("GET", 1, 0, 1);
    while (has(http_get(the_svc.url + "/v1/tracer-nodes").body, "\"ready\":false"))
        continue;
}

// A pod of the same name is another one: the session went with the old one.
static void owner__that_left__is_not_asked(void **)
{
    cluster_do(&the_cluster, "DELETE", "/node?name=worker-2");
    while (has(http_get(the_svc.url + "/v1/tracer-nodes").body, "worker-2"))
        continue;

    const struct reply r = http_get(session_url(the_id));

    assert_int_equal(r.status, 400);
    assert_counts(r, "total=2, ok=0, miss=2, error=0, failed=0");
    cluster_do(&the_cluster, "POST", "/node?name=worker-2&pods=web-2-a");
    svc_wait_for(&the_svc, "/v1/tracer-nodes", "worker-2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, clean)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(session__just_created__is_asked_of_its_owner_alone),
        TEST(reply__of_the_owner_alone__is_that_of_all),
        TEST(id__written_otherwise__is_the_same_session),
        TEST(session__of_nodes_that_are_named__is_asked_of_these),
        TEST(session__that_ended_elsewhere__is_asked_of_all_again),
        TEST(session__that_was_deleted__has_no_owner),
        TEST(owner__that_answers_garbage__is_one_of_all),
        TEST(owner__that_is_in_trouble__is_one_of_all),
        TEST(owner__that_drops_a_mutation__is_not_sent_it_again),
        TEST(owner__that_refuses_connections__was_not_sent_anything),
        TEST(owner__that_hangs__keeps_nobody_from_being_asked),
        TEST(owner__that_is_slow_to_change__is_waited_for_alone),
        TEST(owner__that_is_slow_to_read__has_the_answer),
        TEST(owner__that_has_changed__leaves_nobody_to_be_asked),
        TEST(other_node__that_hangs__costs_no_time),
        TEST(other_node__that_hangs_where_all_are_wanted__is_missed),
        TEST(owner__that_is_not_ready__is_not_asked_and_others_are),
        TEST(owner__that_left__is_not_asked),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
