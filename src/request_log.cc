// One line of the log for each request.
#include "request_log.h"

#include <cstdlib>
#include <vector>

#include "http_response.h"
#include "http_server.h"
#include "log.h"
#include "trace_context.h"

constexpr size_t MOST_LOGGED = 512; // bytes of a target
constexpr int64_t MS_US = 1000;

static std::string target_of(const struct http_request *request)
{
    return std::string(http_request_target(request)).substr(0, MOST_LOGGED);
}

std::string request_label(const struct http_request *request)
{
    std::string label = std::string("request ") + http_request_id(request);
    if (*http_request_user(request) != '\0')
        label += std::string(" by ") + http_request_user(request);
    return label + " " + http_method_name(http_request_method(request)) + " " + target_of(request);
}

// How many nodes did what, as the reply's header says: "total=3, ok=2, ..."; "" where none was to be asked.
static std::string nodes_of(const struct http_response *response)
{
    return std::string(http_response_header(response, "Tracer-Nodes"));
}

static std::string text_of(const std::string &label, int status, int64_t ms,
                           const std::string &nodes)
{
    return label + ": " + std::to_string(status) + " in " + std::to_string(ms) + " ms" +
           (nodes.empty() ? "" : ", nodes " + nodes);
}

static enum log_level level_of(const struct http_request *request,
                               const struct http_response *response, int64_t ms, int64_t slow_ms)
{
    const enum http_method method = http_request_method(request);
    const bool reads = method == HTTP_GET || method == HTTP_HEAD;
    const bool slow = slow_ms > 0 && ms >= slow_ms;
    return !reads || slow || response->status >= 500 ? LOG_AT_INFO : LOG_AT_DEBUG;
}

// Adds the counts of Tracer-Nodes as numbers.
static void add_nodes(std::vector<struct log_field> *fields, const std::string &nodes)
{
    static const struct {
        const char *word, *name;
    } COUNTS[] = {{"total=", "nodes-total"},
                  {"ok=", "nodes-ok"},
                  {"miss=", "nodes-miss"},
                  {"error=", "nodes-error"},
                  {"failed=", "nodes-failed"}};
    for (const auto &count : COUNTS) {
        const size_t at = nodes.find(count.word);
        if (at != std::string::npos)
            fields->push_back({.name = count.name,
                               .text = nullptr,
                               .number = atoll(nodes.c_str() + nodes.find('=', at) + 1)});
    }
}

static void write(enum log_level level, struct http_request *request,
                  const struct http_response *response, int64_t ms)
{
    const std::string trace(trace_id_of(http_request_traceparent(request)));
    const std::string target = target_of(request), nodes = nodes_of(response);
    std::vector<struct log_field> fields = {
        {.name = "request-id", .text = http_request_id(request), .number = 0},
        {.name = "trace-id", .text = trace.c_str(), .number = 0},
        {.name = "user", .text = http_request_user(request), .number = 0},
        {.name = "method", .text = http_method_name(http_request_method(request)), .number = 0},
        {.name = "target", .text = target.c_str(), .number = 0},
        {.name = "route", .text = http_request_route(request), .number = 0},
        {.name = "status", .text = nullptr, .number = response->status},
        {.name = "ms", .text = nullptr, .number = ms},
    };
    add_nodes(&fields, nodes);
    log_event(level, text_of(request_label(request), response->status, ms, nodes).c_str(),
              fields.data(), fields.size());
}

void request_log_replied(struct http_request *request, const struct http_response *response,
                         int64_t slow_ms)
{
    if (!request) {
        log_debug("a request that can not be read: %d", response->status);
        return;
    }
    const int64_t ms = http_request_age_us(request) / MS_US;
    const enum log_level level = level_of(request, response, ms, slow_ms);
    if (log_wants(level))
        write(level, request, response, ms);
}

void request_log_unseen(const std::string &label, const struct http_response *response, int64_t ms)
{
    log_info("%s, client had left",
             text_of(label, response->status, ms, nodes_of(response)).c_str());
}
