// When a node is no longer waited for, and when it is tried again.
#include "breaker.h"

#include "cmocka_cc.h"

// A breaker that has just opened, at 1000 ms.
static struct breaker opened()
{
    struct breaker b = {};
    for (unsigned i = 0; i < BREAKER_FAILURES; i++)
        (void)breaker_fail(&b, BREAKER_HUNG, "/v1/pods", 1000);
    return b;
}

static void failures__in_a_row__open_it_once(void **)
{
    struct breaker b = {};

    for (unsigned i = 1; i < BREAKER_FAILURES; i++) {
        assert_false(breaker_fail(&b, BREAKER_HUNG, "/v1/pods", 1000));
        assert_false(b.open);
    }
    assert_true(breaker_fail(&b, BREAKER_HUNG, "/v1/pods", 1000));
    assert_true(b.open);
    assert_false(breaker_fail(&b, BREAKER_HUNG, "/v1/pods", 1000));
}

static void success__between_failures__starts_the_count_anew(void **)
{
    struct breaker b = {};

    for (int i = 0; i < 20; i++) {
        assert_false(breaker_fail(&b, BREAKER_HUNG, "/v1/pods", 1000));
        assert_false(breaker_fail(&b, BREAKER_HUNG, "/v1/pods", 1000));
        assert_false(breaker_succeed(&b));
    }
    assert_false(b.open);
}

static void success__while_open__closes_it(void **)
{
    struct breaker b = opened();

    assert_true(breaker_succeed(&b));

    assert_false(b.open);
    assert_int_equal(b.failures, 0);
}

static void probe__due__is_due_once(void **)
{
    struct breaker b = opened();

    assert_false(breaker_is_due(&b, 1000 + BREAKER_FIRST_PAUSE_MS - 1));
    assert_true(breaker_is_due(&b, 1000 + BREAKER_FIRST_PAUSE_MS));
    breaker_probe(&b);
    assert_false(breaker_is_due(&b, 1000 + BREAKER_FIRST_PAUSE_MS));
}

static void probes__that_fail__come_after_growing_pauses(void **)
{
    struct breaker b = opened();
    int64_t now_ms = 1000, pause_ms = BREAKER_FIRST_PAUSE_MS;

    for (int i = 0; i < 10; i++) {
        assert_int_equal(b.next_probe_ms - now_ms, pause_ms);
        now_ms = b.next_probe_ms;
        breaker_probe(&b);
        assert_false(breaker_fail(&b, BREAKER_HUNG, "/v1/pods", now_ms));
        pause_ms =
            pause_ms * 2 < BREAKER_LONGEST_PAUSE_MS ? pause_ms * 2 : BREAKER_LONGEST_PAUSE_MS;
    }
}

static void requests__that_fail_while_open__do_not_move_the_probe(void **)
{
    struct breaker b = opened();
    const int64_t due_ms = b.next_probe_ms;

    for (int i = 0; i < 10; i++)
        assert_false(breaker_fail(&b, BREAKER_HUNG, "/v1/pods", 1100));

    assert_int_equal(b.next_probe_ms, due_ms);
    breaker_probe(&b);
    assert_false(breaker_fail(&b, BREAKER_SILENT, "/v1/pods", 1700));
    assert_false(breaker_is_due(&b, 9000)); // the probe is still under way
}

static void silence__in_less_than_the_whole_time__is_for_a_probe_to_judge(void **)
{
    struct breaker b = {};
    for (unsigned i = 1; i <= 10 * BREAKER_FAILURES; i++) {
        assert_false(breaker_is_due(&b, 9000) && i <= BREAKER_FAILURES);
        assert_false(breaker_fail(&b, BREAKER_SILENT, "/v1/pods", 1000));
    }
    assert_false(b.open);
    assert_false(breaker_is_due(&b, 1000 + BREAKER_FIRST_PAUSE_MS - 1));
    assert_true(breaker_is_due(&b, 1000 + BREAKER_FIRST_PAUSE_MS));

    breaker_probe(&b);
    assert_false(breaker_is_due(&b, 1000));
    assert_false(breaker_fail(&b, BREAKER_SILENT, "/v1/pods", 1500));
    assert_false(breaker_is_due(&b, 1500));

    assert_true(breaker_fail(&b, BREAKER_HUNG, "/v1/pods", 2000)); // the probe
    assert_true(b.open);
    assert_int_equal(b.next_probe_ms, 2000 + BREAKER_FIRST_PAUSE_MS);
}

static void probe__of_a_node_that_answers__leaves_it_closed(void **)
{
    struct breaker b = {};
    for (unsigned i = 0; i < BREAKER_FAILURES; i++)
        assert_false(breaker_fail(&b, BREAKER_SILENT, "/v1/pods", 1000));
    breaker_probe(&b);

    assert_false(breaker_succeed(&b));

    assert_false(breaker_is_due(&b, 9000));
    assert_int_equal(b.failures, 0);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures__in_a_row__open_it_once),
        cmocka_unit_test(success__between_failures__starts_the_count_anew),
        cmocka_unit_test(success__while_open__closes_it),
        cmocka_unit_test(probe__due__is_due_once),
        cmocka_unit_test(probes__that_fail__come_after_growing_pauses),
        cmocka_unit_test(requests__that_fail_while_open__do_not_move_the_probe),
        cmocka_unit_test(silence__in_less_than_the_whole_time__is_for_a_probe_to_judge),
        cmocka_unit_test(probe__of_a_node_that_answers__leaves_it_closed),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
