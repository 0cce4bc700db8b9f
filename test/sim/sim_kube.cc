// The API server: routes, permissions, faults.
#include "sim_kube.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>

#include "sim_account.h"
#include "sim_answer.h"
#include "sim_cluster.h"
#include "sim_http.h"
#include "sim_list.h"
#include "sim_server.h"
#include "sim_text.h"

constexpr size_t LENGTH_MAX = 2048; // of a body that Go sends with a Content-Length
constexpr size_t CHUNK_SIZE = 32 * 1024;

static const char VERSION_JSON[] = "{\n"
                                   "  \"major\": \"1\",\n"
                                   "  \"minor\": \"34\",\n"
                                   "  \"emulationMajor\": \"1\",\n"
                                   "  \"emulationMinor\": \"34\",\n"
                                   "  \"minCompatibilityMajor\": \"1\",\n"
                                   "  \"minCompatibilityMinor\": \"33\",\n"
                                   "  \"gitVersion\": \"v1.34.4\",\n"
                                   "  \"gitCommit\": \"$Format:%H$\",\n"
                                   "  \"gitTreeState\": \"\",\n"
                                   "  \"buildDate\": \"1970-01-01T00:00:00Z\",\n"
                                   "  \"goVersion\": \"go1.26.8\",\n"
                                   "  \"compiler\": \"gc\",\n"
                                   "  \"platform\": \"linux/amd64\"\n"
                                   "}";

static bool may_watch(const struct sim_kube *k, std::string_view path)
{
    for (const std::string &part : k->unwatched)
        if (text_has_part(path, part))
            return false;
    return true;
}

// Leaves `a` without a status where a watch has begun on `c`.
static void answer_resource(struct sim_kube *k, struct sim_conn *c, const struct sim_target *t,
                            const struct sim_request *r, const struct sim_stream_fault *fault,
                            struct sim_answer *a)
{
    const bool is_watch = sim_watch_is_asked(r->query);
    if ((t->resource == RESOURCE_SLICES && k->options.forbid_slices) ||
        (is_watch && !may_watch(k, r->path))) {
        sim_list_forbidden(t, is_watch ? "watch" : "list", a);
    } else if (is_watch) {
        (void)sim_watch_start(&k->watches, c, t, r, fault, a);
    } else {
        sim_event_keep(k->options.cluster, t->resource);
        sim_list_answer(k->options.cluster, t, r, a);
    }
    k->resources[t->resource].bytes += a->body.size();
}

static bool is_allowed(const struct sim_kube *k, const struct sim_request *r)
{
    return k->options.token.empty() ||
           sim_request_header(r, "Authorization") == "Bearer " + k->options.token;
}

static void kube_answer(struct sim_kube *k, struct sim_conn *c, const struct sim_request *r,
                        const struct sim_stream_fault *fault, struct sim_answer *a)
{
    struct sim_target target = {};
    target.page_limit = k->options.page_limit;
    if (!is_allowed(k, r)) {
        sim_list_status(a, 401, "Unauthorized", "");
    } else if (sim_review_answer(&k->reviews, r, a)) {
        // who somebody is, or what they may
    } else if (r->method != "GET") {
        sim_list_status(a, 405, "the server does not allow this method on the requested resource",
                        "{}");
    } else if (r->path == "/version") {
        sim_answer_text(a, 200, VERSION_JSON);
        a->headers = "Cache-Control: no-cache, private\r\nContent-Type: application/json\r\n";
    } else if (r->path == "/readyz" || r->path == "/livez" || r->path == "/healthz") {
        sim_answer_text(a, 200, "ok");
    } else if (sim_target_read(r->path, &target)) {
        answer_resource(k, c, &target, r, fault, a);
    } else {
        sim_answer_text(a, 404, "404 page not found\n");
    }
}

static void append_chunks(std::string *out, std::string_view body)
{
    while (!body.empty()) {
        const std::string_view chunk = body.substr(0, CHUNK_SIZE);
        text_append(out, "%zx\r\n", chunk.size());
        *out += chunk;
        *out += "\r\n";
        body.remove_prefix(chunk.size());
    }
    *out += "0\r\n\r\n";
}

static void kube_send(struct sim_conn *c, const struct sim_request *r, const struct sim_answer *a)
{
    if (a->status == 0) // a watch has begun
        return;
    if (a->body.size() <= LENGTH_MAX) {
        sim_answer_send(c, a);
        return;
    }
    std::string bytes = sim_answer_head(a, r->keep_alive ? "Transfer-Encoding: chunked\r\n"
                                                         : "Connection: close\r\n"
                                                           "Transfer-Encoding: chunked\r\n");
    append_chunks(&bytes, a->body);
    sim_conn_write(c, bytes);
    sim_conn_finish(c);
}

// Every list of the answer becomes null, as Go sends an empty one that was never made.
static void drop_items(struct sim_answer *a)
{
    const size_t at = a->body.find("\"items\":[");
    if (at != std::string::npos)
        a->body.replace(at, std::string::npos, "\"items\":null}\n");
}

static void play_fault(struct sim_kube *k, struct sim_conn *c, const struct sim_request *r,
                       const struct sim_kube_fault *f)
{
    struct sim_answer a = {};
    if (f->kind == "hang")
        return;
    if (f->kind == "garbage") {
        sim_answer_text(&a, 200, "\x01\x02 no JSON {[");
        a.headers = "Content-Type: application/json\r\n";
    } else if (f->kind == "status") {
        sim_kube_fault_answer(f, r, &a);
    } else {
        kube_answer(k, c, r, &f->stream, &a);
        if (f->kind == "null-items")
            drop_items(&a);
    }
    kube_send(c, r, &a);
}

// The target of the request line, as sent.
static std::string target_text(const struct sim_request *r)
{
    std::string_view head = r->head;
    text_next(&head, ' ');
    return std::string(text_next(&head, ' '));
}

static void count_request(struct sim_kube *k, const struct sim_request *r)
{
    std::string token;
    struct sim_target target = {};
    sim_stats_count(&k->stats, r->method, r->path);
    k->stats.last_head = r->head;
    k->stats.last_body = r->body;
    if (!sim_target_read(r->path, &target))
        return;
    struct sim_resource_stats *s = &k->resources[target.resource];
    s->user_agent = sim_request_header(r, "User-Agent");
    s->accept_encodings += sim_request_has_header(r, "Accept-Encoding");
    if (sim_watch_is_asked(r->query)) {
        s->watch_requests++;
        s->last_watch = target_text(r);
        return;
    }
    s->pages++;
    s->lists += !text_query(r->query, "continue", &token) || token.empty();
    s->last_list = target_text(r);
}

static void on_kube_request(struct sim_conn *c, const struct sim_request *r, void *arg)
{
    struct sim_kube *k = static_cast<struct sim_kube *>(arg);
    count_request(k, r);
    struct sim_kube_fault *found = sim_kube_fault_find(&k->faults, r);
    if (found) {
        k->failures++;
        const struct sim_kube_fault fault = *found;
        play_fault(k, c, r, &fault);
        return;
    }
    struct sim_answer a = {};
    const struct sim_stream_fault plain = {};
    kube_answer(k, c, r, &plain, &a);
    kube_send(c, r, &a);
}

struct sim_kube *sim_kube_new(const struct sim_kube_options *options)
{
    struct sim_kube *k = new sim_kube{};
    k->options = *options;
    const struct sim_server_options server = {.base = options->base,
                                              .address = {htonl(INADDR_LOOPBACK)},
                                              .port = 0,
                                              .tls = options->account ? options->account->tls
                                                                      : nullptr,
                                              .on_request = on_kube_request,
                                              .arg = k};
    k->server = sim_server_new(&server);
    if (k->server) {
        sim_watches_start(&k->watches, options->cluster, k->resources);
        if (options->forbid_watches)
            sim_kube_forbid_watches(k, "", true);
        return k;
    }
    delete k;
    return nullptr;
}

void sim_kube_free(struct sim_kube *k)
{
    if (!k)
        return;
    sim_server_free(k->server);
    sim_watches_stop(&k->watches);
    delete k;
}

bool sim_kube_add_fault(struct sim_kube *k, const struct sim_kube_fault *fault)
{
    static const char *const kinds[] = {"hang", "garbage", "null-items", "status", "stream"};
    if (fault->kind == "down") {
        sim_server_reset_conns(k->server);
        k->failures++;
        return sim_server_set_mode(k->server, SIM_REFUSES);
    }
    errno = 0;
    if (std::find(std::begin(kinds), std::end(kinds), fault->kind) == std::end(kinds))
        return false;
    k->faults.push_back(*fault);
    return true;
}

bool sim_kube_heal(struct sim_kube *k)
{
    k->faults.clear();
    return sim_server_set_mode(k->server, SIM_LISTENS);
}

static bool hits_watches(const struct sim_kube_fault &fault)
{
    return fault.only_watches;
}

void sim_kube_heal_watches(struct sim_kube *k)
{
    std::erase_if(k->faults, hits_watches);
}

void sim_kube_forbid_watches(struct sim_kube *k, const std::string &part, bool forbidden)
{
    if (part.empty())
        k->unwatched.clear();
    std::erase(k->unwatched, part);
    if (forbidden)
        k->unwatched.push_back(part);
}

bool sim_kube_rotate(struct sim_kube *k)
{
    if (!k->options.account || !sim_account_rotate(k->options.account))
        return false;
    k->server->options.tls = k->options.account->tls;
    return true;
}
