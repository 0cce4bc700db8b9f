// Probes of nodes that did not answer. Owns the probes under way; the database knows what is due.
#include "prober.h"

#include <event2/event.h>
#include <string>
#include <unordered_set>

#include "clock.h"
#include "http_client.h"
#include "log.h"
#include "node_access.h"
#include "nodes.h"

constexpr struct timeval STEP = {.tv_sec = 0, .tv_usec = 200000}; // between two looks
constexpr size_t MOST_PROBES = 16;                                // at once

// One probe. Lives from its start to on_fetch_done, or prober_free.
struct probe {
    struct prober *owner;
    struct fetch *fetch;
    struct node_pass *pass;
    std::string key, target;
};

struct prober {
    struct prober_options options;
    struct event *timer;
    // in the database, where the next look begins: nodes that hang must not keep others from it
    size_t at;
    std::unordered_set<struct probe *> probes;
};

static void probe_free(struct probe *probe)
{
    node_pass_free(probe->pass);
    delete probe;
}

// Any end but a time-out shows that the node does not keep anybody waiting.
static void on_fetch_done(void *arg, const struct fetch_result *result)
{
    struct probe *probe = static_cast<struct probe *>(arg);
    struct prober *p = probe->owner;
    const bool hung = result->status == FETCH_TIMEOUT || fetch_was_swallowed(result);
    const struct node_place place = {.key = probe->key, .at = 0};
    nodes_learn(p->options.nodes, &place, hung ? BREAKER_HUNG : BREAKER_ANSWERED, probe->target,
                clock_monotonic_ms());
    node_access_learn(p->options.access, result);
    p->probes.erase(probe);
    probe_free(probe);
}

static void start_probe(struct prober *p, const struct node *n)
{
    struct probe *probe = new struct probe;
    probe->owner = p;
    probe->key = n->record.key;
    probe->target = n->breaker.target;
    probe->pass = node_pass_new(p->options.access, {});
    p->probes.insert(probe);
    const std::string url = n->face->base + probe->target;
    struct fetch_options options = {
        .method = "GET",
        .url = url.c_str(),
        .connect_to = n->face->connect_to.empty() ? nullptr : n->face->connect_to.c_str(),
        .headers = nullptr,
        .body = nullptr,
        .body_size = 0,
        .max_body = p->options.max_reply,
        .budget = nullptr,
        .connect_timeout_ms = FETCH_NODE_CONNECT_MS,
        .timeout_ms = p->options.timeout_ms,
        .shard = 1 + n->slot / FETCH_SHARD_SERVERS,
        .fresh = true,
        .once = false,
        .discard = true,
        .ca_pem = nullptr,
        .on_data = nullptr,
        .done = on_fetch_done,
        .arg = probe,
    };
    node_pass_apply(probe->pass, &options);
    probe->fetch = fetch_start(p->options.http, &options);
}

static void on_timer(evutil_socket_t, short, void *arg)
{
    struct prober *p = static_cast<struct prober *>(arg);
    bool whole = p->at == 0; // it will have seen all at the end
    while (p->probes.size() < MOST_PROBES) {
        const struct node *n = nodes_next_probe(p->options.nodes, &p->at, clock_monotonic_ms());
        if (n) {
            start_probe(p, n);
            continue;
        }
        p->at = 0;
        if (whole)
            break;
        whole = true;
    }
}

struct prober *prober_new(const struct prober_options *options)
{
    struct prober *p = new struct prober();
    p->options = *options;
    p->timer = event_new(options->base, -1, EV_PERSIST, on_timer, p);
    if (!p->timer || event_add(p->timer, &STEP) != 0)
        log_fatal("out of memory: no timer for probes");
    return p;
}

void prober_free(struct prober *p)
{
    for (struct probe *probe : p->probes) {
        fetch_cancel(probe->fetch);
        probe_free(probe);
    }
    event_free(p->timer);
    delete p;
}
