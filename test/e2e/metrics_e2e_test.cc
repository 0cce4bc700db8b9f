// What Prometheus gets from the real daemon.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>

#include "clock.h"
#include "cmocka_cc.h"
#include "e2e.h"

static struct cluster the_cluster;
static struct svc the_svc;

static int start(void **)
{
    the_cluster = cluster_start({"--nodes", "3"});
    the_svc = svc_start_for(&the_cluster, 3, {"--metrics-per-node", "--max-requests", "7"});
    return 0;
}

static int stop(void **)
{
    svc_stop(&the_svc);
    cluster_stop(&the_cluster);
    return 0;
}

// The number that a series has; fails where there is none.
static double value_of(const std::string &text, const std::string &series)
{
    const size_t at = ("\n" + text).find("\n" + series + " ");
    if (at == std::string::npos)
        fail_msg("no %s in:\n%s", series.c_str(), text.c_str());
    return strtod(text.c_str() + at + series.size() + 1, nullptr);
}

static std::string metrics()
{
    const struct reply r = http_get(the_svc.url + "/metrics");
    assert_int_equal(r.status, 200);
    assert_text(reply_header(r, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    return r.body;
}

static void requests__of_every_kind__are_counted(void **)
{
    cluster_do(&the_cluster, "POST", "/fault?node=worker-2&kind=refuse");
    http_get(the_svc.url + "/v1/pods");
    http_get(the_svc.url + "/v1/trace-session/77");
    http_get(the_svc.url + "/nowhere?at=all");
    http("POST", the_svc.url + "/version");
    assert_has(raw_exchange(the_svc.url, "GET / HTTP/1.1\r\nBad Header: x\r\n\r\n"), " 400 ");
    cluster_do(&the_cluster, "DELETE", "/fault?node=worker-2");

    const std::string text = metrics();

    const std::string total = "tracer_svc_http_requests_total";
    assert_true(value_of(text, total + "{route=\"/v1/pods\",method=\"GET\",code=\"200\"}") >= 1);
    value_of(text, total + "{route=\"/v1/trace-session/{id}\",method=\"GET\",code=\"503\"}");
    value_of(text, total + "{route=\"other\",method=\"GET\",code=\"404\"}");
    value_of(text, total + "{route=\"/version\",method=\"POST\",code=\"405\"}");
    value_of(text, total + "{route=\"unread\",method=\"none\",code=\"400\"}");
    value_of(text, "tracer_svc_node_requests_total{outcome=\"failed\",reason=\"connect\"}");
    assert_true(value_of(text, "tracer_svc_node_request_duration_seconds_count") >= 3);
    assert_true(value_of(text, "tracer_svc_nodes{state=\"ready\"}") == 3);
    assert_true(value_of(text, "tracer_svc_node_up{node=\"worker-2\"}") == 0);
    assert_true(value_of(text, "tracer_svc_http_requests_waiting_limit") == 7);
    assert_true(value_of(text, "tracer_svc_http_connections") >= 1);
    assert_true(value_of(text, "tracer_svc_discovery_synced") == 1);
    assert_true(value_of(text, "process_resident_memory_bytes") > 1e6);
    assert_true(value_of(text, "process_open_fds") > 5);
    assert_false(has(text, "nowhere"));
}

static void process__that_runs__tells_when_it_began(void **)
{
    const double now_s = static_cast<double>(clock_wall_ms()) / 1e3;

    const double began_s = value_of(metrics(), "process_start_time_seconds");

    assert_true(began_s <= now_s && began_s > now_s - 600);
}

static void exposition__of_the_daemon__is_what_prometheus_wants(void **)
{
    if (system("command -v promtool >/dev/null") != 0) {
        print_message("promtool is missing: apt-get install prometheus\n");
        skip();
    }
    const std::string command = "curl -s " + the_svc.url + "/metrics | promtool check metrics 2>&1";
    FILE *out = popen(command.c_str(), "r");
    assert_non_null(out);
    char said[4096] = "";
    said[fread(said, 1, sizeof said - 1, out)] = '\0';

    const int status = pclose(out);

    assert_string_equal(said, "");
    assert_int_equal(status, 0);
}

static std::string read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s: can not be read", path);
    std::string text;
    char piece[4096];
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;)
        text.append(piece, got);
    fclose(file);
    return text;
}

// The words of a text that are names of metrics.
static std::set<std::string> metrics_named_in(const std::string &text)
{
    std::set<std::string> names;
    for (const std::string prefix : {"tracer_svc_", "process_"})
        for (size_t at = text.find(prefix); at != std::string::npos;) {
            const size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_", at);
            names.insert(text.substr(at, end - at));
            at = text.find(prefix, end);
        }
    return names;
}

// A histogram's buckets, sum and count have its name in front.
static bool has_metric(const std::string &exposition, std::string name)
{
    for (const char *suffix : {"_bucket", "_sum", "_count"}) {
        const size_t at = name.rfind(suffix);
        if (at != std::string::npos && at + strlen(suffix) == name.size() &&
            has(exposition, "\n# TYPE " + name.substr(0, at) + " histogram\n"))
            return true;
    }
    return has("\n" + exposition, "\n# TYPE " + name + " ");
}

static void rules_and_dashboard__of_deploy__name_only_metrics_that_are_there(void **)
{
    http_get(the_svc.url + "/v1/pods");
    const std::string text = metrics();

    for (const char *path : {"deploy/monitoring/rules.yaml", "deploy/monitoring/dashboard.json"}) {
        const std::set<std::string> names = metrics_named_in(read_file(path));
        assert_true(names.size() > 10);
        for (const std::string &name : names)
            if (!has_metric(text, name))
                fail_msg("%s: the daemon has no metric %s", path, name.c_str());
    }
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests__of_every_kind__are_counted),
        cmocka_unit_test(process__that_runs__tells_when_it_began),
        cmocka_unit_test(rules_and_dashboard__of_deploy__name_only_metrics_that_are_there),
        cmocka_unit_test(exposition__of_the_daemon__is_what_prometheus_wants),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
