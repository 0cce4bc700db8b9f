// What happened to the objects of the cluster, for watches: a bounded log of each resource. A log
// begins when somebody first asks for its resource: what nobody watches is not written down.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "sim_object.h"

enum sim_event_type { EVENT_ADDED, EVENT_MODIFIED, EVENT_DELETED };

// An object as it was at some time.
struct sim_state {
    std::vector<struct sim_label> labels;
    std::string members; // as sim_object_append_members writes them
    size_t metadata_size;
};

struct sim_event {
    enum sim_resource resource;
    enum sim_event_type type;
    uint64_t version;
    std::string name_space, name;
    struct sim_state now;    // of a deleted object: its last
    struct sim_state before; // with its labels; its members only where those were others
};

typedef void (*sim_event_fn)(const struct sim_event *event, void *arg);

struct sim_log {
    bool kept;
    uint64_t begin; // it has all events after this version
    std::deque<struct sim_event> events;
    size_t bytes;
};

// Keeps the log of a resource from now on, if it is not kept yet.
void sim_event_keep(struct sim_cluster *c, enum sim_resource resource);

// Writes down what happened to an object, which has its new version already, and tells the watches.
// `old_labels` count where it was modified.
void sim_event_publish(struct sim_cluster *c, enum sim_event_type type,
                       const struct sim_object *object,
                       const std::vector<struct sim_label> &old_labels);

// Forgets all events: every version before this one is expired.
void sim_event_compact(struct sim_cluster *c);
