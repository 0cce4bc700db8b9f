// Rounds of discovery, on a scripted HTTP client and the real database.
#include "cmocka_cc.h"

#include <cstdlib>
#include <cstring>

#include <event2/event.h>

#include "clock.h"
#include "discovery.h"
#include "fake_http_client.h"
#include "kube_json.h"
#include "log.h"
#include "nodes.h"

static constexpr int64_t POLL_MS = 5;
static constexpr int64_t PATIENCE_MS = 20000;

struct fixture {
    struct event_base *base;
    struct http_client *http;
    struct fake_script *script;
    struct nodes *nodes;
    struct discovery *discovery;
};

static struct discovery_options options_of(struct fixture *f)
{
    return {
        .base = f->base,
        .http = f->http,
        .nodes = f->nodes,
        .poll_ms = POLL_MS,
        .pods_selector = "app=container-tracer-backend",
        .svc_selector = "metadata.name=container-tracer-node",
        .ns = nullptr,
        .kube_server = "http://127.0.0.1:8001",
        .token_file = nullptr,
        .ca_file = nullptr,
    };
}

static int set_up(void **state)
{
    struct fixture *f = new struct fixture();
    log_configure(LOG_AS_TEXT, LOG_AT_ERROR);
    f->base = event_base_new();
    f->http = http_client_new(f->base);
    f->script = fake_http_client_script(f->http);
    f->nodes = nodes_new();
    const struct discovery_options options = options_of(f);
    std::string error;
    f->discovery = discovery_new(&options, &error);
    *state = f;
    return f->discovery == nullptr;
}

static int tear_down(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    discovery_free(f->discovery);
    nodes_free(f->nodes);
    http_client_free(f->http);
    event_base_free(f->base);
    delete f;
    return 0;
}

// Adds a reply for URLs with `match` in them, once or for all that are left.
static void add(struct fixture *f, const char *match, int status, const std::string &body,
                bool repeat = true)
{
    struct fake_reply reply;
    reply.match = match;
    reply.http_status = status;
    reply.body = body;
    reply.repeat = repeat;
    f->script->replies.push_back(reply);
}

static const struct discovery_status *status(const struct fixture *f)
{
    return discovery_get_status(f->discovery);
}

// Runs the loop until a round has ended that is the `rounds`th or later.
static void run_rounds(struct fixture *f, uint64_t rounds)
{
    const int64_t end = clock_monotonic_ms() + PATIENCE_MS;
    while (status(f)->rounds <= rounds && clock_monotonic_ms() < end)
        event_base_loop(f->base, EVLOOP_ONCE);
    assert_true(status(f)->rounds > rounds);
}

static size_t requests_of(const struct fixture *f, const char *match)
{
    size_t count = 0;
    for (const struct fake_request &r : f->script->requests)
        count += r.url.find(match) != r.url.npos;
    return count;
}

static void rounds__slices_and_pods__fill_the_database(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "/endpointslices", 200, kube_json_slices(0, 3, 8080, ""));
    add(f, "/pods", 200, kube_json_pods(0, 2, ""));

    discovery_start(f->discovery);
    assert_int_equal(f->script->requests.size(), 0);
    run_rounds(f, 3);

    assert_true(status(f)->synced);
    assert_string_equal(status(f)->source, "endpointslices");
    assert_int_equal(status(f)->failures, 0);
    assert_int_equal(status(f)->rejected, 1);
    assert_true(status(f)->last_success_ms > 0);
    assert_int_equal(nodes_all(f->nodes).size(), 2);
    assert_string_equal(nodes_all(f->nodes)[1].base.c_str(), "http://10.64.0.2:8080");
    assert_int_equal(f->script->most, 2);
    assert_non_null(strstr(f->script->requests[0].url.c_str(),
                           "kubernetes.io%2Fservice-name%3Dcontainer-tracer-node"));
}

static void rounds__api_fails__keep_the_table_and_recover(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "/endpointslices", 200, kube_json_slices(0, 3, 8080, ""));
    add(f, "/pods", 200, kube_json_pods(0, 3, ""), false);
    add(f, "/pods", 500, "broken", false);
    add(f, "/pods", 200, "not json", false);
    add(f, "/pods", 401, kube_json_status(401, "Unauthorized", "Unauthorized"), false);
    add(f, "/pods", 403, kube_json_status(403, "Forbidden", "cannot list pods"), false);

    discovery_start(f->discovery);
    run_rounds(f, 1);
    for (uint64_t round = 2; round <= 4; round++) {
        run_rounds(f, round);
        assert_int_equal(status(f)->failures_in_row, round - 1);
        assert_int_equal(nodes_all(f->nodes).size(), 3);
    }
    const int64_t end = clock_monotonic_ms() + PATIENCE_MS;
    while (status(f)->failures < 4 && clock_monotonic_ms() < end)
        event_base_loop(f->base, EVLOOP_ONCE);
    assert_string_equal(status(f)->last_error.c_str(), "list pods: HTTP 403: cannot list pods");
    add(f, "/pods", 200, kube_json_pods(0, 1, ""));
    run_rounds(f, 6);

    assert_int_equal(status(f)->failures, 4);
    assert_int_equal(status(f)->failures_in_row, 0);
    assert_string_equal(status(f)->last_error.c_str(), "");
    assert_int_equal(nodes_all(f->nodes).size(), 1);
}

static void rounds__never_succeeded__are_not_synced(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "", 503, "");

    discovery_start(f->discovery);
    run_rounds(f, 3);

    assert_false(status(f)->synced);
    assert_string_equal(status(f)->source, "none");
    assert_int_equal(status(f)->last_success_ms, 0);
    assert_int_equal(status(f)->failures, 3);
}

static void rounds__slices_refused__use_endpoints_in_the_same_round(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "/endpointslices", 403, kube_json_status(403, "Forbidden", "cannot list"));
    add(f, "/endpoints?", 200, kube_json_endpoints(0, 1000, 8080));
    for (int round = 0; round < 2; round++) {
        for (int page = 0; page < 4; page++)
            add(f, "/pods", 200, kube_json_pods(page * 250, page * 250 + 250, "next"), false);
        add(f, "/pods", 200, kube_json_pods(1000, 1200, ""), false);
    }

    discovery_start(f->discovery);
    run_rounds(f, 2);

    assert_string_equal(status(f)->source, "endpoints");
    assert_int_equal(status(f)->failures, 0);
    assert_int_equal(nodes_all(f->nodes).size(), 1200);
    assert_int_equal(requests_of(f, "/endpointslices"), 1);
    assert_true(requests_of(f, "/endpoints?fieldSelector=metadata.name%3Dcontainer-tracer-node") >=
                2);
}

static void rounds__both_refused__try_slices_again(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "/endpointslices", 404, "404 page not found", false);
    add(f, "/endpoints?", 403, kube_json_status(403, "Forbidden", "cannot list"));
    add(f, "/pods", 200, kube_json_pods(0, 2, ""));
    add(f, "/endpointslices", 200, kube_json_slices(0, 2, 8080, ""));

    discovery_start(f->discovery);
    run_rounds(f, 2);

    assert_int_equal(status(f)->failures, 1);
    assert_string_equal(status(f)->source, "endpointslices");
    assert_int_equal(nodes_all(f->nodes).size(), 2);
}

static void rounds__retry_after__is_obeyed(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "/endpointslices", 200, kube_json_slices(0, 2, 8080, ""));
    add(f, "/pods", 429, "slow down", false);
    f->script->replies.back().retry_after_s = 1;
    add(f, "/pods", 200, kube_json_pods(0, 2, ""));

    discovery_start(f->discovery);
    run_rounds(f, 2);

    const std::vector<struct fake_request> &requests = f->script->requests;
    assert_in_range(requests[2].at_ms - requests[0].at_ms, 990, 5000);
    assert_int_equal(nodes_all(f->nodes).size(), 2);
}

static void free__round_under_way__leaves_nothing(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    discovery_start(f->discovery);
    event_base_loop(f->base, EVLOOP_ONCE);
    assert_int_equal(f->script->under_way, 2);

    discovery_free(f->discovery);
    f->discovery = nullptr;

    assert_int_equal(f->script->under_way, 0);
}

static void new__bad_options__are_named(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    struct discovery_options table[7];
    for (struct discovery_options &o : table)
        o = options_of(f);
    table[0].svc_selector = "spec.x=1";
    table[1].pods_selector = "!!";
    table[2].kube_server = "127.0.0.1:8001";
    table[3].kube_server = nullptr;
    table[4].token_file = "/nonexistent/token";
    table[5].ca_file = "/nonexistent/ca";
    table[6].ns = "a";
    table[6].svc_selector = "metadata.namespace=b";
    static const char *const wanted[] = {
        "--svc-selector: 'spec.x=1'",
        "--pods-selector: '!!'",
        "--kube-server: want http://",
        "not in a Kubernetes cluster",
        "token file /nonexistent/token: ",
        "CA file /nonexistent/ca: ",
        "--svc-selector: names namespace 'b', but --namespace is 'a'",
    };
    unsetenv("KUBERNETES_SERVICE_HOST");

    for (size_t i = 0; i < 7; i++) {
        std::string error;
        assert_null(discovery_new(&table[i], &error));
        assert_int_equal(error.find(wanted[i]), 0);
    }
}

static void new__in_a_cluster_without_its_files__fails(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    struct discovery_options options = options_of(f);
    options.kube_server = nullptr;
    options.token_file = "/nonexistent/token";
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    std::string error;

    assert_null(discovery_new(&options, &error));

    assert_int_equal(error.find("token file /nonexistent/token: "), 0);
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(rounds__slices_and_pods__fill_the_database),
        TEST(rounds__api_fails__keep_the_table_and_recover),
        TEST(rounds__never_succeeded__are_not_synced),
        TEST(rounds__slices_refused__use_endpoints_in_the_same_round),
        TEST(rounds__both_refused__try_slices_again),
        TEST(rounds__retry_after__is_obeyed),
        TEST(free__round_under_way__leaves_nothing),
        TEST(new__bad_options__are_named),
        TEST(new__in_a_cluster_without_its_files__fails),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
