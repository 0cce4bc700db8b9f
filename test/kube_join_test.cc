// From slices and pods to tracer-nodes.
#include "cmocka_cc.h"

#include "kube_join.h"

static struct kube_pod pod(const char *uid, const char *name)
{
    struct kube_pod p = {};
    p.uid = uid;
    p.name = name;
    p.ns = "ns";
    p.node = std::string("node-of-") + name;
    p.phase = "Running";
    p.ip = "10.9.9.9";
    p.ready = true;
    return p;
}

static struct kube_endpoint endpoint(const char *uid, const char *ip)
{
    struct kube_endpoint e = {};
    e.ip = ip;
    e.pod_uid = uid;
    e.ready = e.serving = true;
    return e;
}

static struct kube_slice slice(std::vector<struct kube_endpoint> endpoints)
{
    struct kube_slice s = {};
    s.ns = "ns";
    s.service = "svc";
    s.ports.push_back({.name = "", .number = 8080, .tcp = true, .https = false});
    s.endpoints = std::move(endpoints);
    return s;
}

static struct kube_joined join(const std::vector<struct kube_slice> &slices,
                               const std::vector<struct kube_pod> &pods, bool prefer_v6 = false,
                               const struct kube_selector &selector = {})
{
    struct kube_store services, known;
    for (const struct kube_slice &slice : slices)
        services.items[std::to_string(services.items.size())].slices.push_back(slice);
    for (const struct kube_pod &pod : pods) {
        const std::string key = pod.ns + "/" + pod.name;
        known.items[key].key = key;
        known.items[key].pod = pod;
    }
    struct kube_joined joined;
    kube_join(services, known, selector, prefer_v6, &joined);
    return joined;
}

static void choose_port__table__follows_the_rule(void **)
{
    static const struct kube_port web = {"web", 80, true, false}, http = {"http", 81, true, false},
                                  dns = {"dns", 53, false, false}, none = {"http", 0, true, false};
    const struct {
        std::vector<struct kube_port> ports;
        int number; // 0: none
    } table[] = {
        {{}, 0},           {{web}, 80},     {{dns}, 0},        {{dns, web}, 80},
        {{web, http}, 81}, {{web, web}, 0}, {{none, web}, 80}, {{none}, 0},
    };

    for (const auto &row : table) {
        const struct kube_port *port = kube_choose_port(row.ports);
        assert_int_equal(port != nullptr ? port->number : 0, row.number);
    }
}

static void join__known_pod__becomes_a_record(void **)
{
    std::vector<struct kube_slice> slices = {slice({endpoint("u0", "10.0.0.1")})};
    slices[0].ports[0].https = true;
    slices[0].endpoints[0].node = "w1";

    const struct kube_joined joined = join(slices, {pod("u0", "t-0")});

    assert_int_equal(joined.records.size(), 1);
    const struct node_record &r = joined.records[0];
    assert_string_equal(r.key.c_str(), "u0");
    assert_string_equal(r.node.c_str(), "w1");
    assert_string_equal(r.pod.c_str(), "t-0");
    assert_string_equal(r.ns.c_str(), "ns");
    assert_string_equal(r.host.c_str(), "10.0.0.1");
    assert_int_equal(r.port, 8080);
    assert_true(r.https && r.ready && r.serving && !r.terminating);
}

static void join__no_node_name__falls_back(void **)
{
    std::vector<struct kube_pod> pods = {pod("u0", "t-0"), pod("u1", "t-1")};
    pods[1].node.clear();

    const struct kube_joined joined =
        join({slice({endpoint("u0", "10.0.0.1"), endpoint("u1", "10.0.0.2")})}, pods);

    assert_string_equal(joined.records[0].node.c_str(), "node-of-t-0");
    assert_string_equal(joined.records[1].node.c_str(), "t-1");
}

static void join__no_matching_pod__is_rejected_and_counted(void **)
{
    struct kube_endpoint by_name = endpoint("", "10.0.0.4");
    by_name.pod_ns = "ns";
    by_name.pod_name = "t-0";
    struct kube_slice foreign = slice({endpoint("u0", "10.0.0.5")});
    foreign.ns = "tenant";

    const struct kube_joined joined =
        join({foreign, slice({endpoint("", "10.0.0.1"), endpoint("u7", "10.0.0.2"), by_name})},
             {pod("u0", "t-0")});

    assert_int_equal(joined.rejected, 3);
    assert_int_equal(joined.records.size(), 1);
    assert_string_equal(joined.records[0].host.c_str(), "10.0.0.4");
}

static void join__pod_that_is_over__is_left_out(void **)
{
    std::vector<struct kube_pod> pods = {pod("u0", "a"), pod("u1", "b"), pod("u2", "c")};
    pods[0].phase = "Succeeded";
    pods[1].phase = "Failed";
    pods[2].phase = "Pending";

    const struct kube_joined joined =
        join({slice({endpoint("u0", "10.0.0.1"), endpoint("u1", "10.0.0.2"),
                     endpoint("u2", "10.0.0.3")})},
             pods);

    assert_int_equal(joined.records.size(), 1);
    assert_string_equal(joined.records[0].key.c_str(), "u2");
    assert_int_equal(joined.rejected, 0);
}

static void join__no_usable_port__is_counted(void **)
{
    std::vector<struct kube_slice> slices = {slice({endpoint("u0", "10.0.0.1")}),
                                             slice({endpoint("u1", "")})};
    slices[0].ports[0].number = 0;

    const struct kube_joined joined = join(slices, {pod("u0", "a"), pod("u1", "b")});

    assert_int_equal(joined.records.size(), 0);
    assert_int_equal(joined.without_port, 2);
}

static void join__duplicates__the_better_wins_in_any_order(void **)
{
    const struct kube_endpoint v4 = endpoint("u0", "10.0.0.1"), v6 = endpoint("u0", "fd00::1");
    struct kube_endpoint not_ready = endpoint("u0", "10.0.0.0"), leaving = v4;
    not_ready.ready = not_ready.serving = false;
    leaving.terminating = true;
    const struct {
        struct kube_endpoint a, b;
        bool prefer_v6;
        const char *host;
    } table[] = {
        {v4, v6, false, "10.0.0.1"},       {v4, v6, true, "fd00::1"},
        {not_ready, v6, false, "fd00::1"}, {not_ready, v4, true, "10.0.0.1"},
        {leaving, v6, false, "fd00::1"},   {v4, endpoint("u0", "10.0.0.2"), true, "10.0.0.1"},
    };

    for (const auto &row : table) {
        const struct kube_joined one =
            join({slice({row.a}), slice({row.b})}, {pod("u0", "t")}, row.prefer_v6);
        const struct kube_joined two =
            join({slice({row.b, row.a})}, {pod("u0", "t")}, row.prefer_v6);
        assert_int_equal(one.records.size(), 1);
        assert_string_equal(one.records[0].host.c_str(), row.host);
        assert_string_equal(two.records[0].host.c_str(), row.host);
    }
}

static void join__terminating__is_told(void **)
{
    struct kube_endpoint leaving = endpoint("u0", "10.0.0.1");
    leaving.ready = false;
    leaving.terminating = true;
    std::vector<struct kube_pod> pods = {pod("u0", "a"), pod("u1", "b")};
    pods[1].deleting = true;

    const struct kube_joined joined = join({slice({leaving, endpoint("u1", "10.0.0.2")})}, pods);

    assert_true(!joined.records[0].ready && joined.records[0].serving);
    assert_true(joined.records[0].terminating);
    assert_true(joined.records[1].ready && joined.records[1].terminating);
}

static void join__same_name_in_two_namespaces__are_two_nodes(void **)
{
    std::vector<struct kube_pod> pods = {pod("", "t"), pod("", "t")};
    pods[1].ns = "other";
    struct kube_endpoint e = endpoint("", "10.0.0.1");
    e.pod_ns = "ns";
    e.pod_name = "t";
    struct kube_slice other = slice({e});
    other.ns = other.endpoints[0].pod_ns = "other";

    const struct kube_joined joined = join({slice({e}), other}, pods);

    assert_int_equal(joined.records.size(), 2);
    assert_string_equal(joined.records[0].key.c_str(), "ns/t");
    assert_string_equal(joined.records[1].key.c_str(), "other/t");
    assert_int_equal(joined.namespaces.size(), 2);
    assert_string_equal(joined.namespaces[0].c_str(), "ns");
}

static void join__selector_terms__are_checked(void **)
{
    const struct kube_selector selector = {{{false, false, "svc"}}};

    const struct kube_joined joined =
        join({slice({endpoint("u0", "10.0.0.1")})}, {pod("u0", "t")}, false, selector);

    assert_int_equal(joined.records.size(), 0);
    assert_int_equal(joined.rejected, 0);
}

static void join__truncated_endpoints__take_the_pods_they_lack(void **)
{
    std::vector<struct kube_pod> pods;
    for (int i = 0; i < 7; i++)
        pods.push_back(pod(("u" + std::to_string(i)).c_str(), ("t-" + std::to_string(i)).c_str()));
    pods[2].ready = false;
    pods[3].deleting = true;
    pods[4].ip.clear();
    pods[5].phase = "Pending";
    pods[6].ns = "other";
    std::vector<struct kube_slice> slices = {slice({endpoint("u0", "10.0.0.1")})};
    slices[0].truncated = true;

    const struct kube_joined joined = join(slices, pods);

    assert_int_equal(joined.records.size(), 3);
    assert_string_equal(joined.records[0].host.c_str(), "10.0.0.1");
    assert_string_equal(joined.records[1].host.c_str(), "10.9.9.9");
    assert_int_equal(joined.records[1].port, 8080);
    assert_true(joined.records[1].ready && joined.records[1].serving);
    assert_false(joined.records[2].ready || joined.records[2].serving);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choose_port__table__follows_the_rule),
        cmocka_unit_test(join__known_pod__becomes_a_record),
        cmocka_unit_test(join__no_node_name__falls_back),
        cmocka_unit_test(join__no_matching_pod__is_rejected_and_counted),
        cmocka_unit_test(join__pod_that_is_over__is_left_out),
        cmocka_unit_test(join__no_usable_port__is_counted),
        cmocka_unit_test(join__duplicates__the_better_wins_in_any_order),
        cmocka_unit_test(join__terminating__is_told),
        cmocka_unit_test(join__same_name_in_two_namespaces__are_two_nodes),
        cmocka_unit_test(join__selector_terms__are_checked),
        cmocka_unit_test(join__truncated_endpoints__take_the_pods_they_lack),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
