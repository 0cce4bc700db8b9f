// When a reflector asks again, on a scripted HTTP client.
#include "cmocka_cc.h"

#include "reflecting.h"

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, reflecting_begin, reflecting_end)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(watch__accepted_and_failing_each_time__lists),
        TEST(watch__failing_after_events__does_not_list),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
