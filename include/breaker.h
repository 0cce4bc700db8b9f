// A node's circuit breaker: when it is no longer waited for, and when it is tried again. Pure.
//
// A node that does not answer in time again and again costs every request its deadline. After
// BREAKER_FAILURES in a row its circuit opens: requests report it at once, and a probe in the background
// finds out, after pauses that grow, when it answers again.
#pragma once
#include <cstdint>
#include <string>

constexpr unsigned BREAKER_FAILURES = 3;            // in a row, until it opens
constexpr int64_t BREAKER_FIRST_PAUSE_MS = 500;     // before the first probe
constexpr int64_t BREAKER_LONGEST_PAUSE_MS = 10000; // the pauses double up to this
constexpr int64_t BREAKER_LEAST_PATIENCE_MS = 100;  // a deadline below proves nothing about a node

// Plain data; zero-initialised it is closed. Times are milliseconds of the monotonic clock.
struct breaker {
    bool open;
    unsigned failures;     // in a row
    int64_t opened_ms;     // while open
    int64_t next_probe_ms; // while open
    int64_t pause_ms;      // while open: before the next probe
    bool probing;          // a probe is under way
    std::string target;    // what it did not answer in time: what a probe asks again
};

// It answered, whatever it said. Returns whether that closed it.
bool breaker_succeed(struct breaker *b);

// It did not answer `target` in time. Returns whether that opened it.
bool breaker_fail(struct breaker *b, const std::string &target, int64_t now_ms);

// Whether a probe is due.
[[nodiscard]] bool breaker_is_due(const struct breaker *b, int64_t now_ms);

// A probe begins; it ends with breaker_succeed or breaker_fail.
void breaker_probe(struct breaker *b);
