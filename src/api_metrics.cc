// Gathers what /metrics says, and what is noted of each request.
#include "api_metrics.h"

#include <cstdlib>

#include "auth.h"
#include "budget.h"
#include "discovery.h"
#include "http_response.h"
#include "http_server.h"
#include "metrics.h"
#include "process.h"
#include "request_log.h"
#include "watchdog.h"

static struct metrics_reviews reviews_of(const uint64_t *counts)
{
    return {.allowed = counts[REVIEW_YES],
            .denied = counts[REVIEW_NO],
            .failed = counts[REVIEW_NONSENSE]};
}

std::string api_metrics_text(const struct api_options *options, const struct api_scene *scene)
{
    const struct process_usage usage = process_get_usage();
    const struct discovery_status *d = scene->discovery;
    const struct budget *budget = options->broadcast.budget;
    const struct auth_counts reviews =
        options->auth ? *auth_get_counts(options->auth) : auth_counts{};
    const struct metrics_state state = {
        .nodes = options->broadcast.nodes,
        .per_node = options->metrics_per_node,
        .requests = scene->waiting,
        .requests_limit = options->max_requests,
        .connections = scene->connections,
        .connections_limit = options->max_connections,
        .reply_bytes = budget->used,
        .reply_bytes_limit = budget->limit,
        .shared = scene->shared,
        .token_reviews = reviews_of(reviews.tokens),
        .access_reviews = reviews_of(reviews.accesses),
        .source = d->source,
        .mode = d->mode,
        .synced = d->synced,
        .age_ms = d->age_ms,
        .lists = d->lists,
        .watches = d->watches,
        .events = d->events,
        .failures = d->failures,
        .rejected = d->rejected,
        .longest_turn_ms = watchdog_longest_ms(options->watchdog),
        .cpu_ms = usage.cpu_ms,
        .resident_bytes = usage.resident_bytes,
        .open_descriptors = usage.descriptors,
        .most_descriptors = process_descriptors(),
        .started_ms = usage.started_ms,
    };
    return metrics_text(options->broadcast.metrics, &state);
}

static uint64_t collisions_of(const struct http_response *response)
{
    const std::string count(http_response_header(response, "Tracer-Collisions"));
    return strtoull(count.c_str(), nullptr, 10);
}

void api_on_replied(void *arg, struct http_request *request, const struct http_response *response)
{
    const struct api_options *options = api_get_options(static_cast<struct api *>(arg));
    struct metrics *m = options->broadcast.metrics;
    request_log_replied(request, response, options->slow_ms);
    if (!request) {
        metrics_count_request(m, "unread", "none", response->status, 0);
        return;
    }
    const char *route = http_request_route(request);
    metrics_count_request(m, *route == '\0' ? "other" : route,
                          http_method_name(http_request_method(request)), response->status,
                          http_request_age_us(request));
    metrics_count_collisions(m, collisions_of(response));
}
