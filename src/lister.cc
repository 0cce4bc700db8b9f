// Lists one resource of a Kubernetes API: a state machine over kube_client.
#include "lister.h"

#include <cassert>

#include <event2/event.h>

#include "json_stream.h"
#include "log.h"
#include "timer.h"

static constexpr int64_t PAGE_MS = 75000; // the server's own limit is 60 s
static constexpr int64_t LIST_MS = 120000;
static constexpr size_t PAGE_MAX = 64UL * 1024 * 1024;
static constexpr size_t ITEM_MAX = 16UL * 1024 * 1024;
static constexpr size_t ENVELOPE_MAX = 1024UL * 1024;
static constexpr int PODS_OF_A_PAGE = 250;
static constexpr int SLICES_OF_A_PAGE = 500;
static constexpr unsigned RESTARTS_MAX = 2; // of paging, before all is asked for at once

// How a list is asked for.
enum list_mode {
    LIST_FRESH,   // the newest state, in pages
    LIST_CACHED,  // not older than a version, from the server's memory
    LIST_UNPAGED, // whatever the server has in memory: when pages expire faster than they are read
};

// Lives from lister_new to lister_free; a list from lister_start to its callback.
struct lister {
    struct lister_options options;
    struct event *deadline;
    struct kube_call *call; // null: no list is under way
    struct json_stream stream;
    struct kube_list_end end;            // of the last page
    std::vector<struct kube_item> items; // staging: what the pages so far held
    std::string version;                 // asked for by the owner
    enum list_mode mode;
    enum json_stream_result result; // of the page under way
    unsigned restarts;
    bool cache_lags; // this server's memory is behind what it tells of itself
};

static void on_deadline(evutil_socket_t, short, void *arg);
static void on_page_done(void *arg, const struct kube_answer *answer);

struct lister *lister_new(const struct lister_options *options)
{
    struct lister *l = new struct lister();
    l->options = *options;
    if (l->options.timeout_ms == 0)
        l->options.timeout_ms = LIST_MS;
    l->deadline = evtimer_new(options->base, on_deadline, l);
    if (l->deadline == nullptr)
        log_fatal("out of memory");
    return l;
}

void lister_free(struct lister *l)
{
    if (l == nullptr)
        return;
    lister_stop(l);
    event_free(l->deadline);
    delete l;
}

// The list is over, or never was.
static void forget(struct lister *l)
{
    event_del(l->deadline);
    l->items = {};
    l->end = {};
    l->stream = {};
}

void lister_stop(struct lister *l)
{
    if (l->call == nullptr)
        return;
    kube_call_cancel(l->call);
    l->call = nullptr;
    forget(l);
}

static std::string page_path(const struct lister *l)
{
    struct kube_list_query query = l->options.query;
    query.limit = query.resource == KUBE_PODS ? PODS_OF_A_PAGE : SLICES_OF_A_PAGE;
    query.next = l->end.next;
    if (l->mode == LIST_UNPAGED) {
        query.limit = 0;
        query.resource_version = "0";
    } else if (l->mode == LIST_CACHED) {
        query.limit = 0;
        query.resource_version = l->version;
        query.version_match = "NotOlderThan";
    }
    if (!query.next.empty()) { // a token stands for a version of its own
        query.resource_version.clear();
        query.version_match.clear();
    }
    return kube_list_path(&query);
}

static bool on_item(void *arg, const char *data, size_t size)
{
    struct lister *const l = static_cast<struct lister *>(arg);
    struct kube_item item;
    if (kube_parse_item(l->options.query.resource, data, size, &item))
        l->items.push_back(std::move(item));
    return true; // one that makes no sense is as if it was not there
}

static bool on_page_data(void *arg, const char *data, size_t size)
{
    struct lister *const l = static_cast<struct lister *>(arg);
    l->result = json_stream_feed(&l->stream, data, size, on_item, l);
    return l->result == JSON_STREAM_OK;
}

// Sends the request for the next page.
static void ask(struct lister *l)
{
    l->stream = {};
    l->stream.form = JSON_STREAM_LIST;
    l->stream.object_max = ITEM_MAX;
    l->stream.envelope_max = ENVELOPE_MAX;
    l->result = JSON_STREAM_OK;
    const struct kube_request request = {
        .path = page_path(l),
        .timeout_ms = PAGE_MS,
        .max_body = PAGE_MAX,
        .on_data = on_page_data,
        .done = on_page_done,
        .arg = l,
    };
    l->call = kube_get(l->options.client, &request);
}

// Begins the list again at its first page.
static void begin(struct lister *l, enum list_mode mode)
{
    l->mode = mode;
    l->items.clear();
    l->end = {};
    ask(l);
}

void lister_start(struct lister *l, const std::string &version)
{
    assert(l->call == nullptr);
    l->restarts = 0;
    l->version = version;
    timer_start(l->deadline, l->options.timeout_ms);
    begin(l, version.empty() || l->cache_lags ? LIST_FRESH : LIST_CACHED);
}

// Ends the list as a failure. The last thing done with `l`.
static void fail(struct lister *l, struct kube_answer *answer)
{
    forget(l);
    answer->message = std::string("list ") + kube_resource_name(l->options.query.resource) + ": " +
                      answer->message;
    l->options.on_error(l->options.arg, answer);
}

static void on_deadline(evutil_socket_t, short, void *arg)
{
    struct lister *const l = static_cast<struct lister *>(arg);
    kube_call_cancel(l->call);
    l->call = nullptr;
    struct kube_answer answer = {};
    answer.failure = KUBE_UNREACHABLE;
    answer.message = "not all pages came in time";
    fail(l, &answer);
}

// Whether a reply that is no list is reason to ask again at once; it has been asked then.
static bool ask_again(struct lister *l, const struct kube_answer *answer)
{
    // A version from before a restore or a fail-over may be in this server's future. So is, with an old
    // etcd, any version that a list not from the cache ended with, and each list would wait for it.
    if (answer->version_too_large)
        l->cache_lags = true;
    if (l->mode == LIST_CACHED && (answer->failure == KUBE_EXPIRED || l->cache_lags)) {
        begin(l, LIST_FRESH);
        return true;
    }
    if (answer->failure == KUBE_EXPIRED && !l->end.next.empty()) {
        begin(l, l->restarts++ < RESTARTS_MAX ? LIST_FRESH : LIST_UNPAGED);
        return true;
    }
    return false;
}

static const char *stream_problem(const struct lister *l)
{
    if (l->result == JSON_STREAM_TOO_LARGE)
        return "an item is too large";
    return l->result != JSON_STREAM_OK || !json_stream_is_whole(&l->stream) ? "no valid JSON"
                                                                            : nullptr;
}

// The page has come: asks for the next, or hands the list on.
static void handle_page(struct lister *l)
{
    struct kube_answer answer = {};
    answer.failure = KUBE_BAD_REPLY;
    const std::string &envelope = l->stream.envelope;
    if (const char *problem = stream_problem(l)) {
        answer.message = problem;
        fail(l, &answer);
    } else if (!kube_parse_list_end(l->options.query.resource, envelope.data(), envelope.size(),
                                    &l->end, &answer.message)) {
        fail(l, &answer);
    } else if (!l->end.next.empty()) {
        ask(l);
    } else {
        std::vector<struct kube_item> items = std::move(l->items);
        const std::string version = std::move(l->end.version);
        forget(l);
        l->options.on_list(l->options.arg, &items, version);
    }
}

static void on_page_done(void *arg, const struct kube_answer *answer)
{
    struct lister *const l = static_cast<struct lister *>(arg);
    l->call = nullptr;
    if (answer->failure == KUBE_NO_FAILURE || answer->stopped) {
        handle_page(l);
        return;
    }
    if (ask_again(l, answer))
        return;
    struct kube_answer copy = *answer;
    fail(l, &copy);
}
