// Tasks: their steps take turns, and none holds the loop up.
#include "tasks.h"

#include <cstring>
#include <event2/event.h>
#include <string>

#include "clock.h"
#include "cmocka_cc.h"

// A task that writes its letter so often.
struct writer {
    struct task task;
    char letter;
    int left;
    int64_t step_us;       // what a step takes
    struct writer *starts; // the next one to be added, with the last step; null: none
};

static struct event_base *base;
static struct tasks *tasks;
static std::string written;

static bool on_step(void *arg)
{
    struct writer *w = static_cast<struct writer *>(arg);
    const int64_t end_us = clock_monotonic_us() + w->step_us;
    written += w->letter;
    while (clock_monotonic_us() < end_us) {
    }
    if (--w->left > 0)
        return true;
    if (w->starts)
        tasks_add(tasks, &w->starts->task);
    return false;
}

static struct writer writer_of(char letter, int steps, int64_t step_us = 0)
{
    return {.task = {.step = on_step, .arg = nullptr, .next = nullptr, .previous = nullptr},
            .letter = letter,
            .left = steps,
            .step_us = step_us,
            .starts = nullptr};
}

static void add(struct writer *w)
{
    w->task.arg = w;
    tasks_add(tasks, &w->task);
}

static int setup(void **)
{
    written.clear();
    base = event_base_new();
    tasks = tasks_new(base);
    return 0;
}

static int teardown(void **)
{
    tasks_free(tasks);
    event_base_free(base);
    return 0;
}

static void steps__of_several_tasks__take_turns(void **)
{
    struct writer a = writer_of('a', 3), b = writer_of('b', 2), c = writer_of('c', 1);

    add(&a);
    add(&b);
    add(&c);
    add(&a); // it is there already
    assert_string_equal(written.c_str(), "");
    event_base_dispatch(base);

    assert_string_equal(written.c_str(), "abcaba");
}

static void tasks__may_be_added_and_removed__by_a_step(void **)
{
    struct writer a = writer_of('a', 1), b = writer_of('b', 5), c = writer_of('c', 2);
    a.starts = &c;
    c.task.arg = &c;

    add(&a);
    add(&b);
    task_remove(&b.task);
    task_remove(&b.task);
    event_base_dispatch(base);

    assert_string_equal(written.c_str(), "acc");
    b.left = 1;
    add(&b); // again
    event_base_dispatch(base);
    assert_string_equal(written.c_str(), "accb");
}

// Other work that is always due, for as long as there are tasks.
struct other {
    struct event *timer;
    const struct writer *until;
};

static void on_other_work(evutil_socket_t, short, void *arg)
{
    const struct other *o = static_cast<const struct other *>(arg);
    const struct timeval at_once = {.tv_sec = 0, .tv_usec = 0};
    written += '.';
    if (o->until->left > 0)
        event_add(o->timer, &at_once);
}

static void long_work__lets_the_loop_turn(void **)
{
    struct writer a = writer_of('a', 40, TASKS_TURN_US / 4);
    struct other other = {.timer = nullptr, .until = &a};
    other.timer = evtimer_new(base, on_other_work, &other);

    add(&a);
    event_active(other.timer, EV_TIMEOUT, 0);
    event_base_dispatch(base);

    event_free(other.timer);
    assert_int_equal(a.left, 0);
    assert_null(strstr(written.c_str(), "aaaaa")); // a turn has time for four
}

static void finish__does_all_at_once(void **)
{
    struct writer a = writer_of('a', 2), b = writer_of('b', 1);
    a.starts = &b;
    b.task.arg = &b;

    add(&a);
    tasks_finish(tasks);

    assert_string_equal(written.c_str(), "aab");
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(steps__of_several_tasks__take_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(tasks__may_be_added_and_removed__by_a_step, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(long_work__lets_the_loop_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(finish__does_all_at_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
