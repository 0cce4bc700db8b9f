// The counters.
#include "metrics.h"

#include <algorithm>

#include "metrics_data.h"

struct metrics *metrics_new()
{
    return new metrics{};
}

void metrics_free(struct metrics *m)
{
    delete m;
}

static void observe(struct histogram *h, double seconds)
{
    const auto at =
        std::lower_bound(std::begin(METRICS_BUCKETS), std::end(METRICS_BUCKETS), seconds);
    h->counts[at - std::begin(METRICS_BUCKETS)]++;
    h->sum += seconds;
}

void metrics_count_request(struct metrics *m, const char *route, const char *method, int status,
                           int64_t us)
{
    m->requests[{.route = route, .method = method, .status = status}]++;
    observe(&m->durations[route], static_cast<double>(us) / 1e6);
}

void metrics_count_node(struct metrics *m, enum outcome o, enum reason r, int64_t ms)
{
    m->node_requests[o][r]++;
    if (ms >= 0)
        observe(&m->node_durations, static_cast<double>(ms) / 1e3);
}

uint64_t metrics_node_requests(const struct metrics *m)
{
    uint64_t count = 0;
    for (const auto &reasons : m->node_requests)
        for (const uint64_t requests : reasons)
            count += requests;
    return count;
}

void metrics_count_collisions(struct metrics *m, uint64_t collisions)
{
    m->collisions += collisions;
}
