// Watches of the simulated API server, which other tests rely on.
#include <unistd.h>

#include "cmocka_cc.h"
#include "e2e.h"
#include "watching.h"

static const char SELECTED_PODS[] = "/api/v1/pods?labelSelector=app%3Dcontainer-tracer-backend";

static void change__of_a_pod__is_seen_in_all_that_list_it(void **)
{
    struct cluster c = cluster_start({"--nodes", "3"});
    struct watch pods = watch_from_now(&c, PODS), slices = watch_from_now(&c, SLICES),
                 endpoints = watch_from_now(&c, ENDPOINTS);

    cluster_do(&c, "POST", "/node-ready?name=worker-2&ready=false");

    watch_wait_for(&pods, "\"qosClass\":\"BestEffort\"}}}\n");
    assert_has(pods.got, "\"type\":\"Ready\",\"status\":\"False\"");
    assert_has(pods.got, "Transfer-Encoding: chunked\r\n");
    watch_wait_for(&slices, "}]}}\n");
    assert_has(slices.got, "\"conditions\":{\"ready\":false,\"serving\":false");
    watch_wait_for(&endpoints, "}]}}\n");
    assert_has(endpoints.got, "\"notReadyAddresses\":[{\"ip\":\"127.77.0.2\"");
    assert_has(endpoints.got, "\r\nWarning: 299 - ");
    for (struct watch *w : {&pods, &slices, &endpoints}) {
        assert_text(watch_types(w), "MODIFIED");
        close(w->fd);
    }
    cluster_stop(&c);
}

static void node__added_and_removed__changes_its_slice_and_no_other(void **)
{
    struct cluster c = cluster_start({"--nodes", "100"});
    struct watch pods = watch_from_now(&c, PODS), slices = watch_from_now(&c, SLICES);

    cluster_do(&c, "POST", "/node?name=extra");
    cluster_do(&c, "DELETE", "/node?name=worker-7");
    cluster_do(&c, "DELETE", "/node?name=extra");
    watch_catch_up(&c, &pods, &slices);

    // each pod is about to be deleted before it is gone
    assert_text(watch_types(&pods), "ADDED MODIFIED DELETED MODIFIED DELETED BOOKMARK");
    // a new slice for the 101st; one endpoint terminates and leaves, then the new slice ends
    assert_text(watch_types(&slices), "ADDED MODIFIED MODIFIED MODIFIED DELETED BOOKMARK");
    assert_has(pods.got, "\"deletionTimestamp\":\"");
    assert_has(slices.got, "\"ready\":false,\"serving\":true,\"terminating\":true");
    close(pods.fd);
    close(slices.fd);
    cluster_stop(&c);
}

static void object__that_leaves_a_selector__is_deleted_there(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    struct watch all = watch_from_now(&c, PODS), selected = watch_from_now(&c, SELECTED_PODS);

    cluster_do(&c, "POST", "/node-label?name=worker-1&app=other");
    cluster_do(&c, "POST", "/node-ready?name=worker-1&ready=false");
    cluster_do(&c, "POST", "/node-label?name=worker-1&app=container-tracer-backend");
    watch_catch_up(&c, &all, &selected);

    assert_text(watch_types(&all), "MODIFIED MODIFIED MODIFIED BOOKMARK");
    assert_text(watch_types(&selected), "DELETED ADDED BOOKMARK");
    assert_false(has(selected.got, "\"app\":\"other\""));
    close(all.fd);
    close(selected.fd);
    cluster_stop(&c);
}

static void watch__of_another_namespace__sees_nothing(void **)
{
    struct cluster c = cluster_start({"--nodes", "1"});
    struct watch w = watch_from_now(&c, "/api/v1/namespaces/elsewhere/pods");

    cluster_do(&c, "POST", "/node-ready?name=worker-1&ready=false");
    cluster_do(&c, "POST", "/node?name=far&namespace=elsewhere");
    watch_catch_up(&c, &w);

    assert_text(watch_types(&w), "ADDED BOOKMARK");
    close(w.fd);
    cluster_stop(&c);
}

static void watch__from_an_older_version__catches_up(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    const std::string version = list_version(&c, PODS);
    cluster_do(&c, "POST", "/node-ready?name=worker-1&ready=false");
    cluster_do(&c, "DELETE", "/node?name=worker-2");

    struct watch w = watch_start(&c, PODS, "allowWatchBookmarks=1&resourceVersion=" + version);
    watch_catch_up(&c, &w);

    assert_text(watch_types(&w), "MODIFIED MODIFIED DELETED BOOKMARK");
    close(w.fd);
    cluster_stop(&c);
}

static void watch__without_a_version__begins_with_all_objects(void **)
{
    struct cluster c = cluster_start({"--nodes", "3"});
    for (const char *query : {"allowWatchBookmarks=true", "resourceVersion=0&allowWatchBookmarks=1",
                              "resourceVersion=&allowWatchBookmarks=1"}) {
        struct watch w = watch_start(&c, PODS, query);
        watch_catch_up(&c, &w);
        assert_text(watch_types(&w), "ADDED ADDED ADDED BOOKMARK");
        close(w.fd);
    }
    cluster_stop(&c);
}

static void watch__from_the_future__waits_where_a_list_is_refused(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    const std::string version = std::to_string(std::stoul(list_version(&c, PODS)) + 3);
    const std::string from = "resourceVersion=" + version;

    struct watch w = watch_start(&c, PODS, "allowWatchBookmarks=true&" + from);
    cluster_do(&c, "POST", "/node-ready?name=worker-1&ready=false"); // three versions
    cluster_do(&c, "POST", "/node-ready?name=worker-2&ready=false");
    watch_catch_up(&c, &w);
    assert_text(watch_types(&w), "MODIFIED BOOKMARK");
    assert_has(w.got, "worker-2");

    const struct reply list =
        http_get(c.api + PODS + "?resourceVersionMatch=NotOlderThan&resourceVersion=9" + version);
    assert_int_equal(list.status, 504);
    assert_has(list.body, "\"reason\":\"ResourceVersionTooLarge\"");
    close(w.fd);
    cluster_stop(&c);
}

static void watch__at_its_timeout__ends_after_a_bookmark(void **)
{
    struct cluster c = cluster_start({"--nodes", "1"});
    struct watch w = watch_start(&c, SLICES, "timeoutSeconds=1&allowWatchBookmarks=true");
    struct watch plain = watch_start(&c, SLICES, "timeoutSeconds=1");

    watch_wait_for(&w, "0\r\n\r\n");
    watch_wait_for(&plain, "0\r\n\r\n");

    assert_text(watch_types(&w), "ADDED BOOKMARK");
    assert_has(w.got, "\"addressType\":\"\",\"endpoints\":null,\"ports\":null}}\n");
    assert_text(watch_types(&plain), "ADDED");
    cluster_wait_for(&c, "/stats", "\"openWatches\":0},\"endpoints\"");
    close(w.fd);
    close(plain.fd);
    cluster_stop(&c);
}

static void watch__for_metadata__gets_no_more(void **)
{
    struct cluster c = cluster_start({"--nodes", "1"});
    struct watch w =
        watch_start(&c, PODS, "allowWatchBookmarks=true",
                    "Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1\r\n");
    watch_catch_up(&c, &w);

    assert_int_equal(count_of(w.got, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":"
                                     "\"meta.k8s.io/v1\",\"metadata\":{"),
                     2);
    assert_false(has(w.got, "\"status\""));
    close(w.fd);
    cluster_stop(&c);
}

static void watch__forbidden__is_answered_with_403(void **)
{
    struct cluster c = cluster_start({"--nodes", "1", "--no-watch"});
    const std::string slices = c.api + SLICES + "?watch=1&timeoutSeconds=1";
    const std::string pods = c.api + PODS + "?watch=true&timeoutSeconds=1";

    const struct reply r = http_get(slices);
    assert_int_equal(r.status, 403);
    assert_has(r.body, "cannot watch resource \\\"endpointslices\\\"");
    assert_int_equal(http_get(c.api + SLICES).status, 200);

    cluster_do(&c, "POST", "/watch?forbidden=false");
    cluster_do(&c, "POST", "/watch?forbidden=true&path=slices");
    assert_int_equal(http_get(slices).status, 403);
    assert_int_equal(http_get(pods).status, 200);
    cluster_stop(&c);
}

static void counters__of_a_resource__tell_what_was_asked(void **)
{
    struct cluster c = cluster_start({"--nodes", "3"});
    const struct reply page = http_get(c.api + PODS + "?limit=2");
    const size_t at = page.body.find("\"continue\":\"") + 12;
    const std::string token = page.body.substr(at, page.body.find('"', at) - at);
    http_get(c.api + PODS + "?limit=2&continue=" + token);
    struct watch w = watch_start(&c, PODS, "timeoutSeconds=300&resourceVersion=0",
                                 "Accept-Encoding: gzip\r\nUser-Agent: test/1\r\n");
    watch_wait_for(&w, "worker-3");

    const std::string stats = cluster_do(&c, "GET", "/stats");

    assert_has(stats, "\"pods\":{\"lists\":1,\"pages\":2,\"watchRequests\":1,\"watches\":1,"
                      "\"events\":3,\"bookmarks\":0,");
    assert_has(stats, "\"acceptEncodings\":1,");
    assert_has(stats, "\"lastWatch\":\"/api/v1/pods?watch=1&timeoutSeconds=300&"
                      "resourceVersion=0\",\"userAgent\":\"test/1\",\"openWatches\":1}");
    close(w.fd);
    cluster_stop(&c);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(change__of_a_pod__is_seen_in_all_that_list_it),
        cmocka_unit_test(node__added_and_removed__changes_its_slice_and_no_other),
        cmocka_unit_test(object__that_leaves_a_selector__is_deleted_there),
        cmocka_unit_test(watch__of_another_namespace__sees_nothing),
        cmocka_unit_test(watch__from_an_older_version__catches_up),
        cmocka_unit_test(watch__without_a_version__begins_with_all_objects),
        cmocka_unit_test(watch__from_the_future__waits_where_a_list_is_refused),
        cmocka_unit_test(watch__at_its_timeout__ends_after_a_bookmark),
        cmocka_unit_test(watch__for_metadata__gets_no_more),
        cmocka_unit_test(watch__forbidden__is_answered_with_403),
        cmocka_unit_test(counters__of_a_resource__tell_what_was_asked),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
