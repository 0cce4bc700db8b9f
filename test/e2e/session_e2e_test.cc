// The whole life of trace sessions over several nodes, through the daemon.
#include <cJSON.h>
#include <cstdio>

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

static std::string sessions_url(const std::string &id = "")
{
    return the_svc.url + "/v1/trace-session" + (id.empty() ? "" : "/" + id);
}

static struct reply post(const char *pod, const char *hook)
{
    return http("POST", sessions_url(),
                std::string("{\"pod\":\"") + pod + "\",\"container\":\"*\",\"trace-hook\":\"" +
                    hook + "\"}");
}

// Creates sessions for pods that match; their ids.
static std::vector<std::string> create(const char *pod, const char *hook)
{
    const struct reply r = post(pod, hook);
    assert_int_equal(r.status, 200);
    std::vector<std::string> ids;
    cJSON *tree = cJSON_Parse(r.body.c_str());
    for (const cJSON *member = tree->child; member; member = member->next)
        ids.push_back(member->string);
    cJSON_Delete(tree);
    return ids;
}

static struct reply run(const std::string &id, bool on)
{
    return http("PUT", sessions_url(id), on ? "{\"Run\":true}" : "{\"Run\":false}");
}

// How many lines of output a session has.
static int lines_of(const std::string &id)
{
    const struct reply r = http_get(sessions_url(id));
    assert_int_equal(r.status, 200);
    cJSON *tree = cJSON_Parse(r.body.c_str());
    const cJSON *session = cJSON_GetObjectItemCaseSensitive(tree, id.c_str());
    const int lines = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(session, "Output"));
    cJSON_Delete(tree);
    return lines;
}

static void sessions__over_all_nodes__live_and_end(void **)
{
    const std::vector<std::string> ids = create("web-*", "ticker");
    assert_int_equal(ids.size(), 3);

    for (const std::string &id : ids) {
        const struct reply started = run(id, true);
        assert_int_equal(started.status, 200);
        assert_text(started.body, "{}");
        assert_text(reply_header(started, "Tracer-Nodes"),
                    "total=3, ok=1, miss=2, error=0, failed=0");
    }
    const int before = lines_of(ids[0]);
    while (lines_of(ids[0]) <= before + 2)
        continue; // the output grows by itself
    assert_has(http_get(sessions_url(ids[0])).body, "9007199254740993");
    for (const std::string &id : ids) {
        const struct reply stopped = run(id, false);
        assert_int_equal(stopped.status, 200);
        assert_text(stopped.body, "{}");
    }
    for (const std::string &id : ids)
        assert_int_equal(http("DELETE", sessions_url(id)).status, 200);
    assert_text(http_get(sessions_url("all")).body, "{}");
}

static void session__running__refuses_to_run_again(void **)
{
    const std::string id = create("web-1-*", "ticker")[0];
    assert_int_equal(run(id, true).status, 200);

    const struct reply again = run(id, true);

    assert_int_equal(again.status, 404);
    assert_has(again.body, "\"detail\":\"Tracing session is running already.\"");
    assert_text(reply_header(again, "Tracer-Nodes"), "total=3, ok=0, miss=2, error=1, failed=0");
    assert_int_equal(http("DELETE", sessions_url(id)).status, 200);
    assert_int_equal(http_get(sessions_url(id)).status, 400);
}

static void session__created_on_one_node__is_a_miss_elsewhere(void **)
{
    const struct reply r = post("web-2-*", "ticker");

    assert_int_equal(r.status, 200);
    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=1, miss=2, error=0, failed=0");
    assert_int_equal(http("DELETE", sessions_url("all")).status, 200);
}

static void id__written_otherwise__reaches_the_node_as_sent(void **)
{
    const std::string id = create("web-3-*", "ticker")[0];
    char first[8];
    snprintf(first, sizeof first, "%%%02x", static_cast<unsigned char>(id[0]));

    const struct reply zeros = http_get(sessions_url("00" + id));
    const struct reply escaped = http_get(sessions_url(first + id.substr(1)));

    assert_int_equal(zeros.status, 200);
    assert_int_equal(escaped.status, 200);
    assert_int_equal(http("DELETE", sessions_url("all")).status, 200);
}

static void hook__silent_for_five_seconds__is_waited_for(void **)
{
    const std::string id = create("web-1-*", "silent")[0];

    const struct reply started = run(id, true);

    assert_int_equal(started.status, 200);
    assert_true(started.seconds > 4.5);
    assert_int_equal(http("DELETE", sessions_url("all")).status, 200);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions__over_all_nodes__live_and_end),
        cmocka_unit_test(session__running__refuses_to_run_again),
        cmocka_unit_test(session__created_on_one_node__is_a_miss_elsewhere),
        cmocka_unit_test(id__written_otherwise__reaches_the_node_as_sent),
        cmocka_unit_test(hook__silent_for_five_seconds__is_waited_for),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
