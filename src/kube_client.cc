// Requests to a Kubernetes API over http_client.
#include "kube_client.h"

#include <algorithm>
#include <set>

#include "blob.h"
#include "clock.h"
#include "credentials.h"
#include "kube.h"
#include "log.h"

#if defined(__aarch64__)
#define KUBE_CLIENT_ARCH "arm64"
#else
#define KUBE_CLIENT_ARCH "amd64"
#endif

static constexpr int64_t CONNECT_MS = 5000;
static constexpr int64_t RETRY_AFTER_MAX_S = 60;
static constexpr size_t MESSAGE_MAX = 256; // of a body that is no Status
static constexpr size_t WARNINGS_MAX = 16; // different ones that are remembered

struct kube_client {
    struct http_client *http;
    struct credentials *credentials;
    std::string server;
    bool https;
    std::string ca;                 // that the kept connections were made with
    std::set<std::string> warnings; // logged
};

// Lives from kube_get or kube_post until its `done` has returned or until kube_call_cancel.
struct kube_call {
    struct kube_client *client;
    struct kube_request request;
    struct fetch *fetch;
    struct fetch_headers *headers;
    std::string ca; // of the fetch under way; the credentials may get another one meanwhile
    uint64_t token_change;
    bool is_post;
    bool token_retried, ca_retried;
};

struct kube_client *kube_client_new(struct http_client *http, struct credentials *credentials,
                                    const std::string &server)
{
    return new kube_client{
        .http = http,
        .credentials = credentials,
        .server = server,
        .https = server.starts_with("https://"),
        .ca = credentials_ca(credentials),
        .warnings = {},
    };
}

void kube_client_free(struct kube_client *c)
{
    delete c;
}

static struct fetch_headers *make_headers(struct kube_client *c, bool is_post)
{
    // no Accept-Encoding: curl 7.88 can not read the compressed streams of newer servers. A User-Agent
    // that begins with "curl" or "Mozilla" would get indented JSON.
    std::vector<std::string> lines = {
        "Accept: application/json",
        "User-Agent: tracer-svc/" TRACER_SVC_VERSION " (linux/" KUBE_CLIENT_ARCH ")",
    };
    if (is_post)
        lines.push_back("Content-Type: application/json");
    const std::string &token = credentials_token(c->credentials);
    if (c->https && !token.empty())
        lines.push_back(credentials_header(token));
    struct fetch_headers *headers = fetch_headers_new(lines);
    for (std::string &line : lines)
        credentials_clear(&line);
    return headers;
}

static bool on_fetch_data(void *arg, const char *data, size_t size)
{
    struct kube_call *const call = static_cast<struct kube_call *>(arg);
    return call->request.on_data(call->request.arg, data, size);
}

static void on_fetch_done(void *arg, const struct fetch_result *result);

// Sends the request, with the credentials of now.
static void send(struct kube_call *call)
{
    struct kube_client *const c = call->client;
    credentials_refresh(c->credentials, clock_monotonic_ms());
    if (credentials_ca(c->credentials) != c->ca) {
        c->ca = credentials_ca(c->credentials);
        http_client_forget(c->http, FETCH_SHARD_KUBERNETES);
    }
    call->ca = c->ca;
    call->token_change = credentials_token_changes(c->credentials);
    call->headers = make_headers(c, call->is_post);
    const std::string url = c->server + call->request.path;
    const struct fetch_options options = {
        .method = call->is_post ? "POST" : "GET",
        .url = url.c_str(),
        .headers = call->headers,
        .body = call->is_post ? call->request.body.c_str() : nullptr,
        .body_size = call->request.body.size(),
        .max_body = call->request.max_body,
        .budget = nullptr,
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = call->request.timeout_ms,
        .shard = FETCH_SHARD_KUBERNETES,
        .fresh = false,
        .once = false,
        .discard = false,
        .stream = !call->is_post,
        .ca_pem = c->https && !call->ca.empty() ? &call->ca : nullptr,
        .on_data = call->is_post ? nullptr : on_fetch_data,
        .done = on_fetch_done,
        .arg = call,
    };
    call->fetch = fetch_start(c->http, &options);
}

struct kube_call *kube_get(struct kube_client *c, const struct kube_request *request)
{
    struct kube_call *call = new struct kube_call();
    call->client = c;
    call->request = *request;
    send(call);
    return call;
}

struct kube_call *kube_post(struct kube_client *c, struct kube_request *request)
{
    struct kube_call *call = new struct kube_call();
    call->client = c;
    call->is_post = true;
    call->request = std::move(*request);
    send(call);
    return call;
}

static void call_free(struct kube_call *call)
{
    credentials_clear(&call->request.body);
    delete call;
}

// The fetch is over.
static void forget_fetch(struct kube_call *call)
{
    call->fetch = nullptr;
    fetch_headers_free(call->headers);
    call->headers = nullptr;
}

void kube_call_cancel(struct kube_call *call)
{
    fetch_cancel(call->fetch);
    forget_fetch(call);
    call_free(call);
}

static enum kube_failure failure_of(int code)
{
    switch (code) {
    case 200: return KUBE_NO_FAILURE;
    case 401: return KUBE_DENIED;
    case 403: return KUBE_FORBIDDEN;
    case 404: return KUBE_ABSENT;
    case 410: return KUBE_EXPIRED;
    case 429: return KUBE_BUSY;
    }
    return code >= 500 ? KUBE_BUSY : KUBE_REFUSED;
}

// Whether the request is worth repeating with another token or with other certificates.
static bool has_better(struct kube_call *call, const struct fetch_result *result)
{
    struct credentials *const credentials = call->client->credentials;
    if (result->http_status == 401 && !call->token_retried) {
        call->token_retried = true;
        if (credentials_token_changes(credentials) == call->token_change)
            credentials_reread_token(credentials, clock_monotonic_ms());
        return credentials_token_changes(credentials) != call->token_change;
    }
    if (result->status == FETCH_TLS && !call->ca_retried) {
        call->ca_retried = true;
        credentials_reread_ca(credentials, clock_monotonic_ms());
        return credentials_ca(credentials) != call->ca;
    }
    return false;
}

// Logs each different warning of the server once.
static void note_warning(struct kube_client *c, const char *warning)
{
    if (*warning == '\0' || c->warnings.size() >= WARNINGS_MAX || c->warnings.count(warning) > 0)
        return;
    c->warnings.insert(warning);
    log_info("the API server warns: %s", warning);
}

// A reply of another status than was hoped for: whatever it holds, it is not what was asked for. Where a
// body was posted, one that is no Status may repeat that, with a token in it: it is told to nobody.
static void read_refusal(const struct fetch_result *result, bool is_post,
                         struct kube_answer *answer)
{
    struct kube_status status;
    const char *const body = result->body->data;
    const size_t size = result->body->size;
    if (!kube_parse_status(body, size, &status) && size > 0 && !is_post)
        status.message.assign(body, std::min(size, MESSAGE_MAX));
    const int64_t retry_after_s = std::max<int64_t>(result->retry_after_s, status.retry_after_s);
    answer->failure = failure_of(result->http_status);
    answer->retry_after_ms = std::clamp<int64_t>(retry_after_s, 0, RETRY_AFTER_MAX_S) * 1000;
    answer->version_too_large = result->http_status == 504 && status.version_too_large;
    answer->message = "HTTP " + std::to_string(result->http_status);
    if (!status.message.empty())
        answer->message += ": " + status.message;
}

static void read_result(const struct fetch_result *result, bool is_post, struct kube_answer *answer)
{
    answer->code = result->http_status;
    answer->ms = result->ms;
    answer->stopped = result->status == FETCH_STOPPED;
    answer->reset = result->status == FETCH_RESET;
    answer->body = is_post ? result->body : nullptr;
    const bool refused = result->http_status > (is_post ? 201 : 200);
    if (refused && (result->status == FETCH_DONE || result->status == FETCH_TOO_LARGE)) {
        read_refusal(result, is_post, answer);
        return;
    }
    if (result->status == FETCH_DONE)
        return;
    answer->failure = result->status == FETCH_TOO_LARGE ? KUBE_BAD_REPLY : KUBE_UNREACHABLE;
    answer->message = fetch_status_name(result->status);
    if (*result->error != '\0')
        answer->message += std::string(": ") + result->error;
}

static void on_fetch_done(void *arg, const struct fetch_result *result)
{
    struct kube_call *const call = static_cast<struct kube_call *>(arg);
    forget_fetch(call);
    note_warning(call->client, result->warning);
    if (has_better(call, result)) {
        send(call);
        return;
    }
    struct kube_answer answer = {};
    read_result(result, call->is_post, &answer);
    call->request.done(call->request.arg, &answer);
    call_free(call);
}
