// The two clocks: one that never goes back, for durations, and the wall's, for people.
#pragma once
#include <cstdint>
#include <ctime>
#include <string>

// Microseconds since some fixed point; only differences mean anything.
inline int64_t clock_monotonic_us()
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<int64_t>(t.tv_sec) * 1000000 + t.tv_nsec / 1000;
}

// Milliseconds since that point.
inline int64_t clock_monotonic_ms()
{
    return clock_monotonic_us() / 1000;
}

// Milliseconds since 1970-01-01T00:00:00Z.
inline int64_t clock_wall_ms()
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return static_cast<int64_t>(t.tv_sec) * 1000 + t.tv_nsec / 1000000;
}

// RFC 3339 in UTC with milliseconds, such as "2026-01-31T12:00:00.000Z".
[[nodiscard]] std::string clock_text(int64_t wall_ms);
