// Notes how late a timer fires: what held it up held everything up.
#include "watchdog.h"

#include <algorithm>

#include <event2/event.h>

#include "clock.h"
#include "log.h"

constexpr int64_t STEP_MS = 100;
constexpr int64_t LOG_PAUSE_MS = 1000; // between two lines of the log

struct watchdog {
    struct event *timer;
    int64_t due_ms; // monotonic: when the timer should fire next
    int64_t longest_ms;
    int64_t logged_ms; // monotonic: the last line; 0: none
    unsigned unlogged; // hold-ups since then that the log does not know of
};

static void log_late(struct watchdog *w, int64_t late_ms, int64_t now_ms)
{
    if (w->logged_ms != 0 && now_ms - w->logged_ms < LOG_PAUSE_MS) {
        w->unlogged++;
        return;
    }
    log_warn(
        "the loop was held up for %lld ms, and %u times more than %lld ms since the last such line",
        static_cast<long long>(late_ms), w->unlogged, static_cast<long long>(WATCHDOG_WARN_MS));
    w->logged_ms = now_ms;
    w->unlogged = 0;
}

static void arm(struct watchdog *w, int64_t now_ms)
{
    const struct timeval step = {.tv_sec = 0, .tv_usec = STEP_MS * 1000};
    w->due_ms = now_ms + STEP_MS;
    event_add(w->timer, &step);
}

static void on_timer(evutil_socket_t, short, void *arg)
{
    struct watchdog *w = static_cast<struct watchdog *>(arg);
    const int64_t now_ms = clock_monotonic_ms(), late_ms = now_ms - w->due_ms;
    w->longest_ms = std::max(w->longest_ms, late_ms);
    if (late_ms > WATCHDOG_WARN_MS)
        log_late(w, late_ms, now_ms);
    arm(w, now_ms);
}

struct watchdog *watchdog_new(struct event_base *base)
{
    struct watchdog *w = new struct watchdog();
    w->timer = evtimer_new(base, on_timer, w);
    if (!w->timer)
        log_fatal("out of memory: no timer for the watchdog");
    arm(w, clock_monotonic_ms());
    return w;
}

void watchdog_free(struct watchdog *w)
{
    event_free(w->timer);
    delete w;
}

int64_t watchdog_longest_ms(const struct watchdog *w)
{
    return w->longest_ms;
}
