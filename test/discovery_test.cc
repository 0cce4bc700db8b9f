// Discovery, on a scripted HTTP client and the real database.
#include "cmocka_cc.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <event2/event.h>

#include "clock.h"
#include "discovery.h"
#include "fake_http_client.h"
#include "kube_account.h"
#include "kube_json.h"
#include "log.h"
#include "nodes.h"

static constexpr int64_t POLL_MS = 5;
static constexpr int64_t PATIENCE_MS = 20000;

struct fixture {
    struct event_base *base;
    struct http_client *http;
    struct kube_account *account;
    struct fake_script *script;
    struct nodes *nodes;
    struct discovery *discovery;
};

static struct discovery_options options_of(struct fixture *f)
{
    return {
        .base = f->base,
        .account = f->account,
        .nodes = f->nodes,
        .poll_ms = POLL_MS,
        .slices_again_ms = 0,
        .pods_selector = "app=container-tracer-backend",
        .svc_selector = "metadata.name=container-tracer-node",
        .ns = nullptr,
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
    const struct kube_account_options account = {.http = f->http,
                                                 .server = "http://127.0.0.1:8001",
                                                 .token_file = nullptr,
                                                 .ca_file = nullptr};
    std::string error;
    f->account = kube_account_new(&account, &error);
    const struct discovery_options options = options_of(f);
    f->discovery = discovery_new(&options, &error);
    *state = f;
    return f->discovery == nullptr;
}

static int tear_down(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    discovery_free(f->discovery);
    kube_account_free(f->account);
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

static struct discovery_status status(const struct fixture *f)
{
    return discovery_get_status(f->discovery);
}

// Runs the loop until `holds`.
static void run_until(struct fixture *f, bool (*holds)(struct fixture *f))
{
    const int64_t end = clock_monotonic_ms() + PATIENCE_MS;
    while (!holds(f) && clock_monotonic_ms() < end)
        event_base_loop(f->base, EVLOOP_ONCE);
    assert_true(holds(f));
}

static bool is_synced(struct fixture *f)
{
    return status(f).synced;
}

static bool has_one_node(struct fixture *f)
{
    return nodes_all(f->nodes).size() == 1;
}

static bool has_three_nodes(struct fixture *f)
{
    return nodes_all(f->nodes).size() == 3;
}

// Adds a watch that goes on.
static void add_watch(struct fixture *f, const char *match)
{
    add(f, match, 200, "", false);
    f->script->replies.back().open = true;
    // before the lists of the same resource
    std::vector<struct fake_reply> *replies = &f->script->replies;
    std::rotate(replies->begin(), replies->end() - 1, replies->end());
}

static size_t requests_of(const struct fixture *f, const char *match)
{
    size_t count = 0;
    for (const struct fake_request &r : f->script->requests)
        count += r.url.find(match) != r.url.npos;
    return count;
}

static void start__slices_and_pods__fill_the_database(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "/endpointslices", 200, kube_json_slices(0, 3, 8080, ""));
    add(f, "/pods", 200, kube_json_pods(0, 2, ""));
    add_watch(f,
              "/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dcontainer-tracer-node"
              "&resourceVersion=284&watch=1");
    add_watch(f, "/pods?labelSelector=app%3Dcontainer-tracer-backend&resourceVersion=284&watch=1");

    discovery_start(f->discovery);
    assert_int_equal(status(f).age_ms, -1);
    assert_string_equal(status(f).mode, "none");
    run_until(f, is_synced);
    event_base_loop(f->base, EVLOOP_NONBLOCK);

    assert_string_equal(status(f).source, "endpointslices");
    assert_string_equal(status(f).mode, "watch");
    assert_int_equal(status(f).lists, 2);
    assert_int_equal(status(f).watches, 2);
    assert_int_equal(status(f).failures, 0);
    assert_int_equal(status(f).rejected, 1);
    assert_in_range(status(f).age_ms, 0, PATIENCE_MS);
    assert_int_equal(nodes_all(f->nodes).size(), 2);
    assert_string_equal(nodes_all(f->nodes)[1].face->base.c_str(), "http://10.64.0.2:8080");
}

static void watch__events__reach_the_database(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "/endpointslices", 200, kube_json_slices(0, 3, 8080, ""));
    add(f, "/pods", 200, kube_json_pods(0, 2, ""));
    add_watch(f, "/endpointslices");
    add_watch(f, "/pods");
    f->script->replies[0].match = "/pods?labelSelector=app%3Dcontainer-tracer-backend&resource";
    f->script->replies[1].match += "?labelSelector=kubernetes.io%2Fservice-name%3D"
                                   "container-tracer-node&resource";
    discovery_start(f->discovery);
    run_until(f, is_synced);
    event_base_loop(f->base, EVLOOP_NONBLOCK);

    assert_int_equal(fake_push(f->http, "/pods", kube_json_event("ADDED", kube_json_pod(2, "9"))),
                     1);
    run_until(f, has_three_nodes);
    fake_push(f->http, "/pods",
              kube_json_event("DELETED", kube_json_pod(0, "10")) +
                  kube_json_event("DELETED", kube_json_pod(1, "11")));
    run_until(f, has_one_node);

    assert_string_equal(nodes_all(f->nodes)[0].face->name.c_str(), "worker-2");
    assert_int_equal(status(f).events, 3);
}

static bool has_port_9090(struct fixture *f)
{
    return nodes_all(f->nodes)[0].face->base == "http://10.64.0.1:9090";
}

static void watch__another_port__is_asked_from_then_on(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "watch=1", 200, "", true);
    f->script->replies.back().open = true;
    add(f, "/endpointslices", 200, kube_json_slices(0, 1, 8080, ""));
    add(f, "/pods", 200, kube_json_pods(0, 1, ""));
    discovery_start(f->discovery);
    run_until(f, is_synced);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    const std::string list = kube_json_slices(0, 1, 9090, "");
    const size_t begin = list.find("[") + 1;
    std::string slice = list.substr(begin, list.size() - 2 - begin);
    slice.insert(slice.find("\"name\""), "\"resourceVersion\":\"285\",");

    assert_int_equal(fake_push(f->http, "/endpointslices", kube_json_event("MODIFIED", slice)), 1);
    const int64_t begin_ms = clock_monotonic_ms();
    run_until(f, has_port_9090);

    assert_in_range(clock_monotonic_ms() - begin_ms, 0, 1000);
    assert_int_equal(nodes_all(f->nodes).size(), 1);
    assert_int_equal(status(f).failures, 0);
}

static bool has_failed_thrice(struct fixture *f)
{
    return status(f).failures_in_row >= 3;
}

static bool works_again(struct fixture *f)
{
    return has_one_node(f) && status(f).failures_in_row == 0;
}

static void poll__api_fails__keeps_the_table_and_recovers(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "watch=1", 403, kube_json_status(403, "Forbidden", "cannot watch"));
    add(f, "/endpointslices", 200, kube_json_slices(0, 3, 8080, ""));
    add(f, "/pods", 200, kube_json_pods(0, 3, ""), false);
    add(f, "/pods", 500, "broken", false);
    add(f, "/pods", 200, "not json", false);
    add(f, "/pods", 403, kube_json_status(403, "Forbidden", "cannot list pods"), false);
    add(f, "/pods", 200, kube_json_pods(0, 1, ""));

    discovery_start(f->discovery);
    run_until(f, is_synced);
    run_until(f, has_failed_thrice);
    assert_string_equal(status(f).last_error.c_str(), "list pods: HTTP 403: cannot list pods");
    assert_string_equal(status(f).mode, "poll");
    assert_int_equal(nodes_all(f->nodes).size(), 3);
    run_until(f, works_again);

    assert_int_equal(status(f).failures, 3);
    assert_string_equal(status(f).last_error.c_str(), "");
}

static bool has_failed_twice(struct fixture *f)
{
    return status(f).failures >= 2;
}

static void start__never_succeeded__is_not_synced(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "", 503, "");

    discovery_start(f->discovery);
    run_until(f, has_failed_twice);

    assert_false(status(f).synced);
    assert_string_equal(status(f).source, "none");
    assert_int_equal(status(f).age_ms, -1);
    assert_int_equal(nodes_all(f->nodes).size(), 0);
}

static void start__slices_refused__uses_endpoints(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "/endpointslices", 403, kube_json_status(403, "Forbidden", "cannot list"));
    add(f, "/endpoints?", 200, kube_json_endpoints(0, 1000, 8080));
    for (int page = 0; page < 4; page++)
        add(f, "/pods", 200, kube_json_pods(page * 250, page * 250 + 250, "next"), false);
    add(f, "/pods", 200, kube_json_pods(1000, 1200, ""), false);
    add_watch(f, "/endpoints?fieldSelector=metadata.name%3Dcontainer-tracer-node&resource");

    discovery_start(f->discovery);
    run_until(f, is_synced);

    assert_string_equal(status(f).source, "endpoints");
    assert_int_equal(nodes_all(f->nodes).size(), 1200);
    assert_int_equal(requests_of(f, "/endpointslices"), 1);
    assert_int_equal(requests_of(f, "/endpoints?"), 2);
    assert_string_equal(status(f).last_error.c_str(), "");
}

static bool is_of_slices(struct fixture *f)
{
    assert_int_equal(nodes_all(f->nodes).size(), 3); // at no time fewer
    return strcmp(status(f).source, "endpointslices") == 0;
}

static void start__slices_refused__goes_back_when_they_are_allowed(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "watch=1", 200, "", true);
    f->script->replies.back().open = true;
    add(f, "/endpointslices", 403, kube_json_status(403, "Forbidden", "cannot list"), false);
    add(f, "/endpointslices", 403, kube_json_status(403, "Forbidden", "cannot list"), false);
    add(f, "/endpointslices", 200, kube_json_slices(0, 3, 8080, ""));
    add(f, "/endpoints?", 200, kube_json_endpoints(0, 3, 8080));
    add(f, "/pods", 200, kube_json_pods(0, 3, ""));
    struct discovery_options options = options_of(f);
    options.slices_again_ms = 20;
    std::string error;
    discovery_free(f->discovery);
    f->discovery = discovery_new(&options, &error);
    discovery_start(f->discovery);
    run_until(f, is_synced);
    assert_string_equal(status(f).source, "endpoints");

    run_until(f, is_of_slices);
    event_base_loop(f->base, EVLOOP_NONBLOCK);

    assert_int_equal(requests_of(f, "/endpointslices"), 4); // two refusals, a list and a watch
    assert_int_equal(requests_of(f, "/endpoints?"), 2);
    assert_int_equal(fake_push(f->http, "/endpoints?", ""), 0); // nobody listens any more
    assert_int_equal(status(f).failures, 0 + 2);
}

static void start__both_refused__tries_slices_again(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "/endpointslices", 404, "404 page not found", false);
    add(f, "/endpoints?", 403, kube_json_status(403, "Forbidden", "cannot list"));
    add(f, "/pods", 200, kube_json_pods(0, 1, ""));
    add(f, "/endpointslices", 200, kube_json_slices(0, 1, 8080, ""));

    discovery_start(f->discovery);
    run_until(f, is_synced);

    assert_string_equal(status(f).source, "endpointslices");
    assert_int_equal(nodes_all(f->nodes).size(), 1);
}

static bool has_checked_twice(struct fixture *f)
{
    return requests_of(f, "/version") >= 2;
}

static bool has_watched_anew(struct fixture *f)
{
    return status(f).watches >= 4;
}

static void check__server_falls_silent__watches_begin_anew(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, "/version", 403, "", false);
    add(f, "/version", 200, "", true);
    f->script->replies.back().status = FETCH_TIMEOUT;
    add(f, "watch=1", 200, "", true);
    f->script->replies.back().open = true;
    add(f, "/endpointslices", 200, kube_json_slices(0, 1, 8080, ""));
    add(f, "/pods", 200, kube_json_pods(0, 1, ""));

    discovery_start(f->discovery);
    run_until(f, has_checked_twice);
    assert_int_equal(status(f).watches, 2);
    run_until(f, has_watched_anew);

    assert_int_equal(status(f).lists, 2);
    assert_int_equal(status(f).failures, 0);
}

static void free__lists_under_way__leaves_nothing(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    discovery_start(f->discovery);
    assert_int_equal(f->script->under_way, 2);

    discovery_free(f->discovery);
    f->discovery = nullptr;

    assert_int_equal(f->script->under_way, 0);
}

static void new__bad_options__are_named(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    struct discovery_options table[3];
    for (struct discovery_options &o : table)
        o = options_of(f);
    table[0].svc_selector = "spec.x=1";
    table[1].pods_selector = "!!";
    table[2].ns = "a";
    table[2].svc_selector = "metadata.namespace=b";
    static const char *const wanted[] = {
        "--svc-selector: 'spec.x=1'",
        "--pods-selector: '!!'",
        "--svc-selector: names namespace 'b', but --namespace is 'a'",
    };

    for (size_t i = 0; i < 3; i++) {
        std::string error;
        assert_null(discovery_new(&table[i], &error));
        assert_int_equal(error.find(wanted[i]), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(start__slices_and_pods__fill_the_database),
        TEST(watch__events__reach_the_database),
        TEST(watch__another_port__is_asked_from_then_on),
        TEST(poll__api_fails__keeps_the_table_and_recovers),
        TEST(start__never_succeeded__is_not_synced),
        TEST(start__slices_refused__uses_endpoints),
        TEST(start__slices_refused__goes_back_when_they_are_allowed),
        TEST(start__both_refused__tries_slices_again),
        TEST(check__server_falls_silent__watches_begin_anew),
        TEST(free__lists_under_way__leaves_nothing),
        TEST(new__bad_options__are_named),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
