// Posts a review until there is an answer, or it is clear that there will be none in time.
#include "auth_call.h"

#include <algorithm>

#include <event2/event.h>
#include <event2/util.h>

#include "blob.h"
#include "clock.h"
#include "credentials.h"
#include "kube_client.h"
#include "log.h"
#include "timer.h"

constexpr size_t REPLY_MAX = 1024 * 1024;

// Lives from auth_call_start until its `done` has returned or until auth_call_cancel.
struct auth_call {
    struct auth_call_options options;
    struct kube_call *kube; // null: between two tries
    struct event *timer;
    int64_t begun_ms; // monotonic
    int64_t pause_ms; // before the next try
    unsigned tries;
};

static void on_kube_done(void *arg, const struct kube_answer *answer);

static void post(struct auth_call *call)
{
    struct kube_request request = {
        .path = call->options.path,
        .timeout_ms = std::max<int64_t>(1, call->begun_ms + AUTH_CALL_MS - clock_monotonic_ms()),
        .max_body = REPLY_MAX,
        .on_data = nullptr,
        .done = on_kube_done,
        .arg = call,
        .body = call->options.body,
    };
    call->tries++;
    call->kube = kube_post(call->options.client, &request);
}

static void on_timer(evutil_socket_t, short, void *arg)
{
    post(static_cast<struct auth_call *>(arg));
}

static void call_free(struct auth_call *call)
{
    credentials_clear(&call->options.body);
    event_free(call->timer);
    delete call;
}

// Whether it may be another answer in a moment. A server that is not there at all is not waited for.
static bool is_passing(const struct kube_answer *answer)
{
    return answer->reset || answer->code == 429 || answer->code == 500 || answer->code == 504 ||
           (answer->failure == KUBE_BUSY && answer->retry_after_ms > 0);
}

// The pause with its jitter, of 20 %, or what the server asks for where that is longer.
static int64_t next_pause(struct auth_call *call, const struct kube_answer *answer)
{
    uint32_t random = 0;
    evutil_secure_rng_get_bytes(&random, sizeof random);
    const int64_t jitter_ms = call->pause_ms * static_cast<int64_t>(random % 1000) / 5000;
    const int64_t pause_ms = call->pause_ms + jitter_ms;
    call->pause_ms = call->pause_ms * 3 / 2;
    return std::max(pause_ms, answer->retry_after_ms);
}

static bool try_again(struct auth_call *call, const struct kube_answer *answer)
{
    if (!is_passing(answer) || call->tries >= AUTH_CALL_TRIES)
        return false;
    const int64_t pause_ms = next_pause(call, answer);
    if (clock_monotonic_ms() + pause_ms >= call->begun_ms + AUTH_CALL_MS)
        return false;
    timer_start(call->timer, pause_ms);
    return true;
}

static void on_kube_done(void *arg, const struct kube_answer *answer)
{
    struct auth_call *call = static_cast<struct auth_call *>(arg);
    call->kube = nullptr;
    const bool good = answer->failure == KUBE_NO_FAILURE;
    if (!good && try_again(call, answer))
        return;
    struct auth_reply reply = {
        .data = good ? answer->body->data : nullptr,
        .size = good ? answer->body->size : 0,
        .problem = answer->message,
    };
    if (answer->failure == KUBE_FORBIDDEN)
        reply.problem += "; this program's account wants the ClusterRole system:auth-delegator";
    call->options.done(call->options.arg, &reply);
    call_free(call);
}

struct auth_call *auth_call_start(struct auth_call_options *options)
{
    struct auth_call *call = new auth_call{
        .options = std::move(*options),
        .kube = nullptr,
        .timer = nullptr,
        .begun_ms = clock_monotonic_ms(),
        .pause_ms = AUTH_CALL_PAUSE_MS,
        .tries = 0,
    };
    call->timer = evtimer_new(call->options.base, on_timer, call);
    if (!call->timer)
        log_fatal("out of memory: a timer");
    post(call);
    return call;
}

void auth_call_cancel(struct auth_call *call)
{
    if (call->kube)
        kube_call_cancel(call->kube);
    call_free(call);
}
