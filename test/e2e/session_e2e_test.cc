// The whole life of trace sessions over several nodes, through the daemon.
#include <cJSON.h>
#include <cstdio>
#include <cstring>

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

// What is wrong, and the status that the nodes have for it.
struct bad_request {
    const char *method, *id, *body;
    int status;
    const char *says;
};

static const struct bad_request BAD_REQUESTS[] = {
    {"GET", "abc", "", 400, "session id: got \\\"abc\\\"; it takes a number from 0 to"},
    {"GET", "18446744073709551616", "", 400, "it takes a number from 0 to 18446744073709551615"},
    {"GET", "+5", "", 400, "session id: got"},
    {"GET", "5%2F6", "", 400, "session id: got \\\"5/6\\\""},
    {"GET", "%zz", "", 400, "'%' must be followed by two hexadecimal digits"},
    {"HEAD", "ALL", "", 400, ""},
    {"DELETE", "-1", "", 404, "it takes a number from 0 to 18446744073709551615, or all"},
    {"PUT", "abc", "{\"Run\":true}", 404, "session id: got"},
    {"PUT", "all", "{\"Run\":true}", 404, "session id: got \\\"all\\\""},
    {"PUT", "5", "", 400, "body: got nothing; it takes"},
    {"PUT", "5", "{\"Run\":", 400, "body: the JSON ends too early, after byte 7"},
    {"PUT", "5", "[true]", 400, "body: got an array; it takes"},
    {"PUT", "5", "{\"Run\":\"true\"}", 400, "Run: got a string; it takes true or false"},
    {"POST", nullptr, "", 400, "body: got nothing; it takes"},
    {"POST", nullptr, "{\"pod\":", 400, "body: the JSON ends too early, after byte 7"},
    {"POST", nullptr, "{\"pod\":\"*\",}", 400, "body: the JSON is wrong at byte 12"},
    {"POST", nullptr, "\"pod\"", 400, "body: got a string; it takes"},
    {"POST", nullptr, "{\"pod\":5}", 400, "pod: got a number; it takes a string"},
    {"POST", nullptr, "{\"pod\":\"*\",\"container\":\"*\"}", 400,
     "trace-hook: missing; it takes the name of a trace hook"},
};

static void request__that_no_node_takes__is_refused_before_any_is_asked(void **)
{
    cluster_do(&the_cluster, "DELETE", "/stats");

    for (const struct bad_request &t : BAD_REQUESTS) {
        const struct reply r = http(t.method, sessions_url(t.id ? t.id : ""), t.body);
        assert_int_equal(r.status, t.status);
        assert_text(reply_header(r, "Content-Type"), "application/problem+json");
        assert_text(reply_header(r, "Tracer-Nodes"), "");
        if (strcmp(t.method, "HEAD") != 0)
            assert_has(r.body, t.says);
    }

    const std::string stats = cluster_do(&the_cluster, "GET", "/stats");
    assert_int_equal(count_of(stats, "trace-session"), 0);
}

// Each is refused by the nodes themselves, if at all, and reaches them byte for byte.
static void body__that_a_node_takes__reaches_it_as_sent(void **)
{
    const struct {
        const char *method, *id, *body;
        int status;
    } cases[] = {
        {"POST", "", "{\"CONTAINER\":\"none\",\"trace-hook\":\"x\",\"y\":1.0} tail", 404},
        {"POST", "", "{\"container\":\"\xff\",\"trace-hook\":\"\xc3\",\"pod\":null}", 404},
        {"PUT", "/005", " {\"run\":true,\"RUN\":null}\r\n", 404},
        {"PUT", "/%35", "{}", 404},
        {"PUT", "/5", "null", 404},
    };

    for (const auto &t : cases) {
        const struct reply r = http(t.method, sessions_url() + t.id, t.body);
        assert_int_equal(r.status, t.status);
        assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=0, miss=3, error=0, failed=0");
        std::string sent;
        for (const char *p = t.body; *p != '\0'; p++) // as the simulator shows it
            sent += *p == '"'    ? "\\\""
                    : *p == '\r' ? "\\r"
                    : *p == '\n' ? "\\n"
                                 : std::string(1, *p);
        const std::string stats = cluster_do(&the_cluster, "GET", "/stats");
        assert_int_equal(count_of(stats, "\"lastBody\":\"" + sent + "\""), 3);
    }
}

static void body__without_run__stops_the_session_as_on_a_node(void **)
{
    const std::string id = create("web-1-*", "ticker")[0];
    for (const char *body : {"{}", "null", "{\"Run\":null}"}) {
        assert_int_equal(run(id, true).status, 200);
        const struct reply stopped = http("PUT", sessions_url(id), body);
        assert_int_equal(stopped.status, 200);
        assert_text(reply_header(stopped, "Tracer-Nodes"),
                    "total=3, ok=1, miss=2, error=0, failed=0");
    }
    assert_int_equal(http("DELETE", sessions_url(id)).status, 200);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions__over_all_nodes__live_and_end),
        cmocka_unit_test(session__running__refuses_to_run_again),
        cmocka_unit_test(session__created_on_one_node__is_a_miss_elsewhere),
        cmocka_unit_test(id__written_otherwise__reaches_the_node_as_sent),
        cmocka_unit_test(request__that_no_node_takes__is_refused_before_any_is_asked),
        cmocka_unit_test(body__that_a_node_takes__reaches_it_as_sent),
        cmocka_unit_test(body__without_run__stops_the_session_as_on_a_node),
        cmocka_unit_test(hook__silent_for_five_seconds__is_waited_for),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
