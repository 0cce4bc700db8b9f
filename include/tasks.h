// Work in small steps: however much there is to do, no turn of the loop spends long on it.
//
// The steps of all tasks take turns, and all of them together with everything else that the loop does.
#pragma once
#include <cstdint>

constexpr int64_t TASKS_TURN_US = 500; // no step begins later than this in a turn of the loop

struct event_base;
struct tasks;

// Does a little, well below a millisecond. False: nothing is left to do; the task may be gone then.
// It may add and remove tasks.
typedef bool (*task_fn)(void *arg);

// A part of whatever it works for, which removes it before it goes.
struct task {
    task_fn step;
    void *arg;                    // of step
    struct task *next, *previous; // null: not added
};

[[nodiscard]] struct tasks *tasks_new(struct event_base *base);

// No task may be left in it.
void tasks_free(struct tasks *t);

// Its steps begin in another turn of the loop, behind those of the others. Nothing where it was added
// before and is not yet done.
void tasks_add(struct tasks *t, struct task *task);

// No further step, until it is added again. Nothing where it was not added.
void task_remove(struct task *task);

// Does all there is to do at once, when nobody waits any more.
void tasks_finish(struct tasks *t);
