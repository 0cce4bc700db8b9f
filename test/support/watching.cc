// Watches of the simulated API server.
#include "watching.h"

#include <unistd.h>

#include "clock.h"
#include "cmocka_cc.h"

constexpr int64_t PATIENCE_MS = 30000;

static std::string and_more(const std::string &target, const std::string &query)
{
    return target + (has(target, "?") ? "&" : "?") + query;
}

struct watch watch_start(const struct cluster *c, const std::string &target,
                         const std::string &query, const std::string &headers)
{
    struct watch w = {.fd = -1, .got = ""};
    w.fd = raw_open(c->api, "GET " + and_more(target, "watch=1&" + query) +
                                " HTTP/1.1\r\nHost: api\r\n" + headers + "\r\n");
    w.got = raw_read(w.fd, "\r\n\r\n");
    return w;
}

void watch_wait_for(struct watch *w, const std::string &text)
{
    while (!has(w->got, text)) {
        const std::string more = raw_read(w->fd, text.substr(text.size() - 1).c_str());
        if (more.empty())
            fail_msg("no \"%s\" in: %s", text.c_str(), w->got.c_str());
        w->got += more;
    }
}

std::string watch_types(const struct watch *w)
{
    static const char key[] = "\r\n{\"type\":\""; // after the size of a chunk
    std::string types;
    for (size_t at = 0; (at = w->got.find(key, at)) != std::string::npos;) {
        at += sizeof key - 1;
        types += (types.empty() ? "" : " ") + w->got.substr(at, w->got.find('"', at) - at);
    }
    return types;
}

std::string list_version(const struct cluster *c, const std::string &target)
{
    static const char key[] = "\"metadata\":{\"resourceVersion\":\"";
    const std::string body = http_get(c->api + target).body;
    const size_t at = body.find(key);
    assert_true(at != std::string::npos);
    const size_t begin = at + sizeof key - 1;
    return body.substr(begin, body.find('"', begin) - begin);
}

void watch_catch_up(const struct cluster *c, struct watch *w, struct watch *other)
{
    cluster_do(c, "POST", "/watch-bookmark");
    watch_wait_for(w, "\"BOOKMARK\"");
    if (other)
        watch_wait_for(other, "\"BOOKMARK\"");
}

struct watch watch_from_now(const struct cluster *c, const std::string &target)
{
    return watch_start(c, target,
                       "allowWatchBookmarks=true&resourceVersion=" + list_version(c, target));
}

// What follows `key` in the counters of a resource, up to one of these bytes.
static std::string find_in(const struct cluster *c, const char *resource, const std::string &key,
                           const char *end)
{
    const std::string stats = cluster_do(c, "GET", "/stats");
    const size_t of = stats.find("\"" + std::string(resource) + "\":{\"lists\"");
    const size_t at = stats.find(key, of);
    assert_true(of != std::string::npos && at != std::string::npos);
    const size_t begin = at + key.size();
    return stats.substr(begin, stats.find_first_of(end, begin) - begin);
}

size_t count_in(const struct cluster *c, const char *resource, const char *counter)
{
    return std::stoul(find_in(c, resource, "\"" + std::string(counter) + "\":", ",}"));
}

std::string text_in(const struct cluster *c, const char *resource, const char *name)
{
    return find_in(c, resource, "\"" + std::string(name) + "\":\"", "\"");
}

void wait_for_count(const struct cluster *c, const char *resource, const char *counter, size_t n)
{
    const int64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (count_in(c, resource, counter) < n) {
        if (clock_monotonic_ms() > end_ms)
            fail_msg("%s of %s never reaches %zu", counter, resource, n);
        usleep(5000);
    }
}

std::string node_of(const struct svc *s, const std::string &name)
{
    const std::string document = http_get(s->url + "/v1/tracer-nodes").body;
    const size_t at = document.find("{\"name\":\"" + name + "\"");
    return at == std::string::npos ? "" : document.substr(at, document.find("}}", at) - at);
}

struct svc svc_watching(const struct cluster *c, size_t nodes, std::vector<std::string> args)
{
    struct svc s = svc_start_for(c, nodes, args);
    wait_for_count(c, "pods", "openWatches", 1);
    wait_for_count(c, "endpointslices", "openWatches", 1);
    return s;
}

void ready(const struct cluster *c, const char *node, bool is)
{
    cluster_do(c, "POST",
               std::string("/node-ready?name=") + node + "&ready=" + (is ? "true" : "false"));
}

int64_t wait_for_node(const struct svc *s, const std::string &name, const std::string &text)
{
    const int64_t begin_ms = clock_monotonic_ms();
    for (;;) {
        const std::string node = node_of(s, name);
        const int64_t ms = clock_monotonic_ms() - begin_ms;
        if (text.empty() ? node.empty() : has(node, text))
            return ms;
        if (ms > PATIENCE_MS)
            fail_msg("never \"%s\": %s", text.c_str(), node.c_str());
        usleep(5000);
    }
}

long number_of(const struct svc *s, const char *name)
{
    const std::string document = http_get(s->url + "/v1/tracer-nodes").body;
    const std::string key = "\"" + std::string(name) + "\":";
    const size_t at = document.find(key);
    assert_true(at != std::string::npos);
    return std::stol(document.substr(at + key.size(), 20));
}
