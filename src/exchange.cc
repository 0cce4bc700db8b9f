// Requests that wait for a broadcast.
#include "exchange.h"

#include <string>
#include <unordered_set>
#include <vector>

#include "blob.h"
#include "clock.h"
#include "coalesce.h"
#include "http_server.h"
#include "log.h"
#include "query.h"
#include "request_log.h"
#include "session.h"

// Lives from exchange_start to on_broadcast_done, or until its client leaves and the broadcast is cancelled.
struct exchange {
    struct exchanges *all;
    struct http_request *request; // null: the client has left
    struct ticket *ticket;
    bool mutation;
    std::string label;  // for the log: request id, user, method and target
    int64_t started_ms; // monotonic
};

struct exchanges {
    struct broadcast_context context;
    struct coalescer *coalescer;
    std::unordered_set<struct exchange *> under_way;
};

struct exchanges *exchanges_new(const struct broadcast_context *context)
{
    struct exchanges *x = new exchanges{.context = *context, .coalescer = nullptr, .under_way = {}};
    x->coalescer = coalescer_new(&x->context);
    return x;
}

void exchanges_free(struct exchanges *x)
{
    coalescer_free(x->coalescer);
    for (struct exchange *e : x->under_way)
        delete e;
    delete x;
}

size_t exchanges_count(const struct exchanges *x)
{
    return x->under_way.size();
}

uint64_t exchanges_shared(const struct exchanges *x)
{
    return coalescer_shared(x->coalescer);
}

static void exchange_free(struct exchange *e)
{
    e->all->under_way.erase(e);
    delete e;
}

static void on_broadcast_done(void *arg, struct http_response *response)
{
    struct exchange *e = static_cast<struct exchange *>(arg);
    if (e->request)
        http_reply(e->request, response);
    else
        request_log_unseen(e->label, response, clock_monotonic_ms() - e->started_ms);
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
static std::vector<std::string> forwarded_headers(struct http_request *request)
{
    std::vector<std::string> lines;
    const std::string accept = http_request_list(request, "Accept");
    // the HTTP client says */* by itself, at less cost; "Accept:" keeps it from that
    if (accept != "*/*")
        lines.push_back("Accept: " + accept);
    const std::string type = http_request_list(request, "Content-Type");
    if (!type.empty())
        lines.push_back("Content-Type: " + type);
    lines.push_back("traceparent: " + http_request_traceparent(request));
    const std::string state = http_request_tracestate(request);
    if (!state.empty())
        lines.push_back("tracestate: " + state);
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

static struct broadcast_session session_of(const struct http_request *request)
{
    const enum http_method method = http_request_method(request);
    const std::string_view target = http_request_target(request);
    struct broadcast_session s = {
        .named = false, .shown = false, .ends = method == HTTP_DELETE, .id = 0};
    if (!target.starts_with(SESSIONS_PATH))
        return s;
    s.named = session_number(query_last_segment(target), &s.id);
    s.shown = method != HTTP_PUT && method != HTTP_DELETE;
    return s;
}

void exchange_start(struct exchanges *x, struct http_request *request, struct query *query)
{
    const enum http_method method = http_request_method(request);
    struct broadcast_request ask = {
        .method = http_method_name(method == HTTP_HEAD ? HTTP_GET : method),
        .target = query->forward,
        .headers = forwarded_headers(request),
        .body = http_request_body(request),
        .timeout_ms = query->timeout_ms,
        .waited_ms = 0,
        .names_nodes = query->names_nodes,
        .only = query->nodes,
        .options = {.kind = kind_of(request),
                    .partial_deny = query->partial_deny,
                    .view_nodes = query->view_nodes},
        .session = session_of(request),
    };
    struct exchange *e = new exchange{
        .all = x,
        .request = request,
        .ticket = nullptr,
        .mutation = ask.options.kind.mutation,
        .label = request_label(request),
        .started_ms = clock_monotonic_ms(),
    };
    x->under_way.insert(e);
    http_request_on_gone(request, on_client_gone, e);
    e->ticket = coalescer_ask(x->coalescer, &ask, on_broadcast_done, e);
}
