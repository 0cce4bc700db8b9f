// curl multi handles (shards) on libevent. Owns the multi handles, their timers and an event for
// every descriptor that curl waits for. Knows nothing of requests.
//
// curl's callbacks record what curl wants; only the loop's own callbacks call curl, and only
// drain() takes finished transfers out: curl 7.88 refuses calls from within its callbacks.
#include "http_client_loop.h"

#include <cassert>
#include <deque>
#include <set>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <event2/event.h>

#include "http_client.h"
#include "log.h"
#include "tasks.h"

// What is registered for a descriptor; the index in the table is the descriptor.
struct watch {
    struct shard *shard = nullptr; // whose connection it is
    struct task task = {};         // to tell curl what it is ready for
    curl_socket_t fd = -1;
    int ready = 0;                 // CURL_CSELECT_IN, CURL_CSELECT_OUT
    struct event *event = nullptr; // kept for whoever has the descriptor next
    short registered = 0;          // what libevent waits for: EV_READ, EV_WRITE; 0: nothing
    bool wanted = false;           // curl waits for it
    bool kept = false;             // a connection: curl_loop_close_socket will be called for it
    bool fresh = false;            // one that its shard has not heard of
};

struct curl_loop {
    struct event_base *base;
    struct tasks *tasks;
    transfer_done_fn done;
    void *arg;
    uint64_t actions;
    std::vector<struct shard *> shards; // by number; null: not made or forgotten
    std::deque<struct watch> watches;   // by descriptor; they stay where they are
};

// Lives until its number is forgotten and its last transfer has been removed.
struct shard {
    struct curl_loop *loop;
    CURLM *multi;
    struct event *timer;
    size_t transfers; // added and not removed
    bool adding;      // shard_add() is at work on it
    bool draining;    // drain() is at work on it
    bool forgotten;   // no longer in curl_loop.shards
    bool grown;       // has new connections since curl_loop_rest looked at it
};

static void shard_free(struct shard *s)
{
    assert(s->transfers == 0 && !s->draining);
    curl_multi_cleanup(s->multi); // still calls back: for the timer, and to close sockets
    event_free(s->timer);
    delete s;
}

// Frees a forgotten shard that nothing uses any more.
static void shard_settle(struct shard *s)
{
    if (s->forgotten && s->transfers == 0 && !s->draining)
        shard_free(s);
}

// Takes the finished transfers out and tells their owner, who may add and remove others meanwhile.
static void drain(struct shard *s)
{
    assert(!s->draining);
    s->draining = true;
    int left;
    while (CURLMsg *message = curl_multi_info_read(s->multi, &left)) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle; // the message dies with remove_handle
        shard_end(s, easy, message->data.result);
    }
    s->draining = false;
    shard_settle(s);
}

static void shard_act(struct shard *s, curl_socket_t fd, int mask)
{
    int running;
    s->loop->actions++;
    const CURLMcode code = curl_multi_socket_action(s->multi, fd, mask, &running);
    if (code != CURLM_OK)
        log_warn("curl: %s", curl_multi_strerror(code));
    drain(s);
}

static void on_timer_fire(evutil_socket_t, short, void *arg)
{
    shard_act(static_cast<struct shard *>(arg), CURL_SOCKET_TIMEOUT, 0);
}

static void watch_stop(struct watch *w)
{
    if (w->registered)
        event_del(w->event);
    w->registered = 0;
    task_remove(&w->task);
}

static bool on_watch_step(void *arg)
{
    const struct watch *w = static_cast<struct watch *>(arg);
    if (w->wanted)
        shard_act(w->shard, w->fd, w->ready);
    return false;
}

// Hundreds of sockets may be ready at once: they wait for their turn, and others get theirs.
static void on_socket_ready(evutil_socket_t fd, short what, void *arg)
{
    struct curl_loop *l = static_cast<struct curl_loop *>(arg);
    struct watch *w = &l->watches[static_cast<size_t>(fd)];
    if (!w->wanted) {
        // a kept connection that the peer closed: curl sees it on reuse, level-triggered we would
        // spin
        watch_stop(w);
        return;
    }
    w->ready =
        ((what & EV_READ) ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0);
    tasks_add(l->tasks, &w->task);
}

static struct watch *watch_of(struct curl_loop *l, curl_socket_t fd)
{
    const size_t index = static_cast<size_t>(fd);
    while (index >= l->watches.size()) {
        struct watch *w = &l->watches.emplace_back();
        w->task = {.step = on_watch_step, .arg = w, .next = nullptr, .previous = nullptr};
        w->fd = static_cast<curl_socket_t>(l->watches.size() - 1);
    }
    return &l->watches[index];
}

static void watch_start(struct curl_loop *l, struct watch *w, curl_socket_t fd, short events)
{
    if (w->registered == events)
        return;
    watch_stop(w);
    const short flags = static_cast<short>(events | EV_PERSIST);
    if (w->event)
        event_assign(w->event, l->base, fd, flags, on_socket_ready, l);
    else
        w->event = event_new(l->base, fd, flags, on_socket_ready, l);
    if (!w->event)
        log_fatal("out of memory: an event of a socket");
    if (event_add(w->event, nullptr) != 0) {
        log_warn("cannot watch socket %d", fd); // the transfer will time out
        return;
    }
    w->registered = events;
}

static int on_curl_socket(CURL *, curl_socket_t fd, int what, void *arg, void *)
{
    struct shard *s = static_cast<struct shard *>(arg);
    struct watch *w = watch_of(s->loop, fd);
    w->wanted = what != CURL_POLL_REMOVE;
    if (what == CURL_POLL_REMOVE) {
        // curl's resolver has sockets too, which it closes without a word after this; and so does it
        // close a connection that is given up before it stands, when only writing was waited for
        if (!w->kept || w->registered == EV_WRITE)
            watch_stop(w);
        return 0;
    }
    w->shard = s;
    s->grown |= w->fresh;
    w->fresh = false;
    const int events =
        ((what & CURL_POLL_IN) ? EV_READ : 0) | ((what & CURL_POLL_OUT) ? EV_WRITE : 0);
    watch_start(s->loop, w, fd, static_cast<short>(events));
    return 0;
}

static int on_curl_timer(CURLM *, long ms, void *arg)
{
    struct shard *s = static_cast<struct shard *>(arg);
    if (s->adding)
        return 0; // at once: whoever adds runs the shard, without a timer
    if (ms < 0) {
        event_del(s->timer);
        return 0;
    }
    const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(s->timer, &delay);
    return 0;
}

static struct shard *shard_new(struct curl_loop *l)
{
    struct shard *s = new shard{
        .loop = l,
        .multi = curl_multi_init(),
        .timer = nullptr,
        .transfers = 0,
        .adding = false,
        .draining = false,
        .forgotten = false,
        .grown = false,
    };
    s->timer = event_new(l->base, -1, 0, on_timer_fire, s);
    if (!s->multi || !s->timer)
        log_fatal("cannot make a curl multi handle");
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
    // unset, curl keeps four times the transfers under way, and closes kept connections as they end
    curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, 2L * FETCH_SHARD_SERVERS + 16L);
    // both limits count kept connections too, so a limit would close them
    curl_multi_setopt(s->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 0L);
    curl_multi_setopt(s->multi, CURLMOPT_MAX_HOST_CONNECTIONS, 0L);
    return s;
}

struct curl_loop *curl_loop_new(struct event_base *base, struct tasks *tasks, transfer_done_fn done,
                                void *arg)
{
    return new curl_loop{.base = base,
                         .tasks = tasks,
                         .done = done,
                         .arg = arg,
                         .actions = 0,
                         .shards = {},
                         .watches = {}};
}

void curl_loop_free(struct curl_loop *l)
{
    for (struct shard *s : l->shards)
        if (s)
            shard_free(s);
    for (struct watch &w : l->watches)
        if (w.event)
            event_free(w.event);
    delete l;
}

struct shard *curl_loop_shard(struct curl_loop *l, uint32_t number)
{
    if (number >= l->shards.size())
        l->shards.resize(static_cast<size_t>(number) + 1, nullptr);
    if (!l->shards[number])
        l->shards[number] = shard_new(l);
    return l->shards[number];
}

// curl has no call to close kept connections: they go with their multi handle.
void curl_loop_forget(struct curl_loop *l, uint32_t number)
{
    if (number >= l->shards.size() || !l->shards[number])
        return;
    struct shard *s = l->shards[number];
    l->shards[number] = nullptr;
    s->forgotten = true;
    shard_settle(s);
}

void curl_loop_opened(struct curl_loop *l, curl_socket_t fd)
{
    struct watch *w = watch_of(l, fd);
    watch_stop(w); // a descriptor that is new is not watched yet, whatever became of its last owner
    w->kept = w->fresh = true;
}

// Whether it keeps more than two connections for each of its servers.
static bool has_spares(const struct curl_loop *l, const struct shard *s)
{
    std::set<std::string> servers;
    size_t connections = 0;
    for (size_t fd = 0; fd < l->watches.size(); fd++) {
        const struct watch &w = l->watches[fd];
        struct sockaddr_storage address = {};
        socklen_t size = sizeof address;
        if (!w.kept || w.shard != s)
            continue;
        connections++;
        if (getpeername(static_cast<int>(fd), reinterpret_cast<struct sockaddr *>(&address),
                        &size) == 0)
            servers.emplace(reinterpret_cast<const char *>(&address), size);
    }
    return connections > 2 * servers.size();
}

bool curl_loop_rest(struct curl_loop *l, uint32_t number)
{
    if (number >= l->shards.size())
        return false;
    struct shard *s = l->shards[number];
    if (!s || !s->grown || s->transfers > 0)
        return true;
    s->grown = false;
    if (has_spares(l, s))
        curl_loop_forget(l, number);
    return true;
}

int curl_loop_close_socket(void *loop, curl_socket_t fd)
{
    struct watch *w = watch_of(static_cast<struct curl_loop *>(loop), fd);
    watch_stop(w);
    w->wanted = false;
    w->kept = false;
    return close(fd);
}

uint64_t curl_loop_actions(const struct curl_loop *l)
{
    return l->actions;
}

bool shard_add(struct shard *s, CURL *easy)
{
    s->adding = true;
    const CURLMcode code = curl_multi_add_handle(s->multi, easy);
    s->adding = false;
    if (code == CURLM_OK)
        s->transfers++;
    return code == CURLM_OK;
}

void shard_remove(struct shard *s, CURL *easy)
{
    assert(s->transfers > 0);
    curl_multi_remove_handle(s->multi, easy);
    s->transfers--;
    shard_settle(s);
}

void shard_run(struct shard *s)
{
    shard_act(s, CURL_SOCKET_TIMEOUT, 0);
}

void shard_end(struct shard *s, CURL *easy, CURLcode code)
{
    struct curl_loop *l = s->loop;
    shard_remove(s, easy);
    l->done(l->arg, easy, code);
}
