// The routes of the REST API. Owns the requests that wait for a broadcast.
#include "api.h"

#include <cassert>
#include <string>
#include <unordered_set>

#include "blob.h"
#include "budget.h"
#include "clock.h"
#include "coalesce.h"
#include "discovery.h"
#include "http_response.h"
#include "http_server.h"
#include "log.h"
#include "nodes.h"
#include "problem.h"
#include "query.h"
#include "session.h"
#include "status.h"
#include "watchdog.h"

constexpr size_t MOST_LOGGED = 512; // bytes of a target

// A request that waits for its broadcast. Lives from start_broadcast to on_broadcast_done, or until its
// client leaves and the broadcast is cancelled.
struct exchange {
    struct api *api;
    struct http_request *request; // null: the client has left
    struct ticket *ticket;
    bool mutation;
    std::string label;  // for the log: request id, method and target
    int64_t started_ms; // monotonic
};

struct api {
    struct api_options options;
    struct coalescer *coalescer;
    std::unordered_set<struct exchange *> exchanges; // under way
    bool draining;
};

typedef void (*route_fn)(struct api *a, struct http_request *request);

// One path. Every route that has GET has HEAD.
struct route {
    const char *path;
    bool has_id; // `path` is followed by exactly one segment
    const char *allow;
    unsigned methods; // bits 1 << enum http_method
    route_fn handle;
};

constexpr unsigned bit(enum http_method method)
{
    return 1U << method;
}

struct api *api_new(const struct api_options *options)
{
    struct api *a =
        new api{.options = *options, .coalescer = nullptr, .exchanges = {}, .draining = false};
    a->coalescer = coalescer_new(&a->options.broadcast);
    return a;
}

void api_free(struct api *a)
{
    coalescer_free(a->coalescer);
    for (struct exchange *e : a->exchanges)
        delete e;
    delete a;
}

void api_drain(struct api *a)
{
    a->draining = true;
}

size_t api_in_flight(const struct api *a)
{
    return a->exchanges.size();
}

static void reply_problem(struct http_request *request, int status, const std::string &detail)
{
    struct http_response response;
    problem_response(&response, status, detail);
    if (status == 503)
        response.headers.push_back({.name = "Retry-After", .value = "1"});
    http_reply(request, &response);
}

static void reply_text(struct http_request *request, const char *type, const std::string &text)
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

static void handle_tracer_nodes(struct api *a, struct http_request *request)
{
    const struct discovery_status discovery = status_of_discovery(a);
    reply_text(request, "application/json",
               status_document(a->options.broadcast.nodes, &discovery, clock_wall_ms(),
                               watchdog_longest_ms(a->options.watchdog)));
}

static void exchange_free(struct exchange *e)
{
    e->api->exchanges.erase(e);
    delete e;
}

// A mutation is always in the log, everything else with --verbose, what failed in either case.
static void log_exchange(const struct exchange *e, const struct http_response *response)
{
    const std::string nodes = response->headers.empty() ? "" : response->headers[0].value;
    const long long ms = clock_monotonic_ms() - e->started_ms;
    const char *left = e->request ? "" : ", client had left";
    if (e->mutation || response->status >= 500)
        log_info("%s: %d in %lld ms, nodes %s%s", e->label.c_str(), response->status, ms,
                 nodes.c_str(), left);
    else
        log_debug("%s: %d in %lld ms, nodes %s%s", e->label.c_str(), response->status, ms,
                  nodes.c_str(), left);
}

static void on_broadcast_done(void *arg, struct http_response *response)
{
    struct exchange *e = static_cast<struct exchange *>(arg);
    log_exchange(e, response);
    if (e->request)
        http_reply(e->request, response);
    exchange_free(e);
}

// A GET that nobody waits for ends at once; a mutation that has begun is brought to its end.
static void on_client_gone(void *arg)
{
    struct exchange *e = static_cast<struct exchange *>(arg);
    e->request = nullptr;
    if (e->mutation)
        return;
    log_debug("%s: client left", e->label.c_str());
    ticket_cancel(e->ticket);
    exchange_free(e);
}

// What nodes are told besides method, path and body. Credentials and cookies stay here.
static std::vector<std::string> forwarded_headers(const struct http_request *request)
{
    std::vector<std::string> lines;
    // "Name:" keeps the HTTP client from adding a value of its own
    for (const char *name : {"Accept", "Content-Type"})
        lines.push_back(std::string(name) + ": " + http_request_list(request, name));
    for (const char *name : {"traceparent", "tracestate"}) {
        const std::string value = http_request_list(request, name);
        if (!value.empty())
            lines.push_back(std::string(name) + ": " + value);
    }
    lines.push_back(std::string("X-Request-Id: ") + http_request_id(request));
    return lines;
}

static struct request_kind kind_of(const struct http_request *request)
{
    const enum http_method method = http_request_method(request);
    const struct blob *body = http_request_body(request);
    return {.mutation = method != HTTP_GET && method != HTTP_HEAD,
            .creates = method == HTTP_POST,
            .stops = method == HTTP_DELETE ||
                     (method == HTTP_PUT && session_put_stops(body->data, body->size))};
}

static void start_broadcast(struct api *a, struct http_request *request, struct query *query)
{
    const enum http_method method = http_request_method(request);
    struct broadcast_request ask = {
        .method = http_method_name(method == HTTP_HEAD ? HTTP_GET : method),
        .target = query->forward,
        .headers = forwarded_headers(request),
        .body = http_request_body(request),
        .timeout_ms = query->timeout_ms ? query->timeout_ms : a->options.timeout_ms,
        .names_nodes = query->names_nodes,
        .only = query->nodes,
        .options = {.kind = kind_of(request),
                    .partial_deny = query->partial_deny,
                    .view_nodes = query->view_nodes},
    };
    struct exchange *e = new exchange{
        .api = a,
        .request = request,
        .ticket = nullptr,
        .mutation = ask.options.kind.mutation,
        .label = std::string("request ") + http_request_id(request) + " " +
                 http_method_name(method) + " " +
                 std::string(http_request_target(request)).substr(0, MOST_LOGGED),
        .started_ms = clock_monotonic_ms(),
    };
    a->exchanges.insert(e);
    http_request_on_gone(request, on_client_gone, e);
    e->ticket = coalescer_ask(a->coalescer, &ask, on_broadcast_done, e);
}

static void handle_broadcast(struct api *a, struct http_request *request)
{
    struct query query;
    std::string error;
    if (!query_parse(http_request_target(request), a->options.max_timeout_ms, &query, &error))
        reply_problem(request, 400, error);
    else if (a->exchanges.size() >= a->options.max_requests)
        reply_problem(request, 503,
                      "too many requests under way (" + std::to_string(a->options.max_requests) +
                          "); try again");
    else if (budget_left(a->options.broadcast.budget) < a->options.broadcast.max_reply)
        reply_problem(request, 503,
                      "the replies that are held leave no memory for another; try again");
    else
        start_broadcast(a, request, &query);
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
    const std::string_view target = http_request_target(request);
    const std::string_view path = target.substr(0, target.find('?'));
    const std::string id = query_decode(path.substr(path.rfind('/') + 1));
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
    {"/v1/pods", false, "GET, HEAD", READ, handle_broadcast},
    {"/v1/trace-hooks", false, "GET, HEAD", READ, handle_broadcast},
    {"/v1/trace-session", false, "POST", bit(HTTP_POST), handle_session_create},
    {"/v1/trace-session/", true, "GET, HEAD, PUT, DELETE", READ | bit(HTTP_PUT) | bit(HTTP_DELETE),
     handle_session},
    {"/v1/tracer-nodes", false, "GET, HEAD", READ, handle_tracer_nodes},
    {"/livez", false, "GET, HEAD", READ, handle_livez},
    {"/readyz", false, "GET, HEAD", READ, handle_readyz},
    {"/version", false, "GET, HEAD", READ, handle_version},
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

void api_on_request(void *arg, struct http_request *request)
{
    struct api *a = static_cast<struct api *>(arg);
    const std::string_view target = http_request_target(request);
    const std::string path(target.substr(0, target.find('?')));
    const struct route *r = find_route(path);
    if (!r) {
        reply_problem(request, 404, "there is no " + path + " here");
        return;
    }
    if (r->methods & bit(http_request_method(request))) {
        r->handle(a, request);
        return;
    }
    struct http_response response;
    problem_response(&response, 405, path + " takes " + r->allow);
    response.headers.push_back({.name = "Allow", .value = r->allow});
    http_reply(request, &response);
}
