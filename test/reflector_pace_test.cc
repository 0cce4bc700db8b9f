// When a reflector asks again: pauses, polls and time limits, on a scripted HTTP client.
#include "cmocka_cc.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <set>

#include "reflecting.h"

// Milliseconds between a request and the one before it.
static int64_t gap_ms(const struct reflecting *f, size_t i)
{
    return f->script->requests[i].at_ms - f->script->requests[i - 1].at_ms;
}

static void watch__accepted_and_failing_each_time__lists(void **state)
{
    const std::string error = kube_json_event("ERROR", kube_json_status(500, "InternalError", "x"));
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    add(f, 200, kube_json_pods(0, 2, ""));
    for (int i = 0; i < 5; i++)
        add_watch(f, error);
    add(f, 200, kube_json_pods(0, 3, ""));
    add_watch(f, "");

    reflector_start(f->reflector);
    run(f, 8);

    assert_true(has(f, 5, "watch=1"));
    assert_false(has(f, 6, "watch=1"));
    assert_int_equal(count(f), 3);
}

// Failures between which there was something new are none in a row.
static void watch__failing_after_events__does_not_list(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    add(f, 200, kube_json_pods(0, 2, ""));
    for (int i = 0; i < 12; i++)
        add_watch(f, kube_json_bookmark("300") + (i < 11 ? "{\"" : ""));
    reflector_start(f->reflector);
    run(f, 2);

    for (size_t i = 2; i < 13; i++) {
        fake_end(f->http, "watch", FETCH_RESET);
        run(f, i + 1);
    }

    assert_int_equal(status(f)->lists, 1);
    assert_int_equal(status(f)->watches, 12);
}

static void pause__after_each_failure__doubles_up_to_the_longest(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    struct reflector_pace pace = QUICK;
    pace.retry_ms = 4;
    pace.failed_ms = 50;
    use(f, KUBE_PODS, pace);
    add(f, 503, "");
    f->script->replies.back().repeat = true;

    reflector_start(f->reflector);
    run(f, 9);

    for (size_t i = 1; i < 9; i++)
        assert_true(gap_ms(f, i) >= std::min<int64_t>(4 << (i - 1), 50) - 1); // of rounding
}

static void pause__of_the_daemon__is_no_more_than_16_requests_in_5_minutes(void **)
{
    const struct reflector_pace pace = reflector_pace_of(10000);
    int64_t ms = 0, least_ms = pace.retry_ms;
    unsigned requests = 0;
    for (; ms <= 5 * 60 * 1000; requests++) {
        ms += least_ms;
        least_ms = std::min(2 * least_ms, pace.failed_ms);
    }
    assert_in_range(requests, 10, 16);
    assert_in_range(pace.watch_again_ms, 1, 6 * 60 * 1000);
}

static void pause__server_says_how_long__is_no_shorter(void **state)
{
    const struct {
        int status; // 0: an event of an open watch
        std::string body;
    } table[] = {
        {429, "Too many requests, please try again later.\n"},
        {503, R"({"kind":"Status","code":503,"details":{"retryAfterSeconds":1}})"},
        {0, kube_json_event("ERROR", R"({"kind":"Status","code":429,"message":"busy",)"
                                     R"("details":{"retryAfterSeconds":1}})")},
    };
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    for (const auto &row : table) {
        f->script->requests.clear();
        use(f, KUBE_PODS, QUICK);
        add(f, 200, kube_json_pods(0, 2, ""));
        if (row.status == 0)
            add_watch(f, row.body);
        else
            add(f, row.status, row.body);
        f->script->replies.back().retry_after_s = row.status == 429 ? 1 : -1;
        add_watch(f, "");

        reflector_start(f->reflector);
        run(f, 3);

        assert_true(has(f, 2, "resourceVersion=284&watch=1"));
        assert_true(gap_ms(f, 2) >= 999);
    }
}

static void poll__watching_refused__keeps_its_distance(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    struct reflector_pace pace = QUICK;
    pace.poll_ms = 40;
    use(f, KUBE_SLICES, pace);
    add(f, 403, kube_json_status(403, "Forbidden", "cannot watch"));
    f->script->replies.back().match = "watch=1";
    add(f, 200, kube_json_slices(0, 2, 80, ""));
    f->script->replies.back().repeat = true;

    reflector_start(f->reflector);
    run(f, 8);

    for (size_t i = 2; i < 8; i++) {
        assert_true(has(f, i, "resourceVersion=284&resourceVersionMatch=NotOlderThan"));
        assert_true(gap_ms(f, i) >= 36 - 1);
    }
    assert_int_equal(status(f)->watches, 1);
}

static void watch__each__is_for_another_time_and_bounded(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    add(f, 200, kube_json_pods(0, 2, ""));
    for (int i = 0; i < 8; i++)
        add_watch(f, "");
    reflector_start(f->reflector);
    run(f, 2);
    for (size_t i = 2; i < 9; i++) {
        reflector_restart_watch(f->reflector);
        run(f, i + 1);
    }

    std::set<int> different;
    for (size_t i = 1; i < 9; i++) {
        const struct fake_request &r = f->script->requests[i];
        const char *const at = strstr(r.url.c_str(), "&timeoutSeconds=");
        assert_non_null(at);
        const int seconds = atoi(at + strlen("&timeoutSeconds="));
        assert_in_range(seconds, 300, 600);
        assert_int_equal(r.timeout_ms, (seconds + 30) * 1000);
        different.insert(seconds);
    }
    assert_true(different.size() > 1);
}

static void watch__silent_after_a_bookmark__begins_anew_from_there(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    struct reflector_pace pace = QUICK;
    pace.silence_ms = 30;
    use(f, KUBE_PODS, pace);
    add(f, 200, kube_json_pods(0, 2, ""));
    add_watch(f, kube_json_bookmark("300"));
    add_watch(f, "");
    reflector_start(f->reflector);

    run(f, 3);

    assert_true(has(f, 2, "resourceVersion=300"));
    assert_true(gap_ms(f, 2) >= 30 - 1);
    assert_string_equal(f->message.c_str(), "watch pods: the server has fallen silent");
    assert_int_equal(f->script->under_way, 1);
    // there was no bookmark in this one, so that silence is nothing
    const int64_t end_ms = clock_monotonic_ms() + 100;
    while (clock_monotonic_ms() < end_ms)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_int_equal(f->errors, 1);
    assert_int_equal(count(f), 2);
}

static void watch__never_accepted__is_asked_for_again(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    struct reflector_pace pace = QUICK;
    pace.head_ms = 20;
    use(f, KUBE_PODS, pace);
    add(f, 200, kube_json_pods(0, 2, ""));
    reflector_start(f->reflector);

    run(f, 4);

    assert_true(has(f, 3, "resourceVersion=284"));
    assert_true(gap_ms(f, 3) >= 20 - 1);
    assert_int_equal(f->script->under_way, 1);
    assert_int_equal(f->errors, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reflecting_begin, reflecting_end)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(watch__accepted_and_failing_each_time__lists),
        TEST(watch__failing_after_events__does_not_list),
        TEST(pause__after_each_failure__doubles_up_to_the_longest),
        TEST(pause__of_the_daemon__is_no_more_than_16_requests_in_5_minutes),
        TEST(pause__server_says_how_long__is_no_shorter),
        TEST(poll__watching_refused__keeps_its_distance),
        TEST(watch__each__is_for_another_time_and_bounded),
        TEST(watch__silent_after_a_bookmark__begins_anew_from_there),
        TEST(watch__never_accepted__is_asked_for_again),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
