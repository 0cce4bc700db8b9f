// Finding the nodes: sources, pages, errors of the API server, and what the database shows.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "cmocka_cc.h"
#include "e2e.h"
#include "watching.h"

static std::string database(const struct svc *s)
{
    return http_get(s->url + "/v1/tracer-nodes").body;
}

static void nodes__more_than_a_page__are_all_found(void **)
{
    struct cluster c = cluster_start({"--nodes", "1200", "--page-limit", "100"});
    struct svc s = svc_start_for(&c, 1200);

    const struct reply r = http_get(s.url + "/v1/pods?timeout=1m");

    assert_int_equal(r.status, 200);
    assert_text(reply_header(r, "Tracer-Nodes"), "total=1200, ok=1200, miss=0, error=0, failed=0");
    assert_int_equal(count_of(r.body, "\"Pod\":"), 2400);
    svc_stop(&s);
    cluster_stop(&c);
}

// A line for each of thousands would hold the loop up.
static void nodes__found_all_at_once__are_not_all_in_the_log(void **)
{
    struct cluster c = cluster_start({"--nodes", "60"});
    struct svc s = svc_start({"--kube-server", c.api, "--verbose", "--drain-delay", "0"});
    program_wait_for(&s.daemon, "tracer-nodes: 60 (60 came, 0 went, 0 changed)");
    assert_int_equal(count_of(program_log(&s.daemon), "debug tracer-node worker-"), 20);

    cluster_do(&c, "POST", "/node-ready?name=worker-60&ready=false");

    program_wait_for(&s.daemon, "not ready) changed");
    assert_int_equal(count_of(program_log(&s.daemon), "debug tracer-node worker-"), 21);
    svc_stop(&s);
    cluster_stop(&c);
}

static void slices__forbidden__more_than_endpoints_hold_are_found(void **)
{
    struct cluster c = cluster_start({"--nodes", "1100", "--no-slices", "--no-watch"});
    struct svc s = svc_start_for(&c, 1100);

    assert_has(database(&s), "\"source\":\"endpoints\"");
    svc_wait_for(&s, "/v1/tracer-nodes", "\"mode\":\"poll\"");
    const std::string log = program_log(&s.daemon);
    assert_int_equal(count_of(log, "warn Endpoints are tried"), 1);
    assert_has(log, "endpointslices");
    svc_stop(&s);
    cluster_stop(&c);
}

static void second_request__to_a_thousand_nodes__makes_no_connection(void **)
{
    struct cluster c = cluster_start({"--nodes", "1000", "--pod-bytes", "2000"});
    struct svc s = svc_start_for(&c, 1000);
    assert_int_equal(http_get(s.url + "/v1/pods?timeout=1m").status, 200);
    const std::string before = cluster_do(&c, "GET", "/stats");
    assert_int_equal(count_of(before, "\"accepted\":1,"), 1000);

    const struct reply r = http_get(s.url + "/v1/pods?timeout=1m");

    assert_text(reply_header(r, "Tracer-Nodes"), "total=1000, ok=1000, miss=0, error=0, failed=0");
    assert_int_equal(count_of(cluster_do(&c, "GET", "/stats"), "\"accepted\":1,"), 1000);
    svc_stop(&s);
    cluster_stop(&c);
}

static void api_errors__of_any_kind__keep_the_database(void **)
{
    struct cluster c = cluster_start({"--nodes", "3", "--no-watch"});
    struct svc s = svc_start_for(&c, 3);

    for (const char *fault :
         {"kind=down", "kind=garbage", "kind=status&status=401", "kind=status&status=403&path=pods",
          "kind=status&status=410", "kind=status&status=429", "kind=status&status=500",
          "kind=status&status=503"}) {
        cluster_do(&c, "POST", std::string("/api-fault?") + fault);
        svc_wait_for(&s, "/v1/tracer-nodes", "\"last-error\":\"");
        assert_int_equal(count_of(database(&s), "\"ready\":true"), 3);
        assert_int_equal(http_get(s.url + "/readyz").status, 200);
        assert_text(reply_header(http_get(s.url + "/v1/pods"), "Tracer-Nodes"),
                    "total=3, ok=3, miss=0, error=0, failed=0");
        cluster_do(&c, "DELETE", "/api-fault");
        svc_wait_for(&s, "/v1/tracer-nodes", "\"last-error\":null");
    }

    svc_stop(&s);
    cluster_stop(&c);
}

static void api__absent_at_start__is_waited_for(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    cluster_do(&c, "POST", "/api-fault?kind=down");
    struct svc s = svc_start({"--kube-server", c.api, "--poll", "200ms", "--drain-delay", "0"});
    svc_wait_for(&s, "/v1/tracer-nodes", "\"last-error\":\"");

    const struct reply early = http_get(s.url + "/readyz");
    assert_int_equal(early.status, 503);
    assert_text(reply_header(early, "Content-Type"), "application/problem+json");
    assert_int_equal(http_get(s.url + "/livez").status, 200);
    const struct reply none = http_get(s.url + "/v1/pods");
    assert_int_equal(none.status, 503);
    assert_has(none.body, "no tracer-node is known");
    assert_text(reply_header(none, "Tracer-Nodes"), "total=0, ok=0, miss=0, error=0, failed=0");

    cluster_do(&c, "DELETE", "/api-fault");
    svc_wait_for(&s, "/readyz", "ok\n");
    assert_int_equal(http_get(s.url + "/v1/pods").status, 200);
    svc_stop(&s);
    cluster_stop(&c);
}

static void page__refused_in_the_middle__shows_no_half_table(void **)
{
    struct cluster c = cluster_start({"--nodes", "300", "--page-limit", "50", "--no-watch"});
    struct svc s = svc_start_for(&c, 300);
    cluster_do(&c, "POST", "/api-fault?kind=status&status=500&page=2");

    svc_wait_for(&s, "/v1/tracer-nodes", "\"last-error\":\"");
    assert_int_equal(count_of(database(&s), "\"ready\":true"), 300);

    cluster_do(&c, "DELETE", "/api-fault");
    svc_wait_for(&s, "/v1/tracer-nodes", "\"last-error\":null");
    svc_stop(&s);
    cluster_stop(&c);
}

static void changes__in_the_cluster__reach_the_database(void **)
{
    struct cluster c = cluster_start({"--nodes", "3"});
    struct svc s = svc_start_for(&c, 3);

    cluster_do(&c, "POST", "/node-ready?name=worker-2&ready=false");
    svc_wait_for(&s, "/v1/tracer-nodes", "\"ready\":false");
    const struct reply r = http_get(s.url + "/v1/pods");
    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=2, miss=0, error=0, failed=1");
    assert_text(reply_header(r, "Tracer-Failed-Nodes"), "\"worker-2\";reason=not-ready");

    cluster_do(&c, "POST", "/node?name=worker-9");
    svc_wait_for(&s, "/v1/tracer-nodes", "\"name\":\"worker-9\"");
    cluster_do(&c, "DELETE", "/node?name=worker-2");
    svc_wait_for(&s, "/v1/pods?view=nodes", "worker-9");
    while (has(database(&s), "worker-2"))
        usleep(5000);

    cluster_do(&c, "POST", "/node?name=twin&kube-node=worker-9&pod=tracer-twin");
    svc_wait_for(&s, "/v1/tracer-nodes", "\"name\":\"worker-9/tracer-twin\"");
    svc_stop(&s);
    cluster_stop(&c);
}

static void api__away_for_a_while__costs_nothing_but_news(void **)
{
    struct cluster c = cluster_start({"--nodes", "3"});
    struct svc s = svc_watching(&c, 3);
    cluster_do(&c, "POST", "/api-fault?kind=down");
    svc_wait_for(&s, "/v1/tracer-nodes", "\"last-error\":\"");
    cluster_do(&c, "POST", "/node-ready?name=worker-1&ready=false");

    const long age_ms = number_of(&s, "age-ms");
    const int64_t begin_ms = clock_monotonic_ms();
    for (int64_t ms = 0; ms < 2500; ms = clock_monotonic_ms() - begin_ms) {
        assert_int_equal(http_get(s.url + "/readyz").status, 200);
        assert_text(reply_header(http_get(s.url + "/v1/pods"), "Tracer-Nodes"),
                    "total=3, ok=3, miss=0, error=0, failed=0");
        assert_true(number_of(&s, "age-ms") >= age_ms + ms);
        usleep(50000);
    }
    cluster_do(&c, "DELETE", "/api-fault");
    const int64_t ms = wait_for_node(&s, "worker-1", "\"ready\":false");

    if (is_as_released())
        assert_in_range(ms, 0, 3000);
    svc_wait_for(&s, "/v1/tracer-nodes", "\"last-error\":null");
    assert_true(number_of(&s, "age-ms") < age_ms + 2500);
    assert_has(database(&s), "\"mode\":\"watch\"");
    svc_stop(&s);
    cluster_stop(&c);
}

static void watches__forbidden__are_lists_at_the_poll_time(void **)
{
    struct cluster c = cluster_start({"--nodes", "2", "--no-watch"});
    struct svc s = svc_start_for(&c, 2, {"--poll", "500ms"});
    svc_wait_for(&s, "/v1/tracer-nodes", "\"mode\":\"poll\"");
    const size_t lists = count_in(&c, "endpointslices", "lists");
    const int64_t begin_ms = clock_monotonic_ms();

    wait_for_count(&c, "endpointslices", "lists", lists + 5);
    const int64_t ms = clock_monotonic_ms() - begin_ms;
    ready(&c, "worker-1", false);
    wait_for_node(&s, "worker-1", "\"ready\":false");

    assert_in_range(ms, 4 * 450 - 50, is_as_released() ? 5 * 550 + 500 : 30000);
    assert_has(text_in(&c, "endpointslices", "lastList"), "&resourceVersionMatch=NotOlderThan");
    assert_int_equal(count_in(&c, "endpointslices", "watchRequests"), 1);
    assert_int_equal(count_in(&c, "pods", "watchRequests"), 1);
    assert_int_equal(number_of(&s, "failures"), 0);
    svc_stop(&s);
    cluster_stop(&c);
}

static void slices__forbidden__endpoints_are_watched(void **)
{
    struct cluster c = cluster_start({"--nodes", "2", "--no-slices"});
    struct svc s = svc_start_for(&c, 2);
    wait_for_count(&c, "pods", "openWatches", 1);
    wait_for_count(&c, "endpoints", "openWatches", 1);

    ready(&c, "worker-1", false);
    wait_for_node(&s, "worker-1", "\"ready\":false");
    cluster_do(&c, "POST", "/node?name=worker-9");
    wait_for_node(&s, "worker-9", "\"ready\":true");

    assert_has(database(&s), "\"source\":\"endpoints\",\"mode\":\"watch\"");
    assert_int_equal(count_in(&c, "endpoints", "lists"), 1);
    assert_int_equal(count_in(&c, "endpointslices", "lists"), 1);
    assert_int_equal(count_in(&c, "endpointslices", "watchRequests"), 0);
    svc_stop(&s);
    cluster_stop(&c);
}

static void namespace__given__is_all_that_is_asked_for(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    cluster_do(&c, "POST", "/node?name=far&namespace=elsewhere");
    // a long poll: two checks that a busy machine answers late begin new watches
    struct svc s = svc_watching(&c, 2, {"--namespace", "contrace", "--poll", "10s"});
    cluster_do(&c, "POST", "/node?name=farther&namespace=elsewhere");
    cluster_do(&c, "POST", "/node?name=near");
    wait_for_node(&s, "near", "\"ready\":true");

    const std::string stats = cluster_do(&c, "GET", "/stats");
    assert_has(stats, "\"GET /api/v1/namespaces/contrace/pods\":2");
    assert_has(stats, "\"GET /apis/discovery.k8s.io/v1/namespaces/contrace/endpointslices\":2");
    const size_t paths = stats.find("\"paths\":{", stats.find("\"api\":"));
    assert_true(paths != std::string::npos);
    assert_int_equal(count_of(stats.substr(paths, stats.find('}', paths) - paths), "\"GET /api"),
                     2);
    assert_int_equal(count_of(database(&s), "\"name\":"), 3);
    assert_false(has(database(&s), "elsewhere"));
    svc_stop(&s);
    cluster_stop(&c);
}

static void node__terminating__is_asked_to_read_but_not_to_create(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    struct svc s = svc_start_for(&c, 2);
    cluster_do(&c, "POST", "/node-terminating?name=worker-1&serving=true");
    svc_wait_for(&s, "/v1/tracer-nodes", "\"terminating\":true");

    const struct reply read = http_get(s.url + "/v1/pods");
    const struct reply create =
        http("POST", s.url + "/v1/trace-session",
             "{\"pod\":\"web-*\",\"container\":\"*\",\"trace-hook\":\"ticker\"}");

    assert_text(reply_header(read, "Tracer-Nodes"), "total=2, ok=2, miss=0, error=0, failed=0");
    assert_text(reply_header(create, "Tracer-Nodes"), "total=2, ok=1, miss=0, error=0, failed=1");
    assert_text(reply_header(create, "Tracer-Failed-Nodes"),
                "\"worker-1\";reason=not-ready;effect=not-sent");
    svc_stop(&s);
    cluster_stop(&c);
}

static void endpoint__without_a_pod_of_the_selector__is_rejected(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    cluster_do(&c, "POST", "/slice?name=evil&address=127.0.0.1&port=1");
    struct svc s = svc_start_for(&c, 2);

    assert_has(database(&s), "\"rejected-endpoints\":1");
    assert_int_equal(count_of(database(&s), "\"name\":"), 2);
    svc_stop(&s);
    cluster_stop(&c);
}

// A folder as a service account has it, removed at the end.
static std::string make_folder()
{
    char path[] = "/tmp/tracer-sa-XXXXXX";
    assert_non_null(mkdtemp(path));
    return path;
}

static void remove_folder(const std::string &path)
{
    for (const char *name : {"/ca.crt", "/token", "/namespace"})
        unlink((path + name).c_str());
    assert_int_equal(rmdir(path.c_str()), 0);
}

static void write_file(const std::string &path, const char *text)
{
    FILE *file = fopen(path.c_str(), "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void api__over_tls_with_a_token__is_trusted_by_its_files(void **)
{
    const std::string folder = make_folder();
    struct cluster c = cluster_start({"--nodes", "2", "--tls", folder, "--token", "secret-token"});
    write_file(folder + "/token", "secret-token\n");
    struct svc s = svc_start_for(&c, 2,
                                 {"--kube-token-file", folder + "/token", "--kube-ca-file",
                                  folder + "/ca.crt", "--verbose"});

    assert_int_equal(http_get(s.url + "/v1/pods").status, 200);
    assert_int_equal(count_of(program_log(&s.daemon), "secret-token"), 0);
    const std::string stats = cluster_do(&c, "GET", "/stats");
    const std::string nodes = stats.substr(0, stats.find("\"api\":"));
    assert_int_equal(count_of(nodes, "secret-token"), 0);
    svc_stop(&s);
    cluster_stop(&c);
    remove_folder(folder);
}

static void api__with_a_certificate_of_another__is_not_trusted(void **)
{
    const std::string folder = make_folder(), other = make_folder();
    struct cluster c = cluster_start({"--nodes", "2", "--tls", folder});
    struct cluster d = cluster_start({"--nodes", "1", "--tls", other, "--base", "127.79.0.0"});
    struct svc s = svc_start({"--kube-server", c.api, "--kube-ca-file", other + "/ca.crt", "--poll",
                              "200ms", "--drain-delay", "0"});

    svc_wait_for(&s, "/v1/tracer-nodes", "certificate");

    assert_int_equal(http_get(s.url + "/readyz").status, 503);
    svc_stop(&s);
    cluster_stop(&c);
    cluster_stop(&d);
    remove_folder(folder);
    remove_folder(other);
}

static void token__over_plain_http__is_never_sent(void **)
{
    const std::string folder = make_folder();
    write_file(folder + "/token", "secret-token\n");
    struct cluster c = cluster_start({"--nodes", "2"});
    struct svc s = svc_start_for(&c, 2, {"--kube-token-file", folder + "/token"});

    assert_int_equal(count_of(cluster_do(&c, "GET", "/stats"), "secret-token"), 0);
    svc_stop(&s);
    cluster_stop(&c);
    remove_folder(folder);
}

static void nodes__given_by_flag__need_no_kubernetes(void **)
{
    struct cluster c = cluster_start({"--nodes", "3"});
    struct svc s = svc_start({"--nodes", c.nodes, "--drain-delay", "0"});

    assert_int_equal(http_get(s.url + "/readyz").status, 200);
    assert_text(reply_header(http_get(s.url + "/v1/pods"), "Tracer-Nodes"),
                "total=3, ok=3, miss=0, error=0, failed=0");
    assert_has(database(&s), "\"source\":\"nodes\"");
    assert_int_equal(count_of(cluster_do(&c, "GET", "/stats"), "\"GET /api"), 0);
    svc_stop(&s);
    cluster_stop(&c);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes__more_than_a_page__are_all_found),
        cmocka_unit_test(nodes__found_all_at_once__are_not_all_in_the_log),
        cmocka_unit_test(slices__forbidden__more_than_endpoints_hold_are_found),
        cmocka_unit_test(second_request__to_a_thousand_nodes__makes_no_connection),
        cmocka_unit_test(api_errors__of_any_kind__keep_the_database),
        cmocka_unit_test(api__absent_at_start__is_waited_for),
        cmocka_unit_test(page__refused_in_the_middle__shows_no_half_table),
        cmocka_unit_test(changes__in_the_cluster__reach_the_database),
        cmocka_unit_test(api__away_for_a_while__costs_nothing_but_news),
        cmocka_unit_test(watches__forbidden__are_lists_at_the_poll_time),
        cmocka_unit_test(slices__forbidden__endpoints_are_watched),
        cmocka_unit_test(namespace__given__is_all_that_is_asked_for),
        cmocka_unit_test(node__terminating__is_asked_to_read_but_not_to_create),
        cmocka_unit_test(endpoint__without_a_pod_of_the_selector__is_rejected),
        cmocka_unit_test(api__over_tls_with_a_token__is_trusted_by_its_files),
        cmocka_unit_test(api__with_a_certificate_of_another__is_not_trusted),
        cmocka_unit_test(token__over_plain_http__is_never_sent),
        cmocka_unit_test(nodes__given_by_flag__need_no_kubernetes),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
