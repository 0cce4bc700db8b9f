// Every fault of a node, for every method, on the first, the middle and the last of five nodes: what the
// reply says, how long it takes, and how often the node was asked.
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

static const char *const NODES[] = {"worker-1", "worker-3", "worker-5"};

static std::string stats_of(const char *node)
{
    return cluster_do(&the_cluster, "GET", std::string("/stats?node=") + node);
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

// The reason; a 404 that is cut off or doubled is an error of the node, not a miss.
static const char *reason_of(const char *method, const struct fault &f)
{
    const bool is_404 = strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0;
    for (const char *kind : {"short-length", "truncated-json", "doubled"})
        if (is_404 && strcmp(f.kind, kind) == 0)
            return "node-error;status=404";
    return f.reason;
}

// "worker-3";reason=timeout, in the header, and nobody else.
static void check_named(const struct reply &r, const char *method, const char *node,
                        const struct fault &f)
{
    const std::string named = reply_header(r, "Tracer-Failed-Nodes");
    const std::string wanted = "\"" + std::string(node) + "\";reason=" + reason_of(method, f);
    if (named.compare(0, wanted.size(), wanted) != 0)
        fail_msg("%s: %s", f.kind, named.c_str());
    assert_int_equal(count_of(named, "reason="), 1);
    assert_true(r.seconds < 2);
}

static void read__with_a_faulty_node__has_the_others_bytes(void **)
{
    const std::string whole = http_get(the_svc.url + "/v1/pods").body;
    for (const struct fault &f : FAULTS)
        for (const char *node : NODES) {
            break_node(node, f.kind);
            const struct reply r = http_get(the_svc.url + "/v1/pods?timeout=200ms");
            heal();
            check_named(r, "GET", node, f);
            assert_int_equal(r.status, 200);
            assert_has(reply_header(r, "Tracer-Nodes"), "total=5, ok=4");
            assert_int_equal(count_of(r.body, "\"Pod\":"), 8);
            assert_int_equal(http_get(the_svc.url + "/v1/pods").status, 200);
        }
    assert_text(http_get(the_svc.url + "/v1/pods").body, whole);
}

// One mutation with one faulty node.
static void check_mutation(const char *method, const char *target, const char *body,
                           const struct fault &f, const char *node)
{
    break_node(node, f.kind);
    const struct reply r = http(method, the_svc.url + target + "?timeout=200ms", body);
    const std::string stats = stats_of(node);
    heal();
    check_named(r, method, node, f);
    const bool is_error = strncmp(reason_of(method, f), "node-error", 10) == 0;
    const std::string named = reply_header(r, "Tracer-Failed-Nodes");
    if (!is_error)
        assert_has(named, f.sent ? ";effect=unknown" : ";effect=not-sent");
    const std::string seen = "\"" + std::string(method) + "\":";
    assert_int_equal(count_of(stats, seen + "1"), f.sent);
    assert_int_equal(count_of(stats, seen), f.sent);
}

static void post__with_a_faulty_node__reaches_it_once_at_most(void **)
{
    for (const struct fault &f : FAULTS)
        for (const char *node : NODES)
            check_mutation("POST", "/v1/trace-session",
                           "{\"pod\":\"none\",\"container\":\"*\",\"trace-hook\":\"ticker\"}", f,
                           node);
}

static void put__with_a_faulty_node__reaches_it_once_at_most(void **)
{
    for (const struct fault &f : FAULTS)
        for (const char *node : NODES)
            check_mutation("PUT", "/v1/trace-session/5", "{\"Run\":true}", f, node);
}

static void delete__with_a_faulty_node__reaches_it_once_at_most(void **)
{
    for (const struct fault &f : FAULTS)
        for (const char *node : NODES)
            check_mutation("DELETE", "/v1/trace-session/all", "", f, node);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read__with_a_faulty_node__has_the_others_bytes),
        cmocka_unit_test(post__with_a_faulty_node__reaches_it_once_at_most),
        cmocka_unit_test(put__with_a_faulty_node__reaches_it_once_at_most),
        cmocka_unit_test(delete__with_a_faulty_node__reaches_it_once_at_most),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
