// The loop's longest hold-up.
#include "watchdog.h"

#include <event2/event.h>
#include <unistd.h>

#include "cmocka_cc.h"

static void on_block(evutil_socket_t, short, void *arg)
{
    const unsigned *ms = static_cast<const unsigned *>(arg);
    usleep(*ms * 1000);
}

// Runs a loop for a while in which one turn takes `ms`.
static int64_t longest_with_a_turn_of(unsigned ms)
{
    struct event_base *base = event_base_new();
    struct watchdog *w = watchdog_new(base);
    struct event *blocker = evtimer_new(base, on_block, &ms);
    const struct timeval soon = {.tv_sec = 0, .tv_usec = 50000};
    const struct timeval end = {.tv_sec = 0, .tv_usec = 50000 + ms * 1000 + 250000};
    event_add(blocker, &soon);
    event_base_loopexit(base, &end);

    event_base_dispatch(base);

    const int64_t longest_ms = watchdog_longest_ms(w);
    event_free(blocker);
    watchdog_free(w);
    event_base_free(base);
    return longest_ms;
}

static void turn__that_takes_long__is_noted(void **)
{
    assert_true(longest_with_a_turn_of(300) >= 200);
}

static void turns__that_are_short__are_not(void **)
{
    assert_true(longest_with_a_turn_of(0) < 200);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turn__that_takes_long__is_noted),
        cmocka_unit_test(turns__that_are_short__are_not),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
