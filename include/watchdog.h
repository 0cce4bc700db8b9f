// Watches that no turn of the loop holds the others up.
//
// A timer notes how late it fires. What is late by more than WATCHDOG_WARN_MS goes into the log, at most
// once a second.
#pragma once
#include <cstdint>

constexpr int64_t WATCHDOG_WARN_MS = 100;

struct event_base;
struct watchdog;

[[nodiscard]] struct watchdog *watchdog_new(struct event_base *base);
void watchdog_free(struct watchdog *w);

// The longest hold-up so far, in milliseconds.
[[nodiscard]] int64_t watchdog_longest_ms(const struct watchdog *w);
