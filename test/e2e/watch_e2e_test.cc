// The daemon's watches: what changes in the cluster is known at once, whatever becomes of a stream.
#include <csignal>

#include "clock.h"
#include "cmocka_cc.h"
#include "e2e.h"
#include "watching.h"

static void start__of_the_daemon__is_two_lists_and_two_watches(void **)
{
    struct cluster c = cluster_start({"--nodes", "3"});
    struct svc s = svc_watching(&c, 3);
    for (const bool is : {false, true}) {
        ready(&c, "worker-2", is);
        wait_for_node(&s, "worker-2", is ? "\"ready\":true" : "\"ready\":false");
    }

    for (const char *resource : {"pods", "endpointslices"}) {
        for (const char *counter : {"lists", "pages", "watchRequests", "openWatches"})
            assert_int_equal(count_in(&c, resource, counter), 1);
        assert_int_equal(count_in(&c, resource, "acceptEncodings"), 0);
        assert_int_equal(text_in(&c, resource, "userAgent").find("tracer-svc/"), 0);
        assert_false(has(text_in(&c, resource, "lastList"), "resourceVersion"));
        assert_has(text_in(&c, resource, "lastWatch"), "&watch=1&allowWatchBookmarks=true&timeout");
    }
    assert_int_equal(count_in(&c, "endpoints", "pages"), 0);
    assert_int_equal(number_of(&s, "lists"), 2);
    assert_int_equal(number_of(&s, "watches"), 2);
    svc_stop(&s);
    cluster_stop(&c);
}

static void change__of_any_kind__is_known_within_a_second(void **)
{
    static const struct {
        const char *method, *target, *node, *text; // empty text: it is gone
    } rows[] = {
        {"POST", "/node?name=worker-9", "worker-9", "\"ready\":true"},
        {"POST", "/node-ready?name=worker-1&ready=false", "worker-1", "\"ready\":false"},
        {"POST", "/node-ready?name=worker-1&ready=true", "worker-1", "\"ready\":true"},
        {"POST", "/node-terminating?name=worker-2&serving=true", "worker-2",
         "\"ready\":false,\"terminating\":true"},
        {"POST", "/node-terminating?name=worker-2&terminating=false", "worker-2",
         "\"ready\":true,\"terminating\":false"},
        {"POST", "/node-readdress?name=worker-2", "worker-2", "\"address\":\"127.77.0.5:"},
        {"POST", "/node-label?name=worker-1&app=other", "worker-1", ""},
        {"POST", "/node-label?name=worker-1&app=container-tracer-backend", "worker-1", "ready"},
        {"POST", "/node-phase?name=worker-1&phase=Failed", "worker-1", ""},
        {"POST", "/node?name=far&namespace=elsewhere&pod=container-tracer-node-00001", "far",
         "\"pod\":\"container-tracer-node-00001\",\"namespace\":\"elsewhere\""},
        {"DELETE", "/node?name=worker-9", "worker-9", ""},
    };
    struct cluster c = cluster_start({"--nodes", "3"});
    struct svc s = svc_watching(&c, 3);

    for (const auto &row : rows) {
        cluster_do(&c, row.method, row.target);
        const int64_t ms = wait_for_node(&s, row.node, row.text);
        if (is_as_released() && ms > 1000)
            fail_msg("%s took %lld ms", row.target, static_cast<long long>(ms));
    }

    // of the same name, in another namespace
    assert_has(node_of(&s, "worker-2"), "\"pod\":\"container-tracer-node-00001\"");
    assert_int_equal(count_in(&c, "pods", "lists"), 1);
    assert_int_equal(count_in(&c, "endpointslices", "lists"), 1);
    assert_int_equal(number_of(&s, "failures"), 0);
    svc_stop(&s);
    cluster_stop(&c);
}

static void watch__ended_by_the_server__goes_on_from_its_bookmark(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    struct svc s = svc_watching(&c, 2);
    // no event for the daemon, but another version
    cluster_do(&c, "POST", "/slice?name=x&address=127.0.0.1&port=1&service=other");
    const std::string version = "&resourceVersion=" + list_version(&c, SLICES) + "&watch=1";
    assert_false(has(text_in(&c, "endpointslices", "lastWatch"), version));
    cluster_do(&c, "POST", "/watch-bookmark?path=slices");
    cluster_do(&c, "POST", "/watch-end?path=slices");

    wait_for_count(&c, "endpointslices", "watches", 2);
    ready(&c, "worker-1", false);
    wait_for_node(&s, "worker-1", "\"ready\":false");

    assert_has(text_in(&c, "endpointslices", "lastWatch"), version);
    assert_int_equal(number_of(&s, "lists"), 2);
    assert_int_equal(number_of(&s, "failures"), 0);
    svc_stop(&s);
    cluster_stop(&c);
}

static void stream__in_any_form__says_the_same(void **)
{
    struct cluster c = cluster_start({"--nodes", "3"});
    struct svc s = svc_watching(&c, 3);
    for (const char *form : {"one-byte", "pairs", "crlf", "no-newline", "pretty"}) {
        cluster_do(&c, "POST", "/watch-fault?open=true&kind=" + std::string(form));
        const std::string fresh = std::string("w\xc3\xb6rker-") + form;
        cluster_do(&c, "POST", "/node?name=w%C3%B6rker-" + std::string(form));
        ready(&c, "worker-1", false);
        cluster_do(&c, "POST", "/node-readdress?name=worker-2");
        const std::string where = cluster_do(&c, "GET", "/nodes");
        const size_t at = where.find("worker-2=") + sizeof "worker-2=" - 1;
        const std::string address = where.substr(at, where.find('\n', at) - at);
        cluster_do(&c, "POST", "/watch-bookmark"); // the last event of a pair waits for it

        wait_for_node(&s, fresh, "\"ready\":true");
        wait_for_node(&s, "worker-1", "\"ready\":false");
        wait_for_node(&s, "worker-2", "\"address\":\"" + address + "\"");
        cluster_do(&c, "DELETE", "/node?name=w%C3%B6rker-" + std::string(form));
        ready(&c, "worker-1", true);
        cluster_do(&c, "POST", "/watch-bookmark");
        wait_for_node(&s, fresh, "");
        wait_for_node(&s, "worker-1", "\"ready\":true");
    }

    assert_int_equal(number_of(&s, "lists"), 2);
    assert_int_equal(number_of(&s, "watches"), 2);
    assert_int_equal(number_of(&s, "failures"), 0);
    svc_stop(&s);
    cluster_stop(&c);
}

static void stream__broken_off__goes_on_without_a_list(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    struct svc s = svc_watching(&c, 2);
    bool is = true;
    for (const char *fault : {"cut", "cut-end", "reset", "error-500", "unknown-type"}) {
        cluster_do(&c, "POST", "/watch-fault?open=true&path=slices&kind=" + std::string(fault));
        is = !is;
        ready(&c, "worker-1", is);
        wait_for_node(&s, "worker-1", is ? "\"ready\":true" : "\"ready\":false");
    }

    assert_int_equal(count_in(&c, "endpointslices", "watches"), 5); // an unknown type is no reason
    assert_int_equal(count_in(&c, "endpointslices", "lists"), 1);
    assert_int_equal(count_in(&c, "pods", "watches"), 1);
    assert_int_equal(number_of(&s, "failures"), 4);
    svc_stop(&s);
    cluster_stop(&c);
}

static void version__expired__is_one_list(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    struct svc s = svc_watching(&c, 2);
    ready(&c, "worker-2", false); // a watch without an event may not end at once
    wait_for_node(&s, "worker-2", "\"ready\":false");

    cluster_do(&c, "POST", "/watch-fault?kind=error-410&open=true&path=slices");
    wait_for_count(&c, "endpointslices", "watches", 2);
    assert_int_equal(count_in(&c, "endpointslices", "lists"), 2);
    assert_has(text_in(&c, "endpointslices", "lastList"), "&resourceVersionMatch=NotOlderThan");

    cluster_do(&c, "POST", "/watch-fault?kind=status&status=410&count=1&path=pods");
    cluster_do(&c, "POST", "/watch-end?path=pods");
    wait_for_count(&c, "pods", "watches", 2);
    assert_int_equal(count_in(&c, "pods", "watchRequests"), 3);
    assert_int_equal(count_in(&c, "pods", "lists"), 2);

    // while the daemon waits for its next try, the events that it misses are forgotten
    ready(&c, "worker-2", true);
    wait_for_node(&s, "worker-2", "\"ready\":true");
    cluster_do(&c, "POST", "/watch-fault?kind=status&status=503&count=1&path=slices");
    cluster_do(&c, "POST", "/watch-end?path=slices");
    wait_for_count(&c, "endpointslices", "watchRequests", 3);
    ready(&c, "worker-1", false);
    cluster_do(&c, "POST", "/compact");
    wait_for_node(&s, "worker-1", "\"ready\":false");
    wait_for_count(&c, "endpointslices", "watches", 4); // one of them expired
    assert_int_equal(count_in(&c, "endpointslices", "lists"), 3);
    assert_int_equal(number_of(&s, "failures"), 1);
    svc_stop(&s);
    cluster_stop(&c);
}

static void server__busy__is_left_alone_for_as_long_as_it_says(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    struct svc s = svc_watching(&c, 2);
    ready(&c, "worker-2", false);
    wait_for_node(&s, "worker-2", "\"ready\":false");
    cluster_do(&c, "POST", "/watch-fault?kind=error-429&retry-after=3&open=true&path=pods");
    cluster_do(&c, "POST", "/watch-fault?kind=status&status=429&retry-after=3&count=1&path=slices");
    cluster_do(&c, "POST", "/watch-end?path=slices");
    const int64_t begin_ms = clock_monotonic_ms();

    wait_for_count(&c, "pods", "watchRequests", 2);
    assert_in_range(clock_monotonic_ms() - begin_ms, 2900, 30000);
    wait_for_count(&c, "endpointslices", "watchRequests", 3);
    assert_in_range(clock_monotonic_ms() - begin_ms, 2900, 30000);

    assert_int_equal(number_of(&s, "lists"), 2);
    assert_int_equal(count_of(http_get(s.url + "/v1/tracer-nodes").body, "\"name\":\"worker"), 2);
    svc_stop(&s);
    cluster_stop(&c);
}

static void stream__without_sense__is_a_list_afresh(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    struct svc s = svc_watching(&c, 2);
    static const char *const rounds[][2] = {{"garbage", "big"}, {"no-version", "garbage"}};
    for (size_t i = 0; i < 2; i++) {
        cluster_do(&c, "POST",
                   "/watch-fault?open=true&path=slices&kind=" + std::string(rounds[i][0]));
        cluster_do(&c, "POST",
                   "/watch-fault?open=true&path=pods&kind=" + std::string(rounds[i][1]));
        ready(&c, "worker-1", i > 0);
        wait_for_node(&s, "worker-1", i > 0 ? "\"ready\":true" : "\"ready\":false");
        for (const char *resource : {"pods", "endpointslices"}) {
            wait_for_count(&c, resource, "watches", i + 2);
            assert_int_equal(count_in(&c, resource, "lists"), i + 2);
            assert_false(has(text_in(&c, resource, "lastList"), "resourceVersion"));
        }
    }

    assert_int_equal(number_of(&s, "failures"), 4);
    svc_stop(&s);
    cluster_stop(&c);
}

static void watches__that_end_at_once__are_asked_for_once_a_second(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    struct svc s = svc_watching(&c, 2);
    cluster_do(&c, "POST", "/watch-fault?kind=end&path=slices");
    cluster_do(&c, "POST", "/watch-end?path=slices");
    const int64_t begin_ms = clock_monotonic_ms();

    // a second until the next, two until the one after that
    wait_for_count(&c, "endpointslices", "watchRequests", 3);
    assert_in_range(clock_monotonic_ms() - begin_ms, 2900, 30000);

    assert_int_equal(number_of(&s, "failures"), 0);
    svc_stop(&s);
    cluster_stop(&c);
}

// Its connections stand and its watches are silent, as they are where nothing happens.
static void server__that_hangs__is_noticed_and_watched_anew(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    struct svc s = svc_watching(&c, 2, {"--verbose"});
    assert_int_equal(kill(c.sim.pid, SIGSTOP), 0);
    program_wait_for(&s.daemon, "the API server does not answer, the watches are begun anew");
    assert_int_equal(http_get(s.url + "/readyz").status, 200);
    assert_true(number_of(&s, "age-ms") >= 9000);
    assert_int_equal(count_of(http_get(s.url + "/v1/tracer-nodes").body, "\"ready\":true"), 2);

    assert_int_equal(kill(c.sim.pid, SIGCONT), 0);
    wait_for_count(&c, "endpointslices", "watches", 2);
    ready(&c, "worker-1", false);
    wait_for_node(&s, "worker-1", "\"ready\":false");

    assert_int_equal(number_of(&s, "lists"), 2);
    assert_true(number_of(&s, "age-ms") < 9000);
    svc_stop(&s);
    cluster_stop(&c);
}

// Only where nothing else is asked of /version.
static void redirect__of_a_watch__is_not_followed(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    struct svc s = svc_watching(&c, 2, {"--poll", "1h"});
    cluster_do(&c, "POST", "/watch-fault?kind=redirect&count=1&path=pods");
    cluster_do(&c, "POST", "/watch-fault?kind=end&open=true&events=1&path=pods");
    ready(&c, "worker-1", false);

    wait_for_count(&c, "pods", "watches", 2);

    assert_int_equal(count_in(&c, "pods", "watchRequests"), 3);
    assert_false(has(cluster_do(&c, "GET", "/stats"), "GET /version"));
    assert_int_equal(number_of(&s, "failures"), 1);
    svc_stop(&s);
    cluster_stop(&c);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start__of_the_daemon__is_two_lists_and_two_watches),
        cmocka_unit_test(change__of_any_kind__is_known_within_a_second),
        cmocka_unit_test(watch__ended_by_the_server__goes_on_from_its_bookmark),
        cmocka_unit_test(stream__in_any_form__says_the_same),
        cmocka_unit_test(stream__broken_off__goes_on_without_a_list),
        cmocka_unit_test(version__expired__is_one_list),
        cmocka_unit_test(server__busy__is_left_alone_for_as_long_as_it_says),
        cmocka_unit_test(stream__without_sense__is_a_list_afresh),
        cmocka_unit_test(watches__that_end_at_once__are_asked_for_once_a_second),
        cmocka_unit_test(server__that_hangs__is_noticed_and_watched_anew),
        cmocka_unit_test(redirect__of_a_watch__is_not_followed),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
