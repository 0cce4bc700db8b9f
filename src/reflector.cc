// Lists one resource of a Kubernetes API: a state machine over http_client.
#include "reflector.h"

#include <algorithm>
#include <cassert>

#include <event2/event.h>

#include "blob.h"
#include "clock.h"
#include "credentials.h"
#include "http_client.h"
#include "log.h"

#if defined(__aarch64__)
#define REFLECTOR_ARCH "arm64"
#else
#define REFLECTOR_ARCH "amd64"
#endif

static constexpr int64_t CONNECT_MS = 5000;
static constexpr int64_t PAGE_MS = 30000;
static constexpr int64_t LIST_MS = 120000;
static constexpr size_t PAGE_MAX = 64UL * 1024 * 1024;
// A page is parsed in one turn of the loop: 500 pods take 26 ms, a slice holds 100 endpoints.
static constexpr int PODS_OF_A_PAGE = 100;
static constexpr int SLICES_OF_A_PAGE = 20;
static constexpr unsigned RESTARTS_MAX = 2; // of paging, before all is asked for at once
static constexpr int64_t RETRY_AFTER_MAX_S = 60;
static constexpr size_t MESSAGE_MAX = 256; // of a body that is no Status

// How a list is asked for.
enum list_mode {
    LIST_FRESH,   // the newest state, in pages
    LIST_CACHED,  // not older than the last, from the server's memory
    LIST_UNPAGED, // whatever the server has in memory: when pages expire faster than they are read
};

// Lives from reflector_new to reflector_free; a list from reflector_list to its callback.
struct reflector {
    struct reflector_options options;
    struct event *deadline;
    struct fetch *fetch; // null: no list is under way
    struct fetch_headers *headers;
    std::string ca; // of the fetch under way; the credentials may get another one meanwhile
    uint64_t token_change;
    struct kube_list list; // staging: what the pages so far held
    enum list_mode mode;
    unsigned restarts;
    bool token_retried, ca_retried;
    bool cache_lags;          // this server's memory is behind what it tells of itself
    std::string last_version; // of the last list that ended well
    std::string last_warning;
};

static void on_list_deadline(evutil_socket_t, short, void *arg);
static void on_page_done(void *arg, const struct fetch_result *result);

struct reflector *reflector_new(const struct reflector_options *options)
{
    struct reflector *r = new struct reflector();
    r->options = *options;
    if (r->options.list_timeout_ms == 0)
        r->options.list_timeout_ms = LIST_MS;
    r->deadline = evtimer_new(options->base, on_list_deadline, r);
    if (r->deadline == nullptr)
        log_fatal("out of memory");
    return r;
}

void reflector_free(struct reflector *r)
{
    if (r == nullptr)
        return;
    reflector_stop(r);
    event_free(r->deadline);
    delete r;
}

// The fetch is over, or never was.
static void forget_fetch(struct reflector *r)
{
    r->fetch = nullptr;
    fetch_headers_free(r->headers);
    r->headers = nullptr;
}

void reflector_stop(struct reflector *r)
{
    if (r->fetch == nullptr)
        return;
    fetch_cancel(r->fetch);
    forget_fetch(r);
    event_del(r->deadline);
    r->list = {};
}

static bool is_https(const struct reflector *r)
{
    return r->options.server.starts_with("https://");
}

static struct fetch_headers *make_headers(struct reflector *r)
{
    // no Accept-Encoding: curl 7.88 can not read the compressed streams of newer servers. A User-Agent
    // that begins with "curl" or "Mozilla" would get indented JSON.
    std::vector<std::string> lines = {
        "Accept: application/json",
        "User-Agent: tracer-svc/" TRACER_SVC_VERSION " (linux/" REFLECTOR_ARCH ")",
    };
    const std::string &token = credentials_token(r->options.credentials);
    if (is_https(r) && !token.empty()) {
        std::string line;
        line.reserve(token.size() + 32); // grown text would leave copies of the token behind
        line = "Authorization: Bearer ";
        line += token;
        lines.push_back(std::move(line));
    }
    struct fetch_headers *headers = fetch_headers_new(lines);
    for (std::string &line : lines)
        credentials_clear(&line);
    return headers;
}

static std::string page_url(const struct reflector *r)
{
    const bool pods = r->options.resource == KUBE_PODS;
    struct kube_list_query query = {
        .resource = r->options.resource,
        .server = r->options.server,
        .ns = r->options.ns,
        .label_selector = r->options.label_selector,
        .field_selector = r->options.field_selector,
        .limit = pods ? PODS_OF_A_PAGE : SLICES_OF_A_PAGE,
        .next = r->list.next,
        .resource_version = "",
        .version_match = "",
    };
    if (r->mode == LIST_UNPAGED) {
        query.limit = 0;
        query.resource_version = "0";
    } else if (r->mode == LIST_CACHED) {
        query.limit = 0;
        query.resource_version = r->last_version;
        query.version_match = "NotOlderThan";
    }
    if (!query.next.empty()) { // a token stands for a version of its own
        query.resource_version.clear();
        query.version_match.clear();
    }
    return kube_list_url(&query);
}

// Sends the request for the next page.
static void ask(struct reflector *r)
{
    struct credentials *const credentials = r->options.credentials;
    credentials_refresh(credentials, clock_monotonic_ms());
    if (credentials_ca(credentials) != r->ca) {
        r->ca = credentials_ca(credentials);
        http_client_forget(r->options.http, FETCH_SHARD_KUBERNETES);
    }
    r->token_change = credentials_token_changes(credentials);
    r->headers = make_headers(r);
    const std::string url = page_url(r);
    const struct fetch_options options = {
        .method = "GET",
        .url = url.c_str(),
        .headers = r->headers,
        .body = nullptr,
        .body_size = 0,
        .max_body = PAGE_MAX,
        .budget = nullptr,
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = PAGE_MS,
        .shard = FETCH_SHARD_KUBERNETES,
        .fresh = false,
        .once = false,
        .discard = false,
        .ca_pem = is_https(r) && !r->ca.empty() ? &r->ca : nullptr,
        .on_data = nullptr,
        .done = on_page_done,
        .arg = r,
    };
    r->fetch = fetch_start(r->options.http, &options);
}

// Begins the list again at its first page.
static void begin(struct reflector *r, enum list_mode mode)
{
    r->mode = mode;
    r->list = {};
    ask(r);
}

void reflector_list(struct reflector *r)
{
    assert(r->fetch == nullptr);
    r->restarts = 0;
    r->token_retried = r->ca_retried = false;
    const int64_t ms = r->options.list_timeout_ms;
    const struct timeval after = {.tv_sec = static_cast<time_t>(ms / 1000),
                                  .tv_usec = static_cast<suseconds_t>(ms % 1000 * 1000)};
    evtimer_add(r->deadline, &after);
    // pods are too many to come in one piece
    const bool cached =
        r->options.resource != KUBE_PODS && !r->last_version.empty() && !r->cache_lags;
    begin(r, cached ? LIST_CACHED : LIST_FRESH);
}

// Ends the list as a failure. The last thing done with `r`.
static void fail(struct reflector *r, enum reflector_failure failure, int64_t retry_after_s,
                 const std::string &what)
{
    event_del(r->deadline);
    r->list = {};
    const std::string message =
        std::string("list ") + kube_resource_name(r->options.resource) + ": " + what;
    const struct reflector_error error = {
        .failure = failure,
        .retry_after_ms = std::clamp<int64_t>(retry_after_s, 0, RETRY_AFTER_MAX_S) * 1000,
        .message = message.c_str(),
    };
    r->options.on_error(r->options.arg, &error);
}

static void on_list_deadline(evutil_socket_t, short, void *arg)
{
    struct reflector *const r = static_cast<struct reflector *>(arg);
    fetch_cancel(r->fetch);
    forget_fetch(r);
    fail(r, REFLECTOR_UNREACHABLE, 0, "not all pages came in time");
}

// No reply came. Other certificates may help where the handshake failed.
static void handle_no_reply(struct reflector *r, const struct fetch_result *result)
{
    if (result->status == FETCH_TLS && !r->ca_retried) {
        r->ca_retried = true;
        credentials_reread_ca(r->options.credentials, clock_monotonic_ms());
        if (credentials_ca(r->options.credentials) != r->ca) {
            ask(r);
            return;
        }
    }
    std::string what = fetch_status_name(result->status);
    if (*result->error != '\0')
        what += std::string(": ") + result->error;
    fail(r, REFLECTOR_UNREACHABLE, 0, what);
}

// Adds the page to the list, and asks for the next or hands the list on.
static void handle_page(struct reflector *r, const struct fetch_result *result)
{
    std::string error;
    if (!kube_parse_list(r->options.resource, result->body->data, result->body->size, &r->list,
                         &error)) {
        fail(r, REFLECTOR_BAD_REPLY, 0, error);
        return;
    }
    if (!r->list.next.empty()) {
        ask(r);
        return;
    }
    event_del(r->deadline);
    struct kube_list list = std::move(r->list);
    r->list = {};
    r->last_version = list.resource_version;
    r->options.on_sync(r->options.arg, &list);
}

// Whether a reply that is no list is reason to ask again at once; it has been asked then.
static bool ask_again(struct reflector *r, int code, const struct kube_status &status)
{
    if (code == 401 && !r->token_retried) {
        r->token_retried = true;
        if (credentials_token_changes(r->options.credentials) == r->token_change)
            credentials_reread_token(r->options.credentials, clock_monotonic_ms());
        if (credentials_token_changes(r->options.credentials) == r->token_change)
            return false;
        ask(r);
        return true;
    }
    // A version from before a restore or a fail-over may be in this server's future. So is, with an old
    // etcd, any version that a list not from the cache ended with, and each list would wait for it.
    if (code == 504 && status.version_too_large)
        r->cache_lags = true;
    if (r->mode == LIST_CACHED && (code == 410 || r->cache_lags)) {
        begin(r, LIST_FRESH);
        return true;
    }
    if (code == 410 && !r->list.next.empty()) {
        begin(r, r->restarts++ < RESTARTS_MAX ? LIST_FRESH : LIST_UNPAGED);
        return true;
    }
    return false;
}

static enum reflector_failure failure_of(int code)
{
    if (code == 401)
        return REFLECTOR_DENIED;
    if (code == 403)
        return REFLECTOR_FORBIDDEN;
    if (code == 404)
        return REFLECTOR_ABSENT;
    return code == 429 || code >= 500 ? REFLECTOR_BUSY : REFLECTOR_REFUSED;
}

// A reply of another status than 200: whatever it holds, it is no list.
static void handle_refusal(struct reflector *r, const struct fetch_result *result)
{
    struct kube_status status;
    const char *const body = result->body->data;
    const size_t size = result->body->size;
    if (!kube_parse_status(body, size, &status) && size > 0)
        status.message.assign(body, std::min(size, MESSAGE_MAX));
    if (ask_again(r, result->http_status, status))
        return;
    std::string what = "HTTP " + std::to_string(result->http_status);
    if (!status.message.empty())
        what += ": " + status.message;
    const int64_t retry_after_s = std::max<int64_t>(result->retry_after_s, status.retry_after_s);
    fail(r, failure_of(result->http_status), retry_after_s, what);
}

static void on_page_done(void *arg, const struct fetch_result *result)
{
    struct reflector *const r = static_cast<struct reflector *>(arg);
    forget_fetch(r);
    if (*result->warning != '\0' && r->last_warning != result->warning) {
        r->last_warning = result->warning;
        log_info("the API server warns: %s", result->warning);
    }
    if (result->status != FETCH_DONE)
        handle_no_reply(r, result);
    else if (result->http_status == 200)
        handle_page(r, result);
    else
        handle_refusal(r, result);
}
