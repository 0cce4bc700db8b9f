// The logs of events.
#include "sim_event.h"

#include "sim_cluster.h"

constexpr size_t EVENTS_MAX = 20000; // of a log
constexpr size_t BYTES_MAX = 64 * 1024 * 1024;

void sim_event_keep(struct sim_cluster *c, enum sim_resource resource)
{
    struct sim_log *log = &c->logs[resource];
    if (log->kept)
        return;
    log->kept = true;
    log->begin = c->version;
}

static size_t event_size(const struct sim_event *e)
{
    return sizeof *e + e->now.members.size() + e->before.members.size();
}

// Drops the oldest; the newest stays, however big.
static void trim_log(struct sim_log *log)
{
    while (log->events.size() > EVENTS_MAX || (log->bytes > BYTES_MAX && log->events.size() > 1)) {
        log->begin = log->events.front().version;
        log->bytes -= event_size(&log->events.front());
        log->events.pop_front();
    }
}

static bool are_same(const std::vector<struct sim_label> &a, const std::vector<struct sim_label> &b)
{
    bool same = a.size() == b.size();
    for (size_t i = 0; same && i < a.size(); i++)
        same = a[i].key == b[i].key && a[i].value == b[i].value;
    return same;
}

static struct sim_state state_of(struct sim_cluster *c, const struct sim_object *object)
{
    struct sim_state state = {.labels = object->labels, .members = "", .metadata_size = 0};
    state.metadata_size = sim_object_append_members(&state.members, c, object);
    return state;
}

void sim_event_publish(struct sim_cluster *c, enum sim_event_type type,
                       const struct sim_object *object,
                       const std::vector<struct sim_label> &old_labels)
{
    struct sim_log *log = &c->logs[object->resource];
    if (!log->kept)
        return;
    struct sim_event &e = log->events.emplace_back();
    e.resource = object->resource;
    e.type = type;
    e.version = object->version;
    e.name_space = object->name_space;
    e.name = object->name;
    e.now = state_of(c, object);
    e.before.labels = old_labels;
    if (type == EVENT_MODIFIED && !are_same(old_labels, object->labels)) {
        struct sim_object old = *object;
        old.labels = old_labels;
        e.before = state_of(c, &old);
    }
    log->bytes += event_size(&e);
    trim_log(log);
    if (c->on_event)
        c->on_event(&e, c->arg);
}

void sim_event_compact(struct sim_cluster *c)
{
    c->compacted = c->version;
    for (struct sim_log &log : c->logs) {
        log.events.clear();
        log.bytes = 0;
        log.begin = c->version;
    }
}
