// Timers of libevent in milliseconds.
#include "timer.h"

#include <event2/event.h>

void timer_start(struct event *timer, int64_t ms)
{
    const struct timeval after = {.tv_sec = static_cast<time_t>(ms / 1000),
                                  .tv_usec = static_cast<suseconds_t>(ms % 1000 * 1000)};
    event_base_update_cache_time(event_get_base(timer));
    evtimer_add(timer, &after);
}
