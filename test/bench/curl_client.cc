#include "curl_client.h"

#include <arpa/inet.h>
#include <string>
#include <vector>

#include <curl/curl.h>
#include <event2/event.h>

#include "common.h"

constexpr size_t SHARD_NODES = 100;

// An easy handle and what it receives.
struct transfer {
    struct curl_client *client;
    CURL *easy;
    struct shard *shard;
    std::vector<char> body; // keeps its memory for the next one
};

struct shard {
    struct curl_client *client;
    CURLM *multi;
    struct event *timer;
};

// Of a descriptor: whom to tell, and whether curl wants to know now.
struct watch {
    struct shard *shard;
    struct event *event;
    short registered;
    bool wanted;
};

struct curl_client {
    struct event_base *base;
    size_t size, window;
    std::vector<std::string> urls;
    std::vector<struct shard *> shards;
    std::vector<struct watch> watches;
    std::vector<struct transfer *> pool;
    size_t next, done;
    long connects;
};

static void send_next(struct curl_client *c);

static void drain(struct shard *s)
{
    struct curl_client *c = s->client;
    int left;
    while (CURLMsg *message = curl_multi_info_read(s->multi, &left)) {
        struct transfer *t;
        long status, connects;
        CURL *easy = message->easy_handle;
        const CURLcode code = message->data.result;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
        curl_multi_remove_handle(s->multi, easy);
        if (code != CURLE_OK || status != 200 || t->body.size() != c->size)
            bench_fail_text("the curl client: not the reply that was wanted");
        c->connects += connects;
        c->pool.push_back(t);
        if (c->next < c->urls.size())
            send_next(c);
        if (++c->done == c->urls.size())
            event_base_loopbreak(c->base);
    }
}

static void act(struct shard *s, curl_socket_t fd, int mask)
{
    int running;
    curl_multi_socket_action(s->multi, fd, mask, &running);
    drain(s);
}

static void on_timer(evutil_socket_t, short, void *arg)
{
    act(static_cast<struct shard *>(arg), CURL_SOCKET_TIMEOUT, 0);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct watch *w = &static_cast<struct curl_client *>(arg)->watches[static_cast<size_t>(fd)];
    if (!w->wanted) {
        event_del(w->event);
        w->registered = 0;
        return;
    }
    const int mask =
        ((what & EV_READ) ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0);
    act(w->shard, fd, mask);
}

static int on_curl_timer(CURLM *, long ms, void *arg)
{
    struct shard *s = static_cast<struct shard *>(arg);
    const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    if (ms < 0)
        event_del(s->timer);
    else
        event_add(s->timer, &delay);
    return 0;
}

static int on_curl_socket(CURL *, curl_socket_t fd, int what, void *arg, void *)
{
    struct shard *s = static_cast<struct shard *>(arg);
    struct curl_client *c = s->client;
    const size_t index = static_cast<size_t>(fd);
    if (c->watches.size() <= index)
        c->watches.resize(index * 2 + 64);
    struct watch *w = &c->watches[index];
    w->wanted = what != CURL_POLL_REMOVE;
    if (!w->wanted)
        return 0;
    w->shard = s;
    const int events =
        ((what & CURL_POLL_IN) ? EV_READ : 0) | ((what & CURL_POLL_OUT) ? EV_WRITE : 0);
    if (events == w->registered)
        return 0;
    if (!w->event)
        w->event = event_new(c->base, fd, EV_READ, on_ready, c);
    event_del(w->event);
    event_assign(w->event, c->base, fd, static_cast<short>(events | EV_PERSIST), on_ready, c);
    event_add(w->event, nullptr);
    w->registered = static_cast<short>(events);
    return 0;
}

// curl asks for this when a connection ends, which is seldom: with a shard's last breath, mostly.
static int on_curl_close(void *arg, curl_socket_t fd)
{
    struct curl_client *c = static_cast<struct curl_client *>(arg);
    struct watch *w = &c->watches[static_cast<size_t>(fd)];
    if (w->event)
        event_del(w->event);
    w->registered = 0;
    return evutil_closesocket(fd);
}

static size_t on_body(char *data, size_t, size_t size, void *arg)
{
    struct transfer *t = static_cast<struct transfer *>(arg);
    t->body.insert(t->body.end(), data, data + size);
    return size;
}

static struct shard *shard_new(struct curl_client *c)
{
    struct shard *s = new struct shard();
    s->client = c;
    s->multi = curl_multi_init();
    s->timer = evtimer_new(c->base, on_timer, s);
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
    curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, static_cast<long>(2 * SHARD_NODES + 16));
    return s;
}

static struct transfer *transfer_new(struct curl_client *c)
{
    struct transfer *t = new struct transfer();
    t->client = c;
    t->easy = curl_easy_init();
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_CLOSESOCKETFUNCTION, on_curl_close);
    curl_easy_setopt(t->easy, CURLOPT_CLOSESOCKETDATA, c);
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(t->easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    curl_easy_setopt(t->easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, 1000L);
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, 10000L);
    return t;
}

static void send_next(struct curl_client *c)
{
    const size_t i = c->next++;
    struct transfer *t;
    if (c->pool.empty()) {
        t = transfer_new(c);
    } else {
        t = c->pool.back();
        c->pool.pop_back();
    }
    t->body.clear();
    t->shard = c->shards[i / SHARD_NODES];
    curl_easy_setopt(t->easy, CURLOPT_URL, c->urls[i].c_str());
    curl_multi_add_handle(t->shard->multi, t->easy);
}

struct curl_client *curl_client_new(unsigned nodes, uint16_t port, const char *path, size_t size,
                                    size_t window)
{
    struct curl_client *c = new struct curl_client();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    c->base = event_base_new();
    c->size = size;
    c->window = window;
    for (unsigned i = 0; i < nodes; i++) {
        const struct sockaddr_in a = bench_node_address(i, port);
        char host[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &a.sin_addr, host, sizeof host);
        c->urls.push_back("http://" + std::string(host) + ":" + std::to_string(port) + path);
        if (i % SHARD_NODES == 0)
            c->shards.push_back(shard_new(c));
    }
    return c;
}

void curl_client_free(struct curl_client *c)
{
    for (struct transfer *t : c->pool) {
        curl_easy_cleanup(t->easy);
        delete t;
    }
    for (struct shard *s : c->shards) {
        curl_multi_cleanup(s->multi);
        event_free(s->timer);
        delete s;
    }
    for (const struct watch &w : c->watches)
        if (w.event)
            event_free(w.event);
    event_base_free(c->base);
    delete c;
}

long curl_client_fan_out(struct curl_client *c)
{
    c->next = 0;
    c->done = 0;
    c->connects = 0;
    while (c->next < c->urls.size() && c->next < c->window)
        send_next(c);
    event_base_dispatch(c->base);
    return c->connects;
}
