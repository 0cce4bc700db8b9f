// List and watch of one resource, on a scripted HTTP client.
#include "cmocka_cc.h"

#include <cstdlib>
#include <cstring>

#include "reflecting.h"

static void start__list_then_watch__keeps_up(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    add(f, 200, kube_json_pods(0, 2, ""));
    add_watch(f, "");

    reflector_start(f->reflector);
    reflector_start(f->reflector); // is at it already
    run(f, 2);
    assert_int_equal(status(f)->state, REFLECTOR_WATCHING);
    assert_true(has(f, 1, "watch=1&allowWatchBookmarks=true"));
    assert_true(has(f, 1, "resourceVersion=284"));
    const char *const seconds = strstr(f->script->requests[1].url.c_str(), "timeoutSeconds=");
    assert_in_range(atoi(seconds + strlen("timeoutSeconds=")), 300, 600);
    assert_int_equal(f->changes, 1);

    assert_int_equal(fake_push(f->http, "watch", kube_json_event("ADDED", kube_json_pod(7, "290"))),
                     1);
    assert_int_equal(count(f), 3);
    assert_int_equal(f->changes, 2);
    fake_push(f->http, "watch", kube_json_event("MODIFIED", kube_json_pod(7, "291"))); // the same
    assert_int_equal(f->changes, 2);
    fake_push(f->http, "watch", kube_json_event("DELETED", kube_json_pod(0, "292")));
    assert_int_equal(count(f), 2);
    assert_int_equal(f->changes, 3);
    assert_int_equal(status(f)->events, 3);
    assert_int_equal(f->errors, 0);
}

static void watch__ends_cleanly__goes_on_from_its_bookmark(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    add(f, 200, kube_json_pods(0, 2, ""));
    add_watch(f, kube_json_bookmark("300"));
    add_watch(f, "");
    reflector_start(f->reflector);
    run(f, 2);

    fake_end(f->http, "watch", FETCH_DONE);
    run(f, 3);

    assert_true(has(f, 2, "watch=1"));
    assert_true(has(f, 2, "resourceVersion=300"));
    assert_int_equal(status(f)->lists, 1);
    assert_int_equal(f->errors, 0);
}

static void watch__breaks_off__goes_on_from_the_same_version(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    const std::string event = kube_json_event("ADDED", kube_json_pod(7, "290"));
    add(f, 200, kube_json_pods(0, 2, ""));
    add_watch(f, kube_json_bookmark("300"));
    for (int i = 0; i < 3; i++)
        add_watch(f, "");
    reflector_start(f->reflector);
    run(f, 2);

    fake_push(f->http, "watch", event.substr(0, 40)); // an event that does not come in full
    fake_end(f->http, "watch", FETCH_RESET);
    run(f, 3);
    fake_push(f->http, "watch", event.substr(0, 40));
    fake_end(f->http, "watch", FETCH_DONE);
    run(f, 4);

    for (size_t i = 2; i < 4; i++) {
        assert_true(has(f, i, "watch=1"));
        assert_true(has(f, i, "resourceVersion=300"));
    }
    assert_int_equal(count(f), 2);
    assert_int_equal(f->errors, 2);
    assert_string_equal(f->message.c_str(), "watch pods: it ended within an event");
    assert_int_equal(status(f)->failures_in_row, 0); // the next was accepted
}

static void watch__version_expired__lists_once_and_goes_on(void **state)
{
    const std::string expired = kube_json_event(
        "ERROR", kube_json_status(410, "Expired", "too old resource version: 250 (316)"));
    for (const bool as_event : {true, false}) {
        struct reflecting *f = static_cast<struct reflecting *>(*state);
        f->script->requests.clear();
        use(f, KUBE_SLICES, QUICK);
        add(f, 200, kube_json_slices(0, 2, 80, ""));
        if (as_event)
            add_watch(f, expired);
        else
            add(f, 410, kube_json_status(410, "Gone", "gone"));
        add(f, 200, kube_json_slices(0, 3, 80, ""));
        add_watch(f, "");

        reflector_start(f->reflector);
        run(f, 4);

        assert_true(has(f, 1, "watch=1"));
        assert_true(has(f, 2, "resourceVersion=284&resourceVersionMatch=NotOlderThan"));
        assert_true(has(f, 3, "watch=1"));
        assert_int_equal(status(f)->state, REFLECTOR_WATCHING);
        assert_int_equal(f->errors, 0);
    }
}

static void watch__makes_no_sense__lists_afresh(void **state)
{
    const struct {
        std::string sent;
        const char *message;
    } table[] = {
        {"slow down", "watch endpointslices: no valid JSON"},
        {"{\"type\":\"ADDED\",\"object\":{}}",
         "watch endpointslices: an event 'ADDED' without a EndpointSlice that has a name and a "
         "version"},
        {kube_json_status(200, "x", "y"), "watch endpointslices: no event of a watch"},
        {kube_json_event("ERROR", kube_json_status(400, "x", "y")),
         "watch endpointslices: error 400: y"},
    };
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    for (const auto &row : table) {
        f->script->requests.clear();
        use(f, KUBE_SLICES, QUICK);
        add(f, 200, kube_json_slices(0, 2, 80, ""));
        add_watch(f, row.sent);
        add(f, 200, kube_json_slices(0, 3, 80, ""));
        add_watch(f, "");

        reflector_start(f->reflector);
        run(f, 4);

        assert_string_equal(f->message.c_str(), row.message);
        assert_false(has(f, 2, "resourceVersion"));
        assert_int_equal(status(f)->state, REFLECTOR_WATCHING);
    }
}

static void watch__unknown_events__are_passed_over(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    add(f, 200, kube_json_pods(0, 2, ""));
    add_watch(f, kube_json_event("LATER", "{}") + kube_json_bookmark("301"));
    reflector_start(f->reflector);
    run(f, 2);

    assert_int_equal(status(f)->state, REFLECTOR_WATCHING);
    assert_string_equal(reflector_store(f->reflector)->version.c_str(), "301");
}

static void watch__busy_server__is_asked_again_when_it_says(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    add(f, 200, kube_json_pods(0, 2, ""));
    add(f, 429, "slow down");
    f->script->replies.back().retry_after_s = 1;
    add_watch(f, "");

    reflector_start(f->reflector);
    run(f, 3);

    assert_true(has(f, 2, "watch=1"));
    assert_true(has(f, 2, "resourceVersion=284"));
    const int64_t waited = f->script->requests[2].at_ms - f->script->requests[1].at_ms;
    assert_in_range(waited, 990, 5000);
    assert_int_equal(count(f), 2);
}

static void watch__fails_again_and_again__lists(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    add(f, 200, kube_json_pods(0, 2, ""));
    for (int i = 0; i < 5; i++)
        add(f, 500, "");
    add(f, 200, kube_json_pods(0, 2, ""));
    add_watch(f, "");

    reflector_start(f->reflector);
    run(f, 8);

    assert_true(has(f, 5, "watch=1"));
    assert_false(has(f, 6, "watch=1"));
    assert_int_equal(f->errors, 5);
    assert_int_equal(status(f)->state, REFLECTOR_WATCHING);
}

static void watch__refused__polls_until_it_is_allowed(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    struct reflector_pace pace = QUICK;
    pace.watch_again_ms = 30;
    use(f, KUBE_PODS, pace);
    const std::string forbidden = kube_json_status(403, "Forbidden", "cannot watch");
    add(f, 200, kube_json_pods(0, 2, ""));
    f->script->replies.back().match = "limit=";
    f->script->replies.back().repeat = true;
    for (int i = 0; i < 2; i++) {
        add(f, 403, forbidden);
        f->script->replies.back().match = "watch=1";
    }
    add_watch(f, "");

    reflector_start(f->reflector);
    run(f, 3);
    assert_true(status(f)->polling);
    const int64_t end = clock_monotonic_ms() + PATIENCE_MS;
    while (status(f)->state != REFLECTOR_WATCHING && clock_monotonic_ms() < end)
        event_base_loop(f->base, EVLOOP_ONCE);

    assert_false(status(f)->polling);
    assert_int_equal(status(f)->watches, 3);
    assert_true(status(f)->lists > 2); // the first, and more than one while it is refused
    assert_int_equal(f->errors, 0);
}

// A server that has just begun refuses what it allowed before.
static void watch__refused_for_a_moment__does_not_poll(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    add(f, 200, kube_json_pods(0, 2, ""));
    add_watch(f, "");
    for (int i = 0; i < 2; i++)
        add(f, 403, kube_json_status(403, "Forbidden", "not yet"));
    add_watch(f, "");
    reflector_start(f->reflector);
    run(f, 2);

    fake_end(f->http, "watch", FETCH_RESET);
    run(f, 5);

    assert_int_equal(status(f)->state, REFLECTOR_WATCHING);
    assert_false(status(f)->polling);
}

static void watch__ends_at_once__does_not_spin_and_lists(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    add(f, 200, kube_json_pods(0, 2, ""));
    for (int i = 0; i < 3; i++)
        add(f, 200, "");
    add(f, 200, kube_json_pods(0, 2, ""));

    reflector_start(f->reflector);
    run(f, 5);

    assert_true(has(f, 3, "watch=1"));
    assert_false(has(f, 4, "watch=1"));
    assert_int_equal(f->errors, 0);
}

static void list__fails__keeps_what_was_known(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    struct reflector_pace pace = QUICK;
    pace.relist_ms = 0;
    use(f, KUBE_PODS, pace);
    add(f, 200, kube_json_pods(0, 2, ""));
    add_watch(f, kube_json_bookmark("300"));
    add(f, 0, "");
    add(f, 500, "broken");
    add(f, 200, "{\"kind\":\"PodList\",");
    add(f, 200, kube_json_pods(0, 1, ""));
    add_watch(f, "");
    reflector_start(f->reflector);
    run(f, 2);

    fake_end(f->http, "watch", FETCH_DONE); // it is time to list again
    run(f, 5);
    assert_int_equal(status(f)->failures_in_row, 3);
    assert_int_equal(count(f), 2);
    run(f, 7);

    assert_int_equal(f->errors, 3);
    assert_int_equal(status(f)->failures_in_row, 0);
    assert_int_equal(count(f), 1);
}

static void pause__server_begins_after_a_long_absence__is_short(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    struct reflector_pace pace = QUICK;
    pace.failed_ms = 10 * PATIENCE_MS;
    use(f, KUBE_PODS, pace);
    for (int i = 0; i < 20; i++)
        add(f, 0, "");
    add(f, 403, kube_json_status(403, "Forbidden", "not yet"));
    add(f, 200, kube_json_pods(0, 2, ""));
    add_watch(f, "");

    reflector_start(f->reflector);
    run(f, 23);

    assert_int_equal(count(f), 2);
}

static void list__refused__is_told_at_once(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    f->stop_on_error = true;
    add(f, 403, kube_json_status(403, "Forbidden", "cannot list"));

    reflector_start(f->reflector);
    run(f, 1);

    assert_true(f->refused);
    assert_int_equal(status(f)->state, REFLECTOR_STOPPED);
    assert_int_equal(f->script->under_way, 0);
    assert_string_equal(f->message.c_str(), "list pods: HTTP 403: cannot list");
}

static void restart_watch__watching__begins_anew_from_there(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    add(f, 200, kube_json_pods(0, 2, ""));
    add_watch(f, kube_json_bookmark("300"));
    add_watch(f, "");
    reflector_restart_watch(f->reflector); // stopped: nothing
    reflector_start(f->reflector);
    run(f, 2);

    reflector_restart_watch(f->reflector);
    run(f, 3);

    assert_true(has(f, 2, "resourceVersion=300"));
    assert_int_equal(f->script->under_way, 1);
    reflector_stop(f->reflector);
    assert_int_equal(f->script->under_way, 0);
    assert_int_equal(count(f), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reflecting_begin, reflecting_end)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(start__list_then_watch__keeps_up),
        TEST(watch__ends_cleanly__goes_on_from_its_bookmark),
        TEST(watch__breaks_off__goes_on_from_the_same_version),
        TEST(watch__version_expired__lists_once_and_goes_on),
        TEST(watch__makes_no_sense__lists_afresh),
        TEST(watch__unknown_events__are_passed_over),
        TEST(watch__busy_server__is_asked_again_when_it_says),
        TEST(watch__fails_again_and_again__lists),
        TEST(watch__refused__polls_until_it_is_allowed),
        TEST(watch__refused_for_a_moment__does_not_poll),
        TEST(watch__ends_at_once__does_not_spin_and_lists),
        TEST(list__fails__keeps_what_was_known),
        TEST(pause__server_begins_after_a_long_absence__is_short),
        TEST(list__refused__is_told_at_once),
        TEST(restart_watch__watching__begins_anew_from_there),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
