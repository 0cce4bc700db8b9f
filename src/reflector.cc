// Lists and watches one resource of a Kubernetes API: a state machine over lister and watcher.
#include "reflector.h"

#include <algorithm>

#include <event2/event.h>
#include <event2/util.h>

#include "clock.h"
#include "lister.h"
#include "log.h"
#include "timer.h"
#include "watcher.h"

static constexpr int64_t SHORT_WATCH_MS = 1000;
static constexpr unsigned SHORT_WATCHES_MAX = 3;  // then the version may be the reason
static constexpr int64_t RECENTLY_MS = 10 * 1000; // a failure later than that is none in a row
static constexpr unsigned WATCH_FAILURES_MAX = 5; // with one version; then a list may help
static constexpr unsigned REFUSALS_MAX = 4; // a server that starts refuses everything for a moment
static constexpr int64_t RETRY_AFTER_MAX_MS = 60 * 1000;

// What is done when the wait is over.
enum next_step { NEXT_LIST, NEXT_WATCH };

// Lives from reflector_new to reflector_free.
struct reflector {
    struct reflector_options options;
    struct lister *lister;
    struct watcher *watcher;
    struct event *timer;
    struct kube_store store;
    struct reflector_status status;
    enum next_step next;
    bool afresh;                  // the next list must be the newest state
    unsigned short_watches;       // in a row
    unsigned watch_failures;      // in a row, with the same version
    unsigned watch_refusals;      // in a row
    bool watched;                 // a watch was accepted once
    unsigned unreachable, failed; // pauses after failures of either kind, since the last calm
    int64_t last_pause_ms;        // when it began; the rest too is of the monotonic clock
    int64_t expired_ms;           // when a version was last found expired
    int64_t relist_at_ms, watch_again_at_ms;
};

struct reflector_pace reflector_pace_of(int64_t poll_ms)
{
    return {
        .poll_ms = poll_ms,
        .retry_ms = 800,
        .unreachable_ms = std::clamp<int64_t>(poll_ms, 1000, 5000),
        .failed_ms = 30 * 1000,
        .calm_ms = 120 * 1000,
        .watch_again_ms = 5 * 60 * 1000,
        .relist_ms = 12 * int64_t{3600} * 1000,
        .head_ms = 30 * 1000,
        .silence_ms = 180 * 1000,
    };
}

// A number from `low` to `high`, so that replicas and failures do not march in step.
static int64_t random_between(int64_t low, int64_t high)
{
    uint32_t random = 0;
    evutil_secure_rng_get_bytes(&random, sizeof random);
    return low + static_cast<int64_t>(random) * (high - low) / UINT32_MAX;
}

static void wait(struct reflector *r, enum next_step next, int64_t ms)
{
    r->status.state = REFLECTOR_WAITING;
    r->next = next;
    timer_start(r->timer, ms);
}

static void begin_list(struct reflector *r)
{
    // pods are too many to come in one piece
    const bool cached = r->options.query.resource != KUBE_PODS && !r->afresh;
    r->status.state = REFLECTOR_LISTING;
    r->status.lists++;
    lister_start(r->lister, cached ? r->store.version : "");
}

static void begin_watch(struct reflector *r)
{
    r->status.state = REFLECTOR_CONNECTING;
    r->status.watches++;
    watcher_start(r->watcher, r->store.version);
}

// How long to pause after a failure.
static int64_t pause_ms(struct reflector *r, enum kube_failure failure, int64_t retry_after_ms)
{
    const struct reflector_pace *p = &r->options.pace;
    const int64_t now_ms = clock_monotonic_ms();
    if (now_ms - r->last_pause_ms >= p->calm_ms)
        r->unreachable = r->failed = 0;
    r->last_pause_ms = now_ms;
    const bool unreachable = failure == KUBE_UNREACHABLE;
    const int64_t most = unreachable ? p->unreachable_ms : p->failed_ms;
    // counted apart: a server that was away for long answers with errors for a moment when it begins
    const unsigned doublings = std::min(unreachable ? r->unreachable++ : r->failed++, 20U);
    const int64_t ms = std::min(p->retry_ms << doublings, most);
    const int64_t pause = unreachable ? random_between(ms / 2, ms) : random_between(ms, 2 * ms);
    return std::max(pause, std::min(retry_after_ms, RETRY_AFTER_MAX_MS));
}

static void note_success(struct reflector *r)
{
    r->status.failures_in_row = 0;
    r->status.current_ms = clock_monotonic_ms();
}

static void tell_error(struct reflector *r, enum kube_failure failure, bool listing,
                       const std::string &message)
{
    r->status.failures++;
    r->status.failures_in_row++;
    const bool refused = failure == KUBE_FORBIDDEN || failure == KUBE_ABSENT;
    const struct reflector_error error = {
        .failure = failure,
        .listing = listing,
        .refused =
            refused && listing && (!r->status.synced || r->status.failures_in_row >= REFUSALS_MAX),
        .message = message.c_str(),
    };
    r->options.on_error(r->options.arg, &error);
}

static void on_list(void *arg, std::vector<struct kube_item> *items, const std::string &version)
{
    struct reflector *const r = static_cast<struct reflector *>(arg);
    const struct reflector_pace *p = &r->options.pace;
    const int64_t now_ms = clock_monotonic_ms();
    const bool changed = kube_store_replace(&r->store, items, version);
    const bool first = !r->status.synced;
    r->status.synced = true;
    r->afresh = false;
    r->watch_failures = 0;
    r->relist_at_ms =
        now_ms + random_between(p->relist_ms - p->relist_ms / 5, p->relist_ms + p->relist_ms / 5);
    note_success(r);
    if (r->status.polling && now_ms < r->watch_again_at_ms)
        wait(r, NEXT_LIST,
             random_between(p->poll_ms - p->poll_ms / 10, p->poll_ms + p->poll_ms / 10));
    else
        begin_watch(r);
    if (changed || first)
        r->options.on_change(r->options.arg);
    r->options.on_current(r->options.arg);
}

static void on_list_error(void *arg, const struct kube_answer *answer)
{
    struct reflector *const r = static_cast<struct reflector *>(arg);
    r->afresh |= answer->failure == KUBE_BAD_REPLY;
    wait(r, NEXT_LIST, pause_ms(r, answer->failure, answer->retry_after_ms));
    tell_error(r, answer->failure, true, answer->message);
}

static void on_watch_begin(void *arg)
{
    struct reflector *const r = static_cast<struct reflector *>(arg);
    if (r->status.polling)
        log_info("%s may be watched now", kube_resource_name(r->options.query.resource));
    r->status.state = REFLECTOR_WATCHING;
    r->status.polling = false;
    r->watched = true;
    r->watch_refusals = 0;
    note_success(r);
    r->options.on_current(r->options.arg);
}

static void on_watch_event(void *arg, struct kube_event *event)
{
    struct reflector *const r = static_cast<struct reflector *>(arg);
    r->status.events++;
    note_success(r);
    if (kube_store_apply(&r->store, event))
        r->options.on_change(r->options.arg);
    r->options.on_current(r->options.arg);
}

static void relist(struct reflector *r, bool afresh, int64_t ms)
{
    r->afresh |= afresh;
    wait(r, NEXT_LIST, ms);
}

// Clean ends are nothing to speak of, but a server that knows a version no more may end each watch at once.
static void watch_ended(struct reflector *r, const struct watch_end *end)
{
    const bool is_short = end->events == 0 && end->ms < SHORT_WATCH_MS;
    r->short_watches = is_short ? r->short_watches + 1 : 0;
    if (!is_short)
        r->watch_failures = 0;
    if (is_short) {
        const int64_t ms = std::min(SHORT_WATCH_MS << std::min(r->short_watches - 1, 10U),
                                    r->options.pace.failed_ms);
        wait(r, r->short_watches % SHORT_WATCHES_MAX == 0 ? NEXT_LIST : NEXT_WATCH, ms);
    } else if (clock_monotonic_ms() >= r->relist_at_ms) {
        relist(r, false, 0);
    } else {
        begin_watch(r);
    }
}

static void watch_expired(struct reflector *r)
{
    const int64_t now_ms = clock_monotonic_ms();
    const bool again = r->expired_ms != 0 && now_ms - r->expired_ms < RECENTLY_MS;
    r->expired_ms = now_ms;
    relist(r, false, again ? pause_ms(r, KUBE_BUSY, 0) : 0);
}

// Watching is not allowed, though listing is.
static void begin_polling(struct reflector *r)
{
    const struct reflector_pace *p = &r->options.pace;
    if (!r->status.polling)
        log_warn("%s may not be watched (the role wants the verb \"watch\"): they are listed every "
                 "%lld ms instead",
                 kube_resource_name(r->options.query.resource), static_cast<long long>(p->poll_ms));
    r->status.polling = true;
    r->watch_again_at_ms = clock_monotonic_ms() + p->watch_again_ms;
    note_success(r);
    wait(r, NEXT_LIST, random_between(p->poll_ms - p->poll_ms / 10, p->poll_ms));
}

static void watch_failed(struct reflector *r, const struct watch_end *end)
{
    const bool refused = end->failure == KUBE_FORBIDDEN || end->failure == KUBE_REFUSED ||
                         end->failure == KUBE_ABSENT;
    if (refused && (++r->watch_refusals >= REFUSALS_MAX || !r->watched)) {
        begin_polling(r);
        return;
    }
    // one that was accepted may fail over the same event each time: what counts is that it went on
    if (end->events > 0 || end->ms >= RECENTLY_MS)
        r->watch_failures = 0;
    const bool list = ++r->watch_failures >= WATCH_FAILURES_MAX;
    wait(r, list ? NEXT_LIST : NEXT_WATCH, pause_ms(r, end->failure, end->retry_after_ms));
    tell_error(r, end->failure, false, end->message);
}

static void on_watch_end(void *arg, const struct watch_end *end)
{
    struct reflector *const r = static_cast<struct reflector *>(arg);
    switch (end->reason) {
    case WATCH_ENDED: watch_ended(r, end); return;
    case WATCH_EXPIRED: watch_expired(r); return;
    case WATCH_DOUBTED:
        relist(r, true, pause_ms(r, KUBE_BAD_REPLY, 0));
        tell_error(r, KUBE_BAD_REPLY, false, end->message);
        return;
    case WATCH_FAILED: watch_failed(r, end); return;
    }
}

static void on_timer(evutil_socket_t, short, void *arg)
{
    struct reflector *const r = static_cast<struct reflector *>(arg);
    if (r->next == NEXT_LIST)
        begin_list(r);
    else
        begin_watch(r);
}

struct reflector *reflector_new(const struct reflector_options *options)
{
    struct reflector *r = new struct reflector();
    r->options = *options;
    const struct lister_options list = {
        .base = options->base,
        .client = options->client,
        .query = options->query,
        .timeout_ms = 0,
        .on_list = on_list,
        .on_error = on_list_error,
        .arg = r,
    };
    const struct watcher_options watch = {
        .base = options->base,
        .client = options->client,
        .query = options->query,
        .head_ms = options->pace.head_ms,
        .silence_ms = options->pace.silence_ms,
        .on_begin = on_watch_begin,
        .on_event = on_watch_event,
        .on_end = on_watch_end,
        .arg = r,
    };
    r->lister = lister_new(&list);
    r->watcher = watcher_new(&watch);
    r->timer = evtimer_new(options->base, on_timer, r);
    if (r->timer == nullptr)
        log_fatal("out of memory");
    return r;
}

void reflector_free(struct reflector *r)
{
    if (r == nullptr)
        return;
    lister_free(r->lister);
    watcher_free(r->watcher);
    event_free(r->timer);
    delete r;
}

void reflector_start(struct reflector *r)
{
    if (r->status.state == REFLECTOR_STOPPED)
        begin_list(r);
}

void reflector_stop(struct reflector *r)
{
    lister_stop(r->lister);
    watcher_stop(r->watcher);
    event_del(r->timer);
    r->status.state = REFLECTOR_STOPPED;
    r->status.synced = false;
}

void reflector_restart_watch(struct reflector *r)
{
    if (r->status.state != REFLECTOR_WATCHING)
        return;
    watcher_stop(r->watcher);
    begin_watch(r);
}

const struct kube_store *reflector_store(const struct reflector *r)
{
    return &r->store;
}

const struct reflector_status *reflector_get_status(const struct reflector *r)
{
    return &r->status;
}
