// Watches one resource of a Kubernetes API.
#include "watcher.h"

#include <cassert>

#include <event2/event.h>
#include <event2/util.h>

#include "json_stream.h"
#include "log.h"
#include "timer.h"

static constexpr size_t EVENT_MAX = 16UL * 1024 * 1024; // the limit of the Go client
// Spread, or all watches of a cluster would begin anew in the same second.
static constexpr int WATCH_LEAST_S = 300, WATCH_MOST_S = 600;
static constexpr int64_t PATIENCE_MS = 30 * 1000; // beyond the time that the server was asked for

// Lives from watcher_new to watcher_free; a watch from watcher_start to on_end.
struct watcher {
    struct watcher_options options;
    struct kube_call *call; // null: no watch is under way
    struct event *silence;
    struct json_stream stream;
    bool bookmarks;  // the server sends them
    uint64_t events; // of this watch
    // set by what was sent; the end is told when the call is over
    bool ended_inside; // by an event that ends the watch, or by one without sense
    struct watch_end end;
};

static void on_silence(evutil_socket_t, short, void *arg);
static void on_watch_done(void *arg, const struct kube_answer *answer);

struct watcher *watcher_new(const struct watcher_options *options)
{
    struct watcher *w = new struct watcher();
    w->options = *options;
    w->silence = evtimer_new(options->base, on_silence, w);
    if (w->silence == nullptr)
        log_fatal("out of memory");
    return w;
}

void watcher_free(struct watcher *w)
{
    if (w == nullptr)
        return;
    watcher_stop(w);
    event_free(w->silence);
    delete w;
}

static void forget(struct watcher *w)
{
    w->call = nullptr;
    w->stream = {};
    event_del(w->silence);
}

void watcher_stop(struct watcher *w)
{
    if (w->call == nullptr)
        return;
    kube_call_cancel(w->call);
    forget(w);
}

// Ends the watch from within, for what was sent. False, for the stream.
static bool end_inside(struct watcher *w, enum watch_end_reason reason, const std::string &message)
{
    w->ended_inside = true;
    w->end.reason = reason;
    w->end.message = message;
    return false;
}

// The server says in an event what goes wrong; the reply's own status was 200.
static bool take_error(struct watcher *w, const struct kube_status &status)
{
    const bool expired =
        status.code == 410 || status.reason == "Expired" || status.reason == "Gone";
    const bool busy = status.code == 429 || status.code == 500;
    w->end.failure = KUBE_BUSY;
    w->end.retry_after_ms = status.retry_after_s > 0 ? status.retry_after_s * int64_t{1000} : 0;
    const enum watch_end_reason other = busy ? WATCH_FAILED : WATCH_DOUBTED;
    return end_inside(w, expired ? WATCH_EXPIRED : other,
                      "error " + std::to_string(status.code) + ": " + status.message);
}

static bool on_document(void *arg, const char *data, size_t size)
{
    struct watcher *const w = static_cast<struct watcher *>(arg);
    struct kube_event event;
    std::string error;
    if (!kube_parse_event(w->options.query.resource, data, size, &event, &error))
        return end_inside(w, WATCH_DOUBTED, error);
    if (event.type == KUBE_ERROR)
        return take_error(w, event.status);
    w->events++;
    w->bookmarks |= event.type == KUBE_BOOKMARK;
    w->options.on_event(w->options.arg, &event);
    return true;
}

static bool on_watch_data(void *arg, const char *data, size_t size)
{
    struct watcher *const w = static_cast<struct watcher *>(arg);
    if (size == 0)
        w->options.on_begin(w->options.arg);
    const enum json_stream_result result = json_stream_feed(&w->stream, data, size, on_document, w);
    if (w->bookmarks)
        timer_start(w->silence, w->options.silence_ms);
    else
        event_del(w->silence);
    switch (result) {
    case JSON_STREAM_OK: return true;
    case JSON_STREAM_STOPPED: return false;
    case JSON_STREAM_GARBAGE: return end_inside(w, WATCH_DOUBTED, "no valid JSON");
    case JSON_STREAM_TOO_LARGE: return end_inside(w, WATCH_DOUBTED, "an event is too large");
    }
    return false;
}

static int random_seconds()
{
    uint32_t random = 0;
    evutil_secure_rng_get_bytes(&random, sizeof random);
    return WATCH_LEAST_S + static_cast<int>(random % (WATCH_MOST_S - WATCH_LEAST_S + 1));
}

void watcher_start(struct watcher *w, const std::string &version)
{
    assert(w->call == nullptr);
    struct kube_list_query query = w->options.query;
    query.resource_version = version;
    query.watch_s = random_seconds();
    w->stream = {};
    w->stream.form = JSON_STREAM_OBJECTS;
    w->stream.object_max = EVENT_MAX;
    w->bookmarks = false;
    w->events = 0;
    w->ended_inside = false;
    w->end = {};
    const struct kube_request request = {
        .path = kube_list_path(&query),
        .timeout_ms = query.watch_s * int64_t{1000} + PATIENCE_MS,
        .max_body = SIZE_MAX,
        .on_data = on_watch_data,
        .done = on_watch_done,
        .arg = w,
    };
    w->call = kube_get(w->options.client, &request);
    timer_start(w->silence, w->options.head_ms);
}

// Tells the owner. The last thing done with `w`.
static void finish(struct watcher *w)
{
    forget(w);
    struct watch_end end = std::move(w->end);
    end.events = w->events;
    if (!end.message.empty())
        end.message = std::string("watch ") + kube_resource_name(w->options.query.resource) + ": " +
                      end.message;
    w->options.on_end(w->options.arg, &end);
}

static void on_silence(evutil_socket_t, short, void *arg)
{
    struct watcher *const w = static_cast<struct watcher *>(arg);
    kube_call_cancel(w->call);
    w->end.reason = WATCH_FAILED;
    w->end.failure = KUBE_UNREACHABLE;
    w->end.message = "the server has fallen silent";
    finish(w);
}

static void on_watch_done(void *arg, const struct kube_answer *answer)
{
    struct watcher *const w = static_cast<struct watcher *>(arg);
    w->end.ms = answer->ms;
    if (!w->ended_inside && answer->failure != KUBE_NO_FAILURE) {
        w->end.reason = answer->failure == KUBE_EXPIRED ? WATCH_EXPIRED : WATCH_FAILED;
        w->end.failure = answer->failure;
        w->end.retry_after_ms = answer->retry_after_ms;
        w->end.message = answer->message;
    } else if (!w->ended_inside && !json_stream_is_whole(&w->stream)) {
        w->end.reason = WATCH_FAILED;
        w->end.failure = KUBE_UNREACHABLE;
        w->end.message = "it ended within an event";
    }
    finish(w);
}
