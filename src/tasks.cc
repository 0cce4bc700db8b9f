// A ring of tasks and a timer that is due at once while there are any. Owns no task.
#include "tasks.h"

#include <cassert>

#include <event2/event.h>

#include "clock.h"
#include "log.h"

struct tasks {
    struct task ring; // its `next` is the first, its `previous` the last
    struct event *timer;
};

// By way of a timer of no delay, so that the loop looks after its sockets in between.
static void arm(struct tasks *t)
{
    const struct timeval at_once = {.tv_sec = 0, .tv_usec = 0};
    if (event_add(t->timer, &at_once) != 0)
        log_fatal("out of memory: no timer for tasks");
}

static bool is_empty(const struct tasks *t)
{
    return t->ring.next == &t->ring;
}

static void append(struct tasks *t, struct task *task)
{
    task->next = &t->ring;
    task->previous = t->ring.previous;
    t->ring.previous->next = task;
    t->ring.previous = task;
}

static void run_first(struct tasks *t)
{
    struct task *task = t->ring.next;
    task_remove(task);
    if (task->step(task->arg) && !task->next)
        append(t, task);
}

static void on_timer(evutil_socket_t, short, void *arg)
{
    struct tasks *t = static_cast<struct tasks *>(arg);
    const int64_t begun_us = clock_monotonic_us();
    while (!is_empty(t) && clock_monotonic_us() - begun_us < TASKS_TURN_US)
        run_first(t);
    if (!is_empty(t))
        arm(t);
}

struct tasks *tasks_new(struct event_base *base)
{
    struct tasks *t = new tasks{};
    t->ring.next = t->ring.previous = &t->ring;
    t->timer = evtimer_new(base, on_timer, t);
    if (!t->timer)
        log_fatal("out of memory: no timer for tasks");
    return t;
}

void tasks_free(struct tasks *t)
{
    assert(is_empty(t));
    event_free(t->timer);
    delete t;
}

void tasks_add(struct tasks *t, struct task *task)
{
    if (task->next)
        return;
    if (is_empty(t))
        arm(t);
    append(t, task);
}

void task_remove(struct task *task)
{
    if (!task->next)
        return;
    task->next->previous = task->previous;
    task->previous->next = task->next;
    task->next = task->previous = nullptr;
}

void tasks_finish(struct tasks *t)
{
    while (!is_empty(t))
        run_first(t);
}
