// Timers of libevent in milliseconds.
#pragma once
#include <cstdint>

struct event;

// Has `timer`, which may be pending, end so long from now. libevent by itself counts from when this turn of the
// loop began, and a turn that has taken long would be part of the pause.
void timer_start(struct event *timer, int64_t ms);
