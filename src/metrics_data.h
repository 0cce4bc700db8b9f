// What the parts of metrics share: metrics.cc counts, metrics_text.cc writes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>

#include "metrics.h"

// Upper bounds in seconds; the last bucket has none. A cluster answers in milliseconds, a busy node in
// seconds, and a deadline of a minute is the most that is usual. What the usual one of 10 s cuts short
// takes a little longer: without a bound right behind it, quantiles would be guessed at up to 30.
constexpr double METRICS_BUCKETS[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                      0.5,   1,      2.5,   5,    10,    11,   30,  60};
constexpr size_t METRICS_BUCKET_COUNT = sizeof METRICS_BUCKETS / sizeof METRICS_BUCKETS[0];

struct histogram {
    uint64_t counts[METRICS_BUCKET_COUNT + 1]; // each of its bucket alone
    double sum;                                // seconds
};

struct request_series {
    std::string_view route, method;
    int status;

    auto operator<=>(const struct request_series &) const = default;
};

struct metrics {
    std::map<struct request_series, uint64_t> requests;
    std::map<std::string_view, struct histogram> durations; // by route
    uint64_t node_requests[OUTCOME_FAILED + 1][REASON_NODE_ERROR + 1];
    struct histogram node_durations;
    uint64_t collisions;
};
