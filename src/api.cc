// The routes of the REST API.
#include "api_metrics.h"

#include <string>

#include "blob.h"
#include "budget.h"
#include "clock.h"
#include "discovery.h"
#include "exchange.h"
#include "gate.h"
#include "http_response.h"
#include "http_server.h"
#include "nodes.h"
#include "openapi.h"
#include "page.h"
#include "problem.h"
#include "query.h"
#include "session.h"
#include "status.h"
#include "watchdog.h"

struct api {
    struct api_options options;
    struct gate *gate; // null: everybody may do everything
    struct exchanges *exchanges;
    struct page page;
    bool draining;
};

typedef void (*route_fn)(struct api *a, struct http_request *request);

// Whom a path is for, where clients are asked who they are.
enum route_access {
    ACCESS_CHECKED, // who has the right to it
    ACCESS_OPEN,    // everybody
    ACCESS_METRICS, // everybody, or who has the right to it: as the configuration says
};

// One path. Every route that has GET has HEAD.
struct route {
    const char *path;
    bool has_id; // `path` is followed by exactly one segment
    const char *allow;
    unsigned methods; // bits 1 << enum http_method
    route_fn handle;
    enum route_access access = ACCESS_CHECKED;
    const char *pattern = nullptr; // what its requests are counted as; null: `path`
};

constexpr unsigned bit(enum http_method method)
{
    return 1U << method;
}

static void on_admitted(void *arg, struct http_request *request);

struct api *api_new(const struct api_options *options)
{
    struct api *a = new api{.options = *options,
                            .gate = nullptr,
                            .exchanges = exchanges_new(&options->broadcast),
                            .page = page_make(),
                            .draining = false};
    const struct gate_options gate = {
        .auth = options->auth,
        .audience = options->audience,
        .max_waiting = options->max_requests,
        .enter = on_admitted,
        .arg = a,
    };
    if (options->auth)
        a->gate = gate_new(&gate);
    return a;
}

void api_free(struct api *a)
{
    gate_free(a->gate);
    exchanges_free(a->exchanges);
    delete a;
}

const struct api_options *api_get_options(const struct api *a)
{
    return &a->options;
}

void api_drain(struct api *a)
{
    a->draining = true;
}

size_t api_in_flight(const struct api *a)
{
    return exchanges_count(a->exchanges) + (a->gate ? gate_waiting(a->gate) : 0);
}

static void reply_problem(struct http_request *request, int status, const std::string &detail)
{
    struct http_response response;
    problem_response(&response, status, detail);
    if (status == 503)
        response.headers.push_back({.name = "Retry-After", .value = "1"});
    http_reply(request, &response);
}

static void reply_text(struct http_request *request, const char *type, std::string_view text)
{
    struct http_response response;
    response.content_type = type;
    rope_add_text(&response.body, text);
    http_reply(request, &response);
}

static void handle_livez(struct api *, struct http_request *request)
{
    reply_text(request, "text/plain", "ok\n");
}

// With --nodes there is nothing to discover.
static struct discovery_status status_of_discovery(const struct api *a)
{
    if (a->options.discovery)
        return discovery_get_status(a->options.discovery);
    struct discovery_status given;
    given.source = "nodes";
    given.synced = true;
    return given;
}

static void handle_readyz(struct api *a, struct http_request *request)
{
    const struct discovery_status discovery = status_of_discovery(a);
    if (a->draining)
        reply_problem(request, 503, "shutting down");
    else if (!discovery.synced)
        reply_problem(request, 503,
                      "discovery has not succeeded yet: " + (discovery.last_error.empty()
                                                                 ? "the first lists are under way"
                                                                 : discovery.last_error));
    else
        reply_text(request, "text/plain", "ok\n");
}

static void handle_version(struct api *, struct http_request *request)
{
    reply_text(request, "application/json",
               "{\"name\":\"tracer-svc\",\"version\":\"" TRACER_SVC_VERSION "\"}\n");
}

static void handle_openapi(struct api *, struct http_request *request)
{
    reply_text(request, "application/json", openapi_document());
}

static void handle_tracer_nodes(struct api *a, struct http_request *request)
{
    const struct discovery_status discovery = status_of_discovery(a);
    const struct status_facts facts = {.discovery = &discovery,
                                       .now_ms = clock_wall_ms(),
                                       .hold_up_ms = watchdog_longest_ms(a->options.watchdog),
                                       .in_progress = exchanges_count(a->exchanges),
                                       .max_requests = a->options.max_requests};
    struct http_response response;
    response.content_type = "application/json";
    status_document(a->options.broadcast.nodes, &facts, &response.body);
    http_reply(request, &response);
}

static void handle_metrics(struct api *a, struct http_request *request)
{
    const struct discovery_status discovery = status_of_discovery(a);
    const struct api_scene scene = {.discovery = &discovery,
                                    .waiting = api_in_flight(a),
                                    .shared = exchanges_shared(a->exchanges),
                                    .connections = http_request_connections(request)};
    reply_text(request, "text/plain; version=0.0.4; charset=utf-8",
               api_metrics_text(&a->options, &scene));
}

// What is shown is asked for by its script, with the rights that its reader has.
static void handle_page(struct api *a, struct http_request *request)
{
    struct http_response response;
    response.content_type = "text/html; charset=utf-8";
    response.headers = {{.name = "Content-Security-Policy", .value = a->page.policy},
                        {.name = "X-Content-Type-Options", .value = "nosniff"},
                        {.name = "Referrer-Policy", .value = "no-referrer"}};
    rope_add_text(&response.body, a->page.html);
    http_reply(request, &response);
}

// Replies that nobody reads give their memory to those that somebody waits for.
static bool has_memory(const struct api *a, const struct http_request *request)
{
    const struct broadcast_context *b = &a->options.broadcast;
    while (budget_left(b->budget) < b->max_reply)
        if (!http_request_end_stalled(request))
            return false;
    return true;
}

static void handle_broadcast(struct api *a, struct http_request *request)
{
    struct query query;
    std::string error;
    const bool good =
        query_parse(http_request_target(request), a->options.max_timeout_ms, &query, &error);
    if (good && query.timeout_ms == 0)
        query.timeout_ms = a->options.broadcast.usual_timeout_ms;
    if (!good)
        reply_problem(request, 400, error);
    else if (exchanges_count(a->exchanges) >= a->options.max_requests)
        reply_problem(request, 503,
                      "too many requests under way (" + std::to_string(a->options.max_requests) +
                          "); try again");
    else if (!has_memory(a, request))
        reply_problem(request, 503,
                      "the replies that are held leave no memory for another; try again");
    else
        exchange_start(a->exchanges, request, &query);
}

static void handle_session_create(struct api *a, struct http_request *request)
{
    const struct blob *body = http_request_body(request);
    std::string error;
    if (session_check_post(body->data, body->size, &error))
        handle_broadcast(a, request);
    else
        reply_problem(request, 400, error);
}

// What every node would refuse is refused here, in the nodes' order and with their status.
static void handle_session(struct api *a, struct http_request *request)
{
    const enum http_method method = http_request_method(request);
    const std::string id = query_last_segment(http_request_target(request));
    const struct blob *body = http_request_body(request);
    std::string error;
    if (method == HTTP_PUT && !session_check_put(body->data, body->size, &error))
        reply_problem(request, 400, error);
    else if (!session_check_id(id, method != HTTP_PUT, &error))
        reply_problem(request, method == HTTP_GET || method == HTTP_HEAD ? 400 : 404, error);
    else
        handle_broadcast(a, request);
}

constexpr unsigned READ = bit(HTTP_GET) | bit(HTTP_HEAD);

static const struct route ROUTES[] = {
    {"/", false, "GET, HEAD", READ, handle_page, ACCESS_OPEN},
    {"/v1/pods", false, "GET, HEAD", READ, handle_broadcast},
    {"/v1/trace-hooks", false, "GET, HEAD", READ, handle_broadcast},
    {SESSIONS_PATH, false, "POST", bit(HTTP_POST), handle_session_create},
    {"/v1/trace-session/", true, "GET, HEAD, PUT, DELETE", READ | bit(HTTP_PUT) | bit(HTTP_DELETE),
     handle_session, ACCESS_CHECKED, "/v1/trace-session/{id}"},
    {"/v1/tracer-nodes", false, "GET, HEAD", READ, handle_tracer_nodes},
    {"/metrics", false, "GET, HEAD", READ, handle_metrics, ACCESS_METRICS},
    {"/livez", false, "GET, HEAD", READ, handle_livez, ACCESS_OPEN},
    {"/readyz", false, "GET, HEAD", READ, handle_readyz, ACCESS_OPEN},
    {"/version", false, "GET, HEAD", READ, handle_version},
    {"/openapi.json", false, "GET, HEAD", READ, handle_openapi},
};

static bool route_matches(const struct route *r, std::string_view path)
{
    const std::string_view own = r->path;
    if (!r->has_id)
        return path == own;
    return path.size() > own.size() && path.substr(0, own.size()) == own &&
           path.find('/', own.size()) == std::string_view::npos;
}

static const struct route *find_route(std::string_view path)
{
    for (const struct route &r : ROUTES)
        if (route_matches(&r, path))
            return &r;
    return nullptr;
}

const char *api_allow(std::string_view path)
{
    const struct route *r = find_route(path);
    return r ? r->allow : nullptr;
}

bool api_is_vital(std::string_view path)
{
    return path == "/livez" || path == "/readyz";
}

static std::string path_of(const struct http_request *request)
{
    const std::string_view target = http_request_target(request);
    return std::string(target.substr(0, target.find('?')));
}

static bool has_method(const struct route *r, const struct http_request *request)
{
    return r->methods & bit(http_request_method(request));
}

// Answers a request whose client may ask.
static void on_admitted(void *arg, struct http_request *request)
{
    struct api *a = static_cast<struct api *>(arg);
    const std::string path = path_of(request);
    const struct route *r = find_route(path);
    if (!r) {
        reply_problem(request, 404, "there is no " + path + " here");
        return;
    }
    if (has_method(r, request)) {
        r->handle(a, request);
        return;
    }
    struct http_response response;
    problem_response(&response, 405, path + " takes " + r->allow);
    response.headers.push_back({.name = "Allow", .value = r->allow});
    http_reply(request, &response);
}

static bool is_open(const struct api *a, const struct route *r)
{
    return !a->gate || (r && (r->access == ACCESS_OPEN ||
                              (r->access == ACCESS_METRICS && a->options.open_metrics)));
}

// What is not there takes a good token and no right: roles need not name it, and no review is wasted on it.
void api_on_request(void *arg, struct http_request *request)
{
    struct api *a = static_cast<struct api *>(arg);
    const struct route *r = find_route(path_of(request));
    if (r)
        http_request_set_route(request, r->pattern ? r->pattern : r->path);
    if (is_open(a, r))
        on_admitted(a, request);
    else
        gate_check(a->gate, request, !r || !has_method(r, request));
}
