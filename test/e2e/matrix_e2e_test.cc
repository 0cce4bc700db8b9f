// Every fault of a node, for every method, on the first, the middle and the last of five nodes: what the
// reply says, how long it takes, what others wait for it, and how often the node was asked.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cmocka_cc.h"
#include "e2e.h"

static struct cluster the_cluster;
static struct svc the_svc;

static int start_all(void **)
{
    the_cluster = cluster_start({"--nodes", "5"});
    the_svc = svc_start_for(&the_cluster, 5, {"--max-reply", "1MiB"});
    return 0;
}

static int stop_all(void **)
{
    svc_stop(&the_svc);
    cluster_stop(&the_cluster);
    return 0;
}

// What a fault makes of a node. `sent`: a mutation may have reached it.
struct fault {
    const char *kind;
    const char *reason;
    bool sent;
};

static const struct fault FAULTS[] = {
    {"refuse", "connect", false},
    {"swallow", "timeout", false},
    {"hang", "timeout", true},
    {"head-hang", "timeout", true},
    {"drip", "timeout", true},
    {"reset", "reset", true},
    {"early-close", "reset", true},
    {"short-length", "bad-json", true},
    {"garbage", "bad-json", true},
    {"bad-json", "bad-json", true},
    {"truncated-json", "bad-json", true},
    {"non-object", "bad-json", true},
    {"doubled", "bad-json", true},
    {"bad-utf8", "bad-json", true},
    {"redirect", "bad-json", true},
    {"big", "too-large", true},
    {"endless", "too-large", true},
    {"status-500", "node-error;status=500", true},
    {"status-503", "node-error;status=503", true},
    {"status-404", "node-error;status=404", true},
};

// What nodes may do, and no reply differs for it.
static const char *const HABITS[] = {"http10",      "continue",      "close-idle",
                                     "close-after", "slow&after=50", "gzip-lie"};

// A request that changes something. No node has such a session or such containers.
struct mutation {
    const char *method, *target, *body;
    int status; // where all is well
    const char *outcomes;
};

static const struct mutation MUTATIONS[] = {
    {"POST", "/v1/trace-session",
     "{\"pod\":\"none\",\"container\":\"*\",\"trace-hook\":\"ticker\"}", 404, "ok=0, miss=5"},
    {"PUT", "/v1/trace-session/5", "{\"Run\":true}", 404, "ok=0, miss=5"},
    {"DELETE", "/v1/trace-session/all", "", 200, "ok=5, miss=0"},
};

static const char *const NODES[] = {"worker-1", "worker-3", "worker-5"};
constexpr double DEADLINE_S = 0.2;

// How much later than it should a reply may come.
static double tolerance()
{
    return getenv("TRACER_WRAPPER") ? 5 : 0.5;
}

static size_t requests_at(const char *node, const char *method)
{
    const std::string stats = cluster_do(&the_cluster, "GET", std::string("/stats?node=") + node);
    const std::string name = "\"requests\":{";
    const size_t begin = stats.find(name) + name.size();
    const std::string counts = stats.substr(begin, stats.find('}', begin) - begin);
    const size_t at = counts.find("\"" + std::string(method) + "\":");
    return at == std::string::npos ? 0
                                   : strtoul(counts.c_str() + at + strlen(method) + 3, nullptr, 10);
}

static void break_node(const char *node, const char *kind)
{
    cluster_do(&the_cluster, "POST", std::string("/fault?node=") + node + "&kind=" + kind);
    cluster_do(&the_cluster, "DELETE", "/stats");
}

static void heal()
{
    cluster_do(&the_cluster, "DELETE", "/fault?node=*");
}

static bool is_error(const char *reason)
{
    return strncmp(reason, "node-error", 10) == 0;
}

// The reason; a 404 that is cut off or doubled is an error of the node, not a miss.
static const char *reason_of(const char *method, const struct fault &f)
{
    const bool is_404 = strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0;
    for (const char *kind : {"short-length", "truncated-json", "doubled"})
        if (is_404 && strcmp(f.kind, kind) == 0)
            return "node-error;status=404";
    return f.reason;
}

static struct reply ask(const char *method, const char *target, const char *body)
{
    return http(method, the_svc.url + target + "?timeout=200ms", body);
}

// "worker-3";reason=timeout, in the header, and nobody else; in time.
static void check_named(const struct reply &r, const char *method, const char *node,
                        const struct fault &f)
{
    const char *reason = reason_of(method, f);
    const std::string named = reply_header(r, "Tracer-Failed-Nodes");
    const std::string wanted = "\"" + std::string(node) + "\";reason=" + reason;
    if (named.compare(0, wanted.size(), wanted) != 0)
        fail_msg("%s %s: %s", method, f.kind, named.c_str());
    assert_int_equal(count_of(named, "reason="), 1);
    assert_true(r.seconds < DEADLINE_S + tolerance());
    if (strcmp(reason, "timeout") == 0 && r.seconds < DEADLINE_S)
        fail_msg("%s %s: after %.6f s", method, f.kind, r.seconds);
}

static std::string all_but(const char *node)
{
    std::string names;
    for (const char *other : {"worker-1", "worker-2", "worker-3", "worker-4", "worker-5"})
        if (strcmp(other, node) != 0)
            names += (names.empty() ? "" : ",") + std::string(other);
    return names;
}

static void read__with_a_faulty_node__has_the_others_bytes(void **)
{
    const std::string url = the_svc.url + "/v1/pods", whole = http_get(url).body;
    for (const char *node : NODES) {
        const std::string rest = http_get(url + "?node=" + all_but(node)).body;
        for (const struct fault &f : FAULTS) {
            break_node(node, f.kind);
            const struct reply r = ask("GET", "/v1/pods", "");
            heal();
            check_named(r, "GET", node, f);
            assert_int_equal(r.status, 200);
            assert_text(reply_header(r, "Tracer-Nodes"),
                        is_error(f.reason) ? "total=5, ok=4, miss=0, error=1, failed=0"
                                           : "total=5, ok=4, miss=0, error=0, failed=1");
            assert_text(r.body, rest);
            assert_text(http_get(url).body, whole);
        }
    }
}

static void read__with_a_sick_node__has_its_data_too(void **)
{
    const std::string whole = http_get(the_svc.url + "/v1/pods").body;
    for (const char *node : NODES) {
        break_node(node, "error-data");
        const struct reply r = ask("GET", "/v1/pods", "");
        heal();
        assert_int_equal(r.status, 200);
        assert_text(r.body, whole);
        assert_text(reply_header(r, "Tracer-Nodes"), "total=5, ok=4, miss=0, error=1, failed=0");
        assert_text(reply_header(r, "Tracer-Failed-Nodes"),
                    "\"" + std::string(node) + "\";reason=node-error;status=500;data");
    }
}

// Where all others missed: the error's own status, or 503, for it can not be known.
static int status_of(const struct mutation &m, const char *reason)
{
    if (m.status == 200)
        return 200;
    return is_error(reason) ? atoi(strchr(reason, '=') + 1) : 503;
}

// One kind of mutation with one faulty node, again and again where that takes no time.
static void check_mutation(const struct mutation &m, const struct fault &f, const char *node)
{
    const char *reason = reason_of(m.method, f);
    const size_t tries = strcmp(reason, "timeout") == 0 ? 1 : 5;
    break_node(node, f.kind);
    for (size_t i = 0; i < tries; i++) {
        const struct reply r = ask(m.method, m.target, m.body);
        check_named(r, m.method, node, f);
        assert_int_equal(r.status, status_of(m, reason));
        assert_has(reply_header(r, "Tracer-Nodes"),
                   m.status == 200 ? "ok=4, miss=0" : "ok=0, miss=4");
        const char *effect = f.sent ? ";effect=unknown" : ";effect=not-sent";
        assert_int_equal(count_of(reply_header(r, "Tracer-Failed-Nodes"), effect),
                         !is_error(reason));
        if (r.status != 200)
            assert_text(reply_header(r, "Content-Type"), "application/problem+json");
    }
    assert_int_equal(requests_at(node, m.method), f.sent ? tries : 0);
    for (const char *other : {"worker-2", "worker-4"})
        assert_int_equal(requests_at(other, m.method), tries);
    heal();
}

static void mutation__with_a_faulty_node__reaches_it_once_at_most(void **)
{
    for (const struct mutation &m : MUTATIONS)
        for (const struct fault &f : FAULTS)
            for (const char *node : NODES)
                check_mutation(m, f, node);
}

static void habits__of_any_node__make_no_difference(void **)
{
    const std::string whole = http_get(the_svc.url + "/v1/pods").body;
    for (const char *kind : HABITS)
        for (const char *node : NODES) {
            break_node(node, kind);
            for (int i = 1; i <= 4; i++) {
                assert_text(http_get(the_svc.url + "/v1/pods").body, whole);
                for (const struct mutation &m : MUTATIONS) {
                    const struct reply r = http(m.method, the_svc.url + m.target, m.body);
                    assert_int_equal(r.status, m.status);
                    assert_has(reply_header(r, "Tracer-Nodes"), m.outcomes);
                    assert_int_equal(requests_at(node, m.method), i);
                }
            }
            heal();
        }
}

static void others__while_a_node_is_broken__do_not_wait(void **)
{
    for (const struct fault &f : FAULTS)
        for (const char *node : NODES) {
            break_node(node, f.kind);
            struct pending *p = http_start("GET", the_svc.url + "/v1/pods?timeout=10s");
            for (const char *other : {"worker-2", "worker-4"}) {
                const struct reply r = http_get(the_svc.url + "/v1/pods?node=" + other);
                assert_int_equal(r.status, 200);
                assert_true(r.seconds < tolerance());
            }
            http_abandon(p);
            heal();
        }
}

static void put__that_takes_five_seconds__is_waited_for(void **)
{
    break_node("worker-1,worker-3,worker-5", "slow&after=5000&method=PUT");
    const struct mutation &put = MUTATIONS[1];

    struct pending *p = http_start("PUT", the_svc.url + put.target, put.body);
    cluster_wait_for(&the_cluster, "/stats?node=worker-5", "\"PUT\":1");
    const struct reply other = http_get(the_svc.url + "/v1/pods");
    const struct reply r = http_finish(p);

    assert_int_equal(r.status, 404);
    assert_text(reply_header(r, "Tracer-Nodes"), "total=5, ok=0, miss=5, error=0, failed=0");
    assert_true(r.seconds >= 5 && r.seconds < 5 + tolerance());
    assert_true(other.seconds < tolerance());
    for (const char *node : NODES)
        assert_int_equal(requests_at(node, "PUT"), 1);
    heal();
}

// After a hundred replies of 100 MB and as many without end: what was held at most.
static void memory__after_all_that__is_bounded(void **)
{
    const char *build = getenv("TRACER_BUILD");
    if (getenv("TRACER_WRAPPER") || (build && strstr(build, "asan")))
        skip(); // they keep what is freed
    const std::string name = "/proc/" + std::to_string(the_svc.daemon.pid) + "/status";
    FILE *file = fopen(name.c_str(), "re");
    assert_non_null(file);
    char line[256];
    unsigned long peak_kb = 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %lu", &peak_kb) == 1)
            break;
    fclose(file);
    assert_in_range(peak_kb, 1, 32768);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read__with_a_faulty_node__has_the_others_bytes),
        cmocka_unit_test(read__with_a_sick_node__has_its_data_too),
        cmocka_unit_test(mutation__with_a_faulty_node__reaches_it_once_at_most),
        cmocka_unit_test(habits__of_any_node__make_no_difference),
        cmocka_unit_test(others__while_a_node_is_broken__do_not_wait),
        cmocka_unit_test(put__that_takes_five_seconds__is_waited_for),
        cmocka_unit_test(memory__after_all_that__is_bounded),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
