// A scripted http_client on the event loop.
#include "fake_http_client.h"

#include <algorithm>
#include <cassert>

#include <event2/event.h>

#include "blob.h"
#include "clock.h"

struct http_client {
    struct event_base *base;
    struct fake_script script;
    std::vector<struct fetch *> fetches;
};

struct fetch {
    struct http_client *client;
    struct event *timer;
    struct fake_reply reply;
    fetch_done_fn done;
    void *arg;
};

struct fetch_headers {
    std::vector<std::string> lines;
};

struct http_client *http_client_new(struct event_base *base)
{
    struct http_client *c = new struct http_client();
    c->base = base;
    return c;
}

struct fake_script *fake_http_client_script(struct http_client *c)
{
    return &c->script;
}

void fetch_cancel(struct fetch *f)
{
    struct http_client *const c = f->client;
    c->fetches.erase(std::find(c->fetches.begin(), c->fetches.end(), f));
    c->script.under_way--;
    event_free(f->timer);
    delete f;
}

void http_client_free(struct http_client *c)
{
    while (!c->fetches.empty())
        fetch_cancel(c->fetches.back());
    delete c;
}

void http_client_forget(struct http_client *c, uint32_t)
{
    c->script.forgets++;
}

static void on_answer(evutil_socket_t, short, void *arg)
{
    struct fetch *const f = static_cast<struct fetch *>(arg);
    const struct fake_reply reply = f->reply;
    const fetch_done_fn done = f->done;
    void *const done_arg = f->arg;
    fetch_cancel(f);
    if (reply.before != nullptr)
        reply.before(reply.arg);
    struct blob *const body = blob_new(reply.body.size());
    blob_append(body, reply.body.data(), reply.body.size());
    const struct fetch_result result = {
        .status = reply.status,
        .http_status = reply.status == FETCH_DONE ? reply.http_status : 0,
        .ms = 0,
        .sent = true,
        .tries = 1,
        .connects = 0,
        .retry_after_s = reply.retry_after_s,
        .warning = reply.warning.c_str(),
        .error = reply.status == FETCH_DONE ? "" : "scripted",
        .body = body,
    };
    done(done_arg, &result);
    blob_unref(body);
}

// Takes the reply for a URL from the script. False: none is left.
static bool take_reply(struct fake_script *script, const std::string &url, struct fake_reply *reply)
{
    for (size_t i = 0; i < script->replies.size(); i++) {
        if (url.find(script->replies[i].match) == url.npos)
            continue;
        *reply = script->replies[i];
        if (!reply->repeat)
            script->replies.erase(script->replies.begin() + static_cast<ptrdiff_t>(i));
        return true;
    }
    return false;
}

struct fetch *fetch_start(struct http_client *c, const struct fetch_options *options)
{
    assert(options->shard == FETCH_SHARD_KUBERNETES && options->done != nullptr);
    struct fetch *f = new struct fetch();
    f->client = c;
    f->done = options->done;
    f->arg = options->arg;
    f->timer = evtimer_new(c->base, on_answer, f);
    c->fetches.push_back(f);
    c->script.most = std::max(c->script.most, ++c->script.under_way);
    c->script.requests.push_back({
        .url = options->url,
        .headers =
            options->headers != nullptr ? options->headers->lines : std::vector<std::string>(),
        .ca = options->ca_pem != nullptr ? *options->ca_pem : "",
        .at_ms = clock_monotonic_ms(),
    });
    const struct timeval at_once = {};
    if (take_reply(&c->script, options->url, &f->reply))
        evtimer_add(f->timer, &at_once);
    return f;
}

bool fetch_was_sent(const struct fetch *)
{
    return true;
}

struct fetch_headers *fetch_headers_new(const std::vector<std::string> &lines)
{
    struct fetch_headers *h = new struct fetch_headers();
    h->lines = lines;
    return h;
}

void fetch_headers_free(struct fetch_headers *h)
{
    delete h;
}

const char *fetch_status_name(enum fetch_status s)
{
    return s == FETCH_TLS ? "tls" : "no-reply";
}
