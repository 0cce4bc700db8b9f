// The REST API as a client sees it: routes, parameters, headers, problem documents.
#include <cJSON.h>
#include <cstring>

#include "cmocka_cc.h"
#include "e2e.h"

static struct cluster the_cluster;
static struct svc the_svc;

static int start_all(void **)
{
    the_cluster = cluster_start({"--nodes", "3"});
    the_svc = svc_start_for(&the_cluster, 3, {"--max-body", "64KiB"});
    return 0;
}

static int stop_all(void **)
{
    svc_stop(&the_svc);
    cluster_stop(&the_cluster);
    return 0;
}

static struct reply get(const std::string &target)
{
    return http_get(the_svc.url + target);
}

// A problem document of this status whose text has `part`.
static void assert_problem(const struct reply &r, int status, const char *part)
{
    assert_int_equal(r.status, status);
    assert_text(reply_header(r, "Content-Type"), "application/problem+json");
    assert_text(reply_header(r, "Cache-Control"), "no-store");
    cJSON *tree = cJSON_Parse(r.body.c_str());
    assert_non_null(tree);
    assert_int_equal(cJSON_GetObjectItemCaseSensitive(tree, "status")->valueint, status);
    for (const char *member : {"type", "title", "detail"})
        assert_true(cJSON_IsString(cJSON_GetObjectItemCaseSensitive(tree, member)));
    cJSON_Delete(tree);
    assert_has(r.body, part);
}

static void pods__of_three_nodes__are_one_map(void **)
{
    const struct reply r = get("/v1/pods");

    assert_int_equal(r.status, 200);
    assert_text(reply_header(r, "Content-Type"), "application/json");
    assert_text(reply_header(r, "Cache-Control"), "no-store");
    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=3, miss=0, error=0, failed=0");
    assert_text(reply_header(r, "Tracer-Failed-Nodes"), "");
    cJSON *tree = cJSON_Parse(r.body.c_str());
    assert_int_equal(cJSON_GetArraySize(tree), 6);
    cJSON_Delete(tree);
    assert_text(get("/v1/pods").body, r.body);
}

static void hooks__the_same_on_all_nodes__are_there_once(void **)
{
    const struct reply r = get("/v1/trace-hooks");

    assert_int_equal(r.status, 200);
    assert_int_equal(count_of(r.body, "/opt/trace-hooks/demo"), 1);
    assert_text(reply_header(r, "Tracer-Collisions"), "");
}

static void head__where_get_is__has_its_header_and_no_body(void **)
{
    for (const char *target : {"/v1/pods", "/v1/trace-hooks", "/v1/trace-session/all", "/livez",
                               "/readyz", "/version"}) {
        const struct reply whole = get(target), head = http("HEAD", the_svc.url + target);
        assert_int_equal(head.status, whole.status);
        assert_text(head.body, "");
        assert_text(reply_header(head, "Content-Length"), std::to_string(whole.body.size()));
    }
}

static void head__on_a_kept_connection__leaves_it_in_step(void **)
{
    const std::string got =
        raw_exchange(the_svc.url, "HEAD /version HTTP/1.1\r\nHost: x\r\n\r\n"
                                  "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

    assert_int_equal(count_of(got, "HTTP/1.1 200 OK"), 2);
    assert_has(got, "\r\n\r\nHTTP/1.1 200 OK");
    assert_has(got, "\r\n\r\nok\n");
}

static void path__unknown__is_404(void **)
{
    for (const char *path : {"/v1", "/v1/pods/", "/v1/nope", "/V1/pods", "/v1/trace-session/",
                             "/v1/trace-session/5/6", "/v1/trace-hooks/", "/%761/pods"})
        assert_problem(get(path), 404, "there is no ");
}

static void method__wrong__is_405_with_allow(void **)
{
    const struct {
        const char *method, *target, *allow;
    } cases[] = {
        {"POST", "/v1/pods", "GET, HEAD"},
        {"DELETE", "/v1/trace-hooks", "GET, HEAD"},
        {"GET", "/v1/trace-session", "POST"},
        {"POST", "/v1/trace-session/5", "GET, HEAD, PUT, DELETE"},
        {"PATCH", "/v1/trace-session/5", "GET, HEAD, PUT, DELETE"},
        {"OPTIONS", "/v1/pods", "GET, HEAD"},
        {"TRACE", "/v1/pods", "GET, HEAD"},
        {"BREW", "/v1/pods", "GET, HEAD"},
        {"PUT", "/version", "GET, HEAD"},
        {"POST", "/readyz", "GET, HEAD"},
    };

    for (const auto &t : cases) {
        const struct reply r = http(t.method, the_svc.url + t.target);
        assert_problem(r, 405, "\"title\":\"Method Not Allowed\"");
        assert_text(reply_header(r, "Allow"), t.allow);
    }
    assert_problem(http("BREW", the_svc.url + "/nope"), 404, "");
}

static void local_routes__are_there__and_ask_no_node(void **)
{
    assert_text(get("/livez").body, "ok\n");
    assert_text(get("/readyz").body, "ok\n");
    assert_has(get("/version").body, "\"version\":\"");
    assert_has(get("/v1/tracer-nodes").body, "\"name\":\"worker-2\"");
    assert_text(reply_header(get("/v1/tracer-nodes"), "Tracer-Nodes"), "");
}

static void database__shown__has_what_is_known_of_a_node(void **)
{
    const std::string body = get("/v1/tracer-nodes").body;

    cJSON *tree = cJSON_Parse(body.c_str());
    const cJSON *nodes = cJSON_GetObjectItemCaseSensitive(tree, "nodes");
    const cJSON *first = cJSON_GetArrayItem(nodes, 0);
    assert_int_equal(cJSON_GetArraySize(nodes), 3);
    for (const char *member :
         {"name", "node", "pod", "namespace", "address", "first-seen", "last-seen"})
        assert_true(cJSON_IsString(cJSON_GetObjectItemCaseSensitive(first, member)));
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(first, "ready")));
    const cJSON *discovery = cJSON_GetObjectItemCaseSensitive(tree, "discovery");
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(discovery, "source")->valuestring,
                        "endpointslices");
    assert_has(body, "\"requests\":{\"in-progress\":0,\"max\":256}");
    cJSON_Delete(tree);
}

static void database__of_a_node_that_fails__tells_since_when_and_why(void **)
{
    cluster_do(&the_cluster, "POST", "/fault?node=worker-2&kind=status-503&path=/v1/pods");
    get("/v1/pods");
    const std::string failing = get("/v1/tracer-nodes?x=1").body;
    cluster_do(&the_cluster, "DELETE", "/fault?node=worker-2");
    get("/v1/pods");
    const std::string well = get("/v1/tracer-nodes").body;

    assert_int_equal(count_of(failing, "\"failing-since\":\"2"), 1);
    assert_int_equal(count_of(failing, "\"failing-since\":null"), 2);
    assert_int_equal(count_of(failing, "\"last-failure\":null"), 2);
    assert_has(failing, "\"last-failure\":{\"reason\":\"node-error\",\"status\":503,\"ms\":");
    assert_int_equal(count_of(well, "\"failing-since\":null"), 3);
    assert_int_equal(count_of(well, "\"last-failure\":{\"reason\":\"node-error\""), 1);
    cluster_do(&the_cluster, "POST", "/fault?node=worker-2&kind=refuse");
    get("/v1/pods");
    cluster_do(&the_cluster, "DELETE", "/fault?node=worker-2");
    assert_int_equal(
        count_of(get("/v1/tracer-nodes").body, "\"reason\":\"connect\",\"status\":null,\"ms\":"),
        2); // of the last outcome, and of the last failure
}

static void request_id__of_the_client__is_echoed_and_forwarded(void **)
{
    const struct reply r =
        http("GET", the_svc.url + "/v1/pods", "",
             {"X-Request-Id: my-id-1",
              "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
              "tracestate: a=1", "tracestate: b=2"});

    assert_text(reply_header(r, "X-Request-Id"), "my-id-1");
    const std::string stats = cluster_do(&the_cluster, "GET", "/stats");
    assert_int_equal(count_of(stats, "X-Request-Id: my-id-1"), 3);
    assert_int_equal(count_of(stats, "traceparent: 00-4bf92f"), 3);
    assert_int_equal(count_of(stats, "tracestate: a=1, b=2"), 3);
    assert_int_equal(reply_header(get("/v1/pods"), "X-Request-Id").size(), 36);
}

static void headers__of_the_client__reach_nodes_only_if_they_may(void **)
{
    http("POST", the_svc.url + "/v1/trace-session",
         "{\"container\":\"none\",\"trace-hook\":\"none\"}",
         {"Authorization: Bearer secret", "Cookie: secret=1", "Accept-Encoding: gzip",
          "Proxy-Authorization: secret", "X-Other: secret", "Accept: application/json",
          "Content-Type: application/x-special"});

    const std::string stats = cluster_do(&the_cluster, "GET", "/stats");
    const std::string nodes = stats.substr(0, stats.find("\"api\":"));
    assert_int_equal(count_of(nodes, "secret"), 0);
    assert_int_equal(count_of(nodes, "Accept-Encoding"), 0);
    assert_int_equal(count_of(nodes, "Expect"), 0);
    assert_int_equal(count_of(nodes, "Accept: application/json"), 3);
    assert_int_equal(count_of(nodes, "Content-Type: application/x-special"), 3);
}

static void query__of_others__reaches_the_nodes_unchanged(void **)
{
    get("/v1/pods?x=%41&timeout=5s&y&view=nodes&z=");

    const std::string stats = cluster_do(&the_cluster, "GET", "/stats");
    assert_int_equal(count_of(stats, "GET /v1/pods?x=%41\\u0026y\\u0026z= HTTP/1.1"), 3);
}

static void parameter__bad__is_400_and_names_it(void **)
{
    const struct {
        const char *query, *says;
    } cases[] = {{"timeout=0", "timeout"},          {"timeout=soon", "such as"},
                 {"timeout=1h", "up to 1m"},        {"partial=maybe", "it takes deny"},
                 {"view=all", "it takes nodes"},    {"node=", "names of nodes"},
                 {"timeout=1s&timeout=1s", "twice"}};
    cluster_do(&the_cluster, "DELETE", "/stats");

    for (const auto &t : cases)
        assert_problem(get(std::string("/v1/pods?") + t.query), 400, t.says);

    assert_int_equal(count_of(cluster_do(&the_cluster, "GET", "/stats"), "GET /v1/pods"), 0);
}

static void nodes__named__are_the_only_ones_asked(void **)
{
    const struct reply r = get("/v1/pods?node=worker-3,nobody,worker-1");

    assert_int_equal(r.status, 200);
    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=2, miss=0, error=0, failed=1");
    assert_text(reply_header(r, "Tracer-Failed-Nodes"), "\"nobody\";reason=unknown-node");
    assert_int_equal(count_of(r.body, "web-2-a"), 0);
    assert_problem(get("/v1/pods?node=nobody"), 503, "unknown-node");
}

static void view__of_nodes__has_an_entry_each(void **)
{
    const struct reply r = get("/v1/trace-session/5?view=nodes");

    assert_int_equal(r.status, 200);
    assert_int_equal(count_of(r.body, "\"outcome\":\"miss\",\"status\":400"), 3);
    assert_has(get("/v1/pods?view=nodes").body, "\"worker-1\":{\"outcome\":\"ok\",\"status\":200,");
}

static void session__nowhere__is_what_the_nodes_say(void **)
{
    const std::string url = the_svc.url + "/v1/trace-session";

    assert_problem(get("/v1/trace-session/5"), 400, "\"detail\":\"No session with ID 5\"");
    assert_problem(http("PUT", url + "/5", "{\"Run\":true}"), 404,
                   "\"detail\":\"No session with ID 5\"");
    assert_problem(http("DELETE", url + "/5"), 404, "No session with ID 5");
    assert_problem(
        http("POST", url, "{\"pod\":\"nope\",\"container\":\"*\",\"trace-hook\":\"ticker\"}"), 404,
        "no tracer-node has a container");
    const struct reply none = get("/v1/trace-session/all");
    assert_int_equal(none.status, 200);
    assert_text(none.body, "{}");
}

static void body__too_large__is_413(void **)
{
    const struct reply r = http("POST", the_svc.url + "/v1/trace-session", std::string(65537, ' '));

    assert_problem(r, 413, "");
}

static void header__too_large__is_431(void **)
{
    const struct reply r =
        http("GET", the_svc.url + "/livez", "", {"X-Big: " + std::string(20000, 'x')});

    assert_problem(r, 431, "");
}

static void requests__that_could_be_read_in_two_ways__are_refused(void **)
{
    const char *requests[] = {
        "POST /v1/pods HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "POST /v1/trace-session HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc",
        "POST /v1/trace-session HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
        "POST /v1/trace-session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET //v1/pods HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://x/v1/pods HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1/pods%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1/\tpods HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1/pods HTTP/1.1\r\n\r\n",
        "GET /v1/pods HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET /v1/pods HTTP/1.1\nHost: x\n\n",
        "GET /v1/pods HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        "GET /v1/pods HTTP/1.9\r\nHost: x\r\n\r\n",
    };
    cluster_do(&the_cluster, "DELETE", "/stats");

    for (const char *request : requests) {
        // what a smuggler would hide behind it
        const std::string tail = "GET /v1/trace-hooks HTTP/1.1\r\nHost: x\r\n\r\n";
        const std::string got = raw_exchange(the_svc.url, request + tail);
        if (!has(got, "HTTP/1.1 4") && !has(got, "HTTP/1.1 5"))
            fail_msg("%s: %s", request, got.c_str());
        assert_has(got, "application/problem+json");
        assert_int_equal(count_of(got, "X-Request-Id: "), 1);
    }

    const std::string stats = cluster_do(&the_cluster, "GET", "/stats");
    assert_int_equal(count_of(stats, "/v1/trace-hooks"), 0);
}

static void requests__pipelined__are_answered_in_order(void **)
{
    const std::string got =
        raw_exchange(the_svc.url, "GET /v1/pods HTTP/1.1\r\nHost: x\r\n\r\n"
                                  "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
                                  "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

    assert_int_equal(count_of(got, "HTTP/1.1 200 OK"), 3);
    assert_true(got.find("web-1-a") < got.find("ok\n"));
    assert_true(got.find("ok\n") < got.find("\"version\""));
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods__of_three_nodes__are_one_map),
        cmocka_unit_test(hooks__the_same_on_all_nodes__are_there_once),
        cmocka_unit_test(head__where_get_is__has_its_header_and_no_body),
        cmocka_unit_test(head__on_a_kept_connection__leaves_it_in_step),
        cmocka_unit_test(path__unknown__is_404),
        cmocka_unit_test(method__wrong__is_405_with_allow),
        cmocka_unit_test(local_routes__are_there__and_ask_no_node),
        cmocka_unit_test(database__shown__has_what_is_known_of_a_node),
        cmocka_unit_test(database__of_a_node_that_fails__tells_since_when_and_why),
        cmocka_unit_test(request_id__of_the_client__is_echoed_and_forwarded),
        cmocka_unit_test(headers__of_the_client__reach_nodes_only_if_they_may),
        cmocka_unit_test(query__of_others__reaches_the_nodes_unchanged),
        cmocka_unit_test(parameter__bad__is_400_and_names_it),
        cmocka_unit_test(nodes__named__are_the_only_ones_asked),
        cmocka_unit_test(view__of_nodes__has_an_entry_each),
        cmocka_unit_test(session__nowhere__is_what_the_nodes_say),
        cmocka_unit_test(body__too_large__is_413),
        cmocka_unit_test(header__too_large__is_431),
        cmocka_unit_test(requests__that_could_be_read_in_two_ways__are_refused),
        cmocka_unit_test(requests__pipelined__are_answered_in_order),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
