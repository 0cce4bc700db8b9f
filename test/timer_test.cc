// Timers count from when they are started.
#include "timer.h"

#include <event2/event.h>

#include "clock.h"
#include "support/cmocka_cc.h"

constexpr int64_t PAUSE_MS = 20;

struct scene {
    struct event_base *base;
    struct event *timer;
    int64_t started_ms, ended_ms;
};

static void on_timer(evutil_socket_t, short, void *arg)
{
    static_cast<struct scene *>(arg)->ended_ms = clock_monotonic_ms();
}

static void on_nothing(evutil_socket_t, short, void *)
{
}

static void soon(struct scene *s, event_callback_fn callback)
{
    const struct timeval after = {.tv_sec = 0, .tv_usec = 1000};
    assert_int_equal(event_base_once(s->base, -1, EV_TIMEOUT, callback, s, &after), 0);
}

// A turn that takes longer than the pause, and another one soon, which looks at the time anew.
static void on_turn(evutil_socket_t, short, void *arg)
{
    struct scene *s = static_cast<struct scene *>(arg);
    const int64_t begin_ms = clock_monotonic_ms();
    while (clock_monotonic_ms() < begin_ms + 2 * PAUSE_MS) {
        // busy
    }
    s->started_ms = clock_monotonic_ms();
    timer_start(s->timer, PAUSE_MS);
    soon(s, on_nothing);
}

static void start__late_in_a_long_turn__waits_as_long(void **)
{
    struct scene s = {};
    struct event_config *how = event_config_new();
    event_config_set_flag(how,
                          EVENT_BASE_FLAG_PRECISE_TIMER); // as the daemon's; others are 4 ms coarse
    s.base = event_base_new_with_config(how);
    event_config_free(how);
    s.timer = evtimer_new(s.base, on_timer, &s);
    soon(&s, on_turn);

    event_base_dispatch(s.base);

    assert_true(s.ended_ms - s.started_ms >= PAUSE_MS - 1); // both are cut to a millisecond
    event_free(s.timer);
    event_base_free(s.base);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start__late_in_a_long_turn__waits_as_long),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
