// A node's circuit breaker: when it is no longer waited for, and when it is tried again. Pure.
//
// A node that does not answer in time again and again costs every request its deadline. After
// BREAKER_FAILURES in a row its circuit opens, if it had the whole time at least the last time; if it had not,
// a probe in the background gives it that, and decides. While it is open, requests report it at once, and
// probes find out, after pauses that grow, when it answers again.
#pragma once
#include <cstdint>
#include <string>

constexpr unsigned BREAKER_FAILURES = 3;            // in a row, until it opens or is probed
constexpr int64_t BREAKER_FIRST_PAUSE_MS = 500;     // before the first probe
constexpr int64_t BREAKER_LONGEST_PAUSE_MS = 10000; // the pauses double up to this

// What was seen of a node.
enum breaker_sign {
    BREAKER_ANSWERED, // or it failed at once
    BREAKER_SILENT, // in less than the whole time: some clients are impatient, and some nodes asked late
    BREAKER_HUNG, // in the whole time, or nobody took the connection
};

// Plain data; zero-initialised it is closed. Times are milliseconds of the monotonic clock.
struct breaker {
    bool open;
    unsigned failures;     // in a row
    int64_t opened_ms;     // while open
    int64_t next_probe_ms; // while open, or once it has failed so often
    int64_t pause_ms;      // while open: before the next probe
    bool probing;          // a probe is under way
    std::string target;    // what it did not answer in time: what a probe asks again
};

// It answered, whatever it said. Returns whether that closed it.
bool breaker_succeed(struct breaker *b);

// It did not answer `target` in time; `sign` is SILENT or HUNG. Returns whether that opened it.
bool breaker_fail(struct breaker *b, enum breaker_sign sign, const std::string &target,
                  int64_t now_ms);

// Whether a probe is due.
[[nodiscard]] bool breaker_is_due(const struct breaker *b, int64_t now_ms);

// A probe begins; it ends with breaker_succeed or breaker_fail.
void breaker_probe(struct breaker *b);
