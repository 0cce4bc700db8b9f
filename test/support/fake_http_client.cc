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
    struct fetch_options options;
    std::string url;
    bool answered; // its head and first bytes were given
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

// Ends the fetch: `body` is what was collected of the reply.
static void finish(struct fetch *f, std::string body)
{
    const struct fake_reply reply = f->reply;
    const struct fetch_options options = f->options;
    fetch_cancel(f);
    struct blob *const blob = blob_new(body.size());
    blob_append(blob, body.data(), body.size());
    const bool head = reply.status == FETCH_DONE || reply.open || reply.status == FETCH_STOPPED;
    const struct fetch_result result = {
        .status = reply.status,
        .http_status = head ? reply.http_status : 0,
        .ms = 0,
        .sent = true,
        .tries = 1,
        .connects = 0,
        .retry_after_s = reply.retry_after_s,
        .warning = reply.warning.c_str(),
        .error = reply.status == FETCH_DONE ? "" : "scripted",
        .body = blob,
    };
    options.done(options.arg, &result);
    blob_unref(blob);
}

static bool give(struct fetch *f, const char *data, size_t size)
{
    if (f->options.on_data(f->options.arg, data, size))
        return true;
    f->reply.status = FETCH_STOPPED;
    return false;
}

static void on_answer(evutil_socket_t, short, void *arg)
{
    struct fetch *const f = static_cast<struct fetch *>(arg);
    if (f->answered) {
        finish(f, "");
        return;
    }
    if (f->reply.before != nullptr)
        f->reply.before(f->reply.arg);
    if (f->reply.status != FETCH_DONE || f->reply.http_status != 200 || !f->options.stream) {
        finish(f, f->reply.body);
        return;
    }
    f->answered = true;
    const bool goes_on = give(f, nullptr, 0) && give(f, f->reply.body.data(), f->reply.body.size());
    if (!goes_on || !f->reply.open)
        finish(f, "");
}

static bool is_open(const struct fetch *f, const char *match)
{
    return f->answered && f->reply.open && f->url.find(match) != f->url.npos;
}

size_t fake_push(struct http_client *c, const char *match, const std::string &text)
{
    const struct timeval at_once = {};
    size_t count = 0;
    for (struct fetch *f : c->fetches) {
        if (!is_open(f, match))
            continue;
        count++;
        if (!give(f, text.data(), text.size()))
            evtimer_add(f->timer, &at_once);
    }
    return count;
}

void fake_end(struct http_client *c, const char *match, enum fetch_status status)
{
    const std::vector<struct fetch *> fetches = c->fetches;
    for (struct fetch *f : fetches) {
        if (!is_open(f, match))
            continue;
        f->reply.status = status;
        finish(f, "");
    }
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
    assert(options->shard != FETCH_SHARD_KUBERNETES || options->stream || options->body);
    struct fetch *f = new struct fetch();
    f->client = c;
    f->options = *options;
    f->url = options->url;
    f->timer = evtimer_new(c->base, on_answer, f);
    c->fetches.push_back(f);
    c->script.most = std::max(c->script.most, ++c->script.under_way);
    c->script.requests.push_back({
        .url = options->url,
        .method = options->method,
        .body = options->body != nullptr ? std::string(options->body, options->body_size) : "",
        .headers =
            options->headers != nullptr ? options->headers->lines : std::vector<std::string>(),
        .ca = options->ca_pem != nullptr ? *options->ca_pem : "",
        .timeout_ms = options->timeout_ms,
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
