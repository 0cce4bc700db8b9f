// Watches.
#include "sim_watch.h"

#include <algorithm>

#include "sim_answer.h"
#include "sim_cluster.h"
#include "sim_http.h"
#include "sim_stats.h"
#include "sim_text.h"

constexpr uint64_t NEVER = UINT64_MAX;
constexpr uint64_t DEFAULT_TIMEOUT_S = 1800;
constexpr uint64_t LAST_BOOKMARK_MS = 2000; // before the end

struct sim_watch {
    struct sim_watches *all;
    struct sim_conn *conn;
    enum sim_resource resource;
    std::string path;
    struct sim_filter filter;
    bool metadata_only, bookmarks;
    struct sim_stream stream;
    uint64_t version; // the client knows all up to it
    uint64_t end_ms, bookmark_ms;
};

bool sim_watch_is_asked(std::string_view query)
{
    std::string value;
    return text_query(query, "watch", &value) && value != "0" && !text_equal_fold(value, "false");
}

static void watch_free(struct sim_watch *w)
{
    std::erase(w->all->open, w);
    delete w;
}

static void on_conn_end(void *arg)
{
    watch_free(static_cast<struct sim_watch *>(arg));
}

// The reply is whole. Last use of the watch.
static void watch_end(struct sim_watch *w)
{
    struct sim_conn *c = w->conn;
    sim_stream_end(&w->stream);
    sim_conn_own(c, nullptr, nullptr);
    watch_free(w);
    sim_conn_finish(c);
}

// False where the watch is gone.
static bool watch_goes_on(struct sim_watch *w, enum sim_stream_state state)
{
    if (state == STREAM_ENDS)
        watch_end(w);
    return state == STREAM_GOES_ON;
}

// --- what is sent; false: that ended the watch

static const char *type_name(enum sim_event_type type)
{
    switch (type) {
    case EVENT_ADDED: return "ADDED";
    case EVENT_MODIFIED: return "MODIFIED";
    case EVENT_DELETED: return "DELETED";
    }
    return "";
}

static std::string event_head(const struct sim_watch *w, const char *type)
{
    const struct sim_resource_info *info = sim_resource_find(w->resource);
    std::string text;
    text_append(&text, "{\"type\":\"%s\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\",", type,
                w->metadata_only ? "PartialObjectMetadata" : info->kind,
                w->metadata_only ? "meta.k8s.io/v1" : info->version);
    return text;
}

static bool send_state(struct sim_watch *w, enum sim_event_type type, const struct sim_state *state)
{
    std::string text = event_head(w, type_name(type));
    text.append(state->members, 0, w->metadata_only ? state->metadata_size : std::string::npos);
    text += "}}\n";
    w->all->stats[w->resource].events += !w->stream.silent;
    return watch_goes_on(w, sim_stream_send(&w->stream, text));
}

// What a change is to this watch: an object that leaves its selector is gone, one that enters it is
// new.
static bool send_event(struct sim_watch *w, const struct sim_event *e)
{
    if (e->version <= w->version)
        return true;
    w->version = e->version;
    const bool is = sim_filter_matches(&w->filter, e->name_space, e->name, e->now.labels);
    if (e->type != EVENT_MODIFIED)
        return !is || send_state(w, e->type, &e->now);
    const bool was = sim_filter_matches(&w->filter, e->name_space, e->name, e->before.labels);
    if (is)
        return send_state(w, was ? EVENT_MODIFIED : EVENT_ADDED, &e->now);
    return !was || send_state(w, EVENT_DELETED, &e->before);
}

// It carries the version of the whole cluster: the client has seen all up to that.
static bool send_bookmark(struct sim_watch *w)
{
    w->version = std::max(w->version, w->all->cluster->version);
    std::string text = event_head(w, "BOOKMARK");
    text_append(&text, "\"metadata\":{\"resourceVersion\":\"%llu\"}",
                static_cast<unsigned long long>(w->version));
    if (!w->metadata_only && w->resource == RESOURCE_PODS)
        text += ",\"spec\":{\"containers\":null},\"status\":{}";
    if (!w->metadata_only && w->resource == RESOURCE_SLICES)
        text += ",\"addressType\":\"\",\"endpoints\":null,\"ports\":null";
    text += "}}\n";
    w->all->stats[w->resource].bookmarks += !w->stream.silent;
    return watch_goes_on(w, sim_stream_send(&w->stream, text));
}

// --- time

static void plan_bookmark(struct sim_watch *w, uint64_t now_ms)
{
    const uint64_t last_ms = w->end_ms - LAST_BOOKMARK_MS;
    w->bookmark_ms = NEVER;
    if (w->bookmarks && now_ms < last_ms)
        w->bookmark_ms = std::min(now_ms + w->all->bookmark_ms, last_ms);
}

static void on_watch_time(struct sim_conn *c);

static void arm_timer(struct sim_watch *w, uint64_t now_ms)
{
    const uint64_t next_ms = std::max(now_ms, std::min(w->end_ms, w->bookmark_ms));
    sim_conn_later(w->conn, static_cast<unsigned>(next_ms - now_ms), on_watch_time);
}

static void on_watch_time(struct sim_conn *c)
{
    struct sim_watch *w = static_cast<struct sim_watch *>(sim_conn_owner(c));
    const uint64_t now_ms = text_now_ms();
    if (!w || w->stream.silent) // the connection outlives its watch
        return;
    if (now_ms >= w->end_ms) {
        watch_end(w);
        return;
    }
    const bool is_due = now_ms >= w->bookmark_ms;
    if (is_due)
        plan_bookmark(w, now_ms);
    arm_timer(w, now_ms);
    if (is_due)
        (void)send_bookmark(w);
}

// --- the request

// False after it has answered.
static bool read_times(std::string_view query, struct sim_watch *w, struct sim_answer *a)
{
    std::string text;
    uint64_t seconds = 0;
    if (text_query(query, "timeoutSeconds", &text) && !text.empty() &&
        (!text_number(text, &seconds) || seconds > UINT32_MAX / 1000)) {
        sim_list_status(a, 400, "strconv.ParseInt: parsing \"" + text + "\": invalid syntax", "");
        return false;
    }
    if (seconds == 0)
        seconds = DEFAULT_TIMEOUT_S;
    const uint64_t now_ms = text_now_ms();
    w->end_ms = now_ms + seconds * 1000;
    w->bookmarks = text_query(query, "allowWatchBookmarks", &text) && text != "0" &&
                   !text_equal_fold(text, "false");
    plan_bookmark(w, now_ms);
    if (w->bookmarks && w->bookmark_ms == NEVER)
        w->bookmark_ms = now_ms + seconds * 500;
    return true;
}

// Reads from where to watch; 0: from what there is. False after it has answered.
static bool read_start(std::string_view query, uint64_t *version, struct sim_answer *a)
{
    std::string text;
    *version = 0;
    if (text_query(query, "sendInitialEvents", &text)) {
        sim_list_status(a, 422,
                        "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: "
                        "sendInitialEvents is forbidden for watch unless the WatchList feature "
                        "gate is enabled",
                        "");
        return false;
    }
    if (text_query(query, "resourceVersionMatch", &text) && !text.empty()) {
        sim_list_status(a, 422,
                        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
                        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is "
                        "provided",
                        "");
        return false;
    }
    if (!text_query(query, "resourceVersion", &text) || text.empty() || text_number(text, version))
        return true;
    sim_list_status(a, 400, "invalid resource version: " + text, "");
    return false;
}

static struct sim_watch *watch_new(struct sim_watches *all, struct sim_conn *c,
                                   const struct sim_target *target, const struct sim_request *r)
{
    const std::string_view accept = sim_request_header(r, "Accept");
    struct sim_watch *w = new sim_watch{};
    w->all = all;
    w->conn = c;
    w->stream.conn = c;
    w->stream.bytes = &all->stats[target->resource].bytes;
    w->resource = target->resource;
    w->path = r->path;
    w->metadata_only =
        target->resource == RESOURCE_PODS && accept.find("as=PartialObjectMetadata") != accept.npos;
    return w;
}

static void send_head(struct sim_watch *w, const struct sim_request *r)
{
    const struct sim_answer a = {.status = 200,
                                 .headers = sim_list_headers(w->resource),
                                 .late_headers = "",
                                 .body = "",
                                 .after_ms = 0};
    sim_conn_write(w->conn, sim_answer_head(&a, r->keep_alive ? "Transfer-Encoding: chunked\r\n"
                                                              : "Connection: close\r\n"
                                                                "Transfer-Encoding: chunked\r\n"));
}

static bool send_objects(struct sim_watch *w)
{
    struct sim_cluster *cluster = w->all->cluster;
    for (const struct sim_object &object : sim_objects(cluster, w->resource)) {
        if (!sim_filter_matches(&w->filter, object.name_space, object.name, object.labels))
            continue;
        struct sim_state state = {};
        state.metadata_size = sim_object_append_members(&state.members, cluster, &object);
        if (!send_state(w, EVENT_ADDED, &state))
            return false;
    }
    w->version = cluster->version;
    return true;
}

// Sends what is there already.
static bool catch_up(struct sim_watch *w, uint64_t version)
{
    const struct sim_log *log = &w->all->cluster->logs[w->resource];
    w->version = version;
    if (version == 0)
        return send_objects(w);
    if (version < log->begin) {
        sim_stream_send_error(&w->stream, 410,
                              "too old resource version: " + std::to_string(version) + " (" +
                                  std::to_string(log->begin) + ")",
                              "");
        watch_end(w);
        return false;
    }
    for (const struct sim_event &e : log->events)
        if (!send_event(w, &e))
            return false;
    return true;
}

bool sim_watch_start(struct sim_watches *all, struct sim_conn *c, const struct sim_target *target,
                     const struct sim_request *r, const struct sim_stream_fault *fault,
                     struct sim_answer *a)
{
    uint64_t version;
    struct sim_watch *w = watch_new(all, c, target, r);
    if (!read_times(r->query, w, a) || !read_start(r->query, &version, a) ||
        !sim_filter_read(target, r->query, &w->filter, a)) {
        delete w;
        return false;
    }
    sim_event_keep(all->cluster, target->resource);
    all->open.push_back(w);
    all->stats[w->resource].watches++;
    sim_conn_own(c, on_conn_end, w);
    send_head(w, r);
    if (watch_goes_on(w, sim_stream_begin(&w->stream, fault)) && catch_up(w, version))
        arm_timer(w, text_now_ms());
    return true;
}

// --- all of them

// From the last to the first: one that is too slow ends here.
static void on_cluster_event(const struct sim_event *e, void *arg)
{
    const struct sim_watches *all = static_cast<const struct sim_watches *>(arg);
    for (size_t i = all->open.size(); i-- > 0;)
        if (all->open[i]->resource == e->resource)
            (void)send_event(all->open[i], e);
}

void sim_watches_start(struct sim_watches *all, struct sim_cluster *cluster,
                       struct sim_resource_stats *stats)
{
    all->cluster = cluster;
    all->stats = stats;
    all->bookmark_ms = BOOKMARK_MS;
    cluster->on_event = on_cluster_event;
    cluster->arg = all;
}

void sim_watches_stop(struct sim_watches *all)
{
    all->cluster->on_event = nullptr;
}

static bool is_of_path(const struct sim_watch *w, std::string_view part)
{
    return text_has_part(w->path, part);
}

void sim_watch_bookmark(struct sim_watches *all, std::string_view part)
{
    for (size_t i = all->open.size(); i-- > 0;)
        if (all->open[i]->bookmarks && is_of_path(all->open[i], part))
            (void)send_bookmark(all->open[i]);
}

void sim_watch_spoil(struct sim_watches *all, std::string_view part,
                     const struct sim_stream_fault *fault)
{
    for (size_t i = all->open.size(); i-- > 0;) {
        struct sim_watch *w = all->open[i];
        if (is_of_path(w, part))
            (void)watch_goes_on(w, sim_stream_begin(&w->stream, fault));
    }
}

void sim_watch_end(struct sim_watches *all, std::string_view part, bool reset)
{
    for (size_t i = all->open.size(); i-- > 0;) {
        struct sim_watch *w = all->open[i];
        if (!is_of_path(w, part))
            continue;
        if (reset)
            sim_conn_reset(w->conn);
        else
            watch_end(w);
    }
}

size_t sim_watch_count(const struct sim_watches *all, enum sim_resource resource)
{
    size_t count = 0;
    for (const struct sim_watch *w : all->open)
        count += w->resource == resource;
    return count;
}
