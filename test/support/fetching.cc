// A client on a loop of its own. Owns both, and the server.
#include "fetching.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <event2/event.h>

#include "blob.h"
#include "tcp_server.h"

struct fetching fetching_begin(const std::vector<struct tcp_reply> &script)
{
    signal(SIGPIPE, SIG_IGN); // as the client wants it
    struct event_base *base = event_base_new();
    if (!base)
        abort();
    struct fetching f = {
        .base = base, .client = http_client_new(base), .server = nullptr, .url = {}};
    if (!script.empty()) {
        f.server = tcp_server_new(base, "127.0.0.1", 0, script);
        f.url = tcp_server_url(f.server, "/a/../b?c=%2f");
    }
    return f;
}

void fetching_end(struct fetching *f)
{
    http_client_free(f->client);
    if (f->server)
        tcp_server_free(f->server);
    event_base_free(f->base);
}

void on_fetch_outcome(void *arg, const struct fetch_result *r)
{
    struct outcome *o = static_cast<struct outcome *>(arg);
    o->calls++;
    o->status = r->status;
    o->http_status = r->http_status;
    o->ms = r->ms;
    o->sent = r->sent;
    o->tries = r->tries;
    o->connects = r->connects;
    o->retry_after_s = r->retry_after_s;
    o->warning = r->warning;
    o->error = r->error;
    o->body.assign(r->body->data ? r->body->data : "", r->body->size);
}

struct fetch_options fetching_options(const char *url, struct outcome *outcome)
{
    struct fetch_options o = {};
    o.method = "GET";
    o.url = url;
    o.max_body = 1000000;
    o.timeout_ms = 40000;
    o.shard = 1;
    o.done = on_fetch_outcome;
    o.arg = outcome;
    return o;
}

static void on_too_late(evutil_socket_t, short, void *)
{
    fprintf(stderr, "no outcome within 20 s\n");
    abort();
}

void fetching_wait(struct fetching *f, const struct outcome *outcome)
{
    const struct timeval limit = {.tv_sec = 20, .tv_usec = 0};
    struct event *guard = evtimer_new(f->base, on_too_late, nullptr);
    evtimer_add(guard, &limit);
    while (outcome->calls == 0)
        event_base_loop(f->base, EVLOOP_ONCE);
    event_free(guard);
}

void fetching_run(struct fetching *f, int ms)
{
    const struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_base_loopexit(f->base, &limit);
    event_base_dispatch(f->base);
}

struct outcome fetching_do(struct fetching *f, const struct fetch_options *options)
{
    struct outcome outcome = {};
    struct fetch_options o = *options;
    o.arg = &outcome;
    struct fetch *under_way = fetch_start(f->client, &o);
    if (!under_way || outcome.calls != 0)
        abort();
    fetching_wait(f, &outcome);
    return outcome;
}

struct outcome fetching_get(struct fetching *f, const std::string &url)
{
    const struct fetch_options o = fetching_options(url.c_str(), nullptr);
    return fetching_do(f, &o);
}
