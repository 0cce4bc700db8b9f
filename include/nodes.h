// The in-memory database of tracer-nodes: the only place that changes it.
//
// Discovery replaces the whole table in one step; what is known of a node's past (slot, first seen,
// last outcome) stays with it for as long as its key does.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "breaker.h"
#include "outcome.h"

// One tracer-node as a source found it.
struct node_record {
    std::string key;  // its identity over time: the pod's uid, or the name of a --nodes entry
    std::string node; // the Kubernetes node's name, or the name of a --nodes entry
    std::string pod;  // empty for --nodes
    std::string ns;   // namespace; empty for --nodes
    std::string host; // IP address, IPv6 without brackets; a host name only for --nodes
    uint16_t port = 0;
    bool https = false;
    std::string server_name = {}; // https: a name its certificate must have; empty: its address
    bool ready = false;           // may be asked everything
    bool serving = false;         // still answers while it terminates
    bool terminating = false;     // is asked to read and delete, not to create

    bool operator==(const struct node_record &) const = default;
};

// A request that a node did not serve: it gave no usable answer, or 5xx.
struct node_failure {
    enum reason reason;
    int status;    // HTTP, 0 where none
    int64_t ms;    // how long it took
    int64_t at_ms; // wall clock
    std::string
        detail; // in words of ours or of the node; cut after MOST_NODE_DETAIL bytes; may be empty
};
constexpr size_t MOST_NODE_DETAIL = 200;

// What a request needs of a node. It never changes: whoever is under way when the node's entry does keeps
// the one it began with.
struct node_face {
    std::string key;        // the record's
    std::string name;       // unique: <node>, or <node>/<pod>, or <node>/<namespace>/<pod>
    std::string base;       // "http://10.0.0.1:8080", what a request's target is put behind
    std::string connect_to; // "::10.0.0.1:8080", where base has a server_name; else empty
};

struct node {
    struct node_record record;
    std::shared_ptr<const struct node_face> face;
    uint32_t slot;         // small, stable while the node is known: spreads nodes over shards
    int64_t first_seen_ms; // wall clock
    int64_t last_seen_ms;  // wall clock: when a source last said that it is there

    bool asked; // the rest is set once it has been asked
    enum outcome outcome;
    enum reason reason;
    int status;            // HTTP, 0 where none
    int64_t ms;            // how long it took
    int64_t outcome_at_ms; // wall clock

    int64_t failing_since_ms; // wall clock: the first of the failures in a row; 0: it serves
    struct node_failure last_failure; // at_ms is 0 before the first one

    struct breaker breaker; // whether it is waited for
};

struct nodes;

[[nodiscard]] struct nodes *nodes_new();
void nodes_free(struct nodes *db);

// Makes the table hold these, and no others. Records with the key of an earlier one are dropped.
// `now_ms` is the wall clock. Takes what is in `records`. Returns whether a node came, went or changed.
bool nodes_replace(struct nodes *db, std::vector<struct node_record> *records, int64_t now_ms);

// Makes the next nodes of an empty table, at most so many, of `records` for nodes_replace, which thousands of new ones
// would take long. True: no more is to be done. The next call but this one has to be nodes_replace with the
// same records; of those, only how many they are is left.
[[nodiscard]] bool nodes_prepare(struct nodes *db, std::vector<struct node_record> *records,
                                 size_t most);

// All nodes, ordered by name. Borrowed until the next nodes_replace.
[[nodiscard]] const std::vector<struct node> &nodes_all(const struct nodes *db);

// Another number whenever nodes_replace has changed something; never 0.
[[nodiscard]] uint64_t nodes_version(const struct nodes *db);

// Null where there is none of that name. Borrowed until the next nodes_replace.
[[nodiscard]] const struct node *nodes_find(const struct nodes *db, std::string_view name);

// By its record's key. Null where there is none. Borrowed until the next nodes_replace.
[[nodiscard]] const struct node *nodes_find_key(const struct nodes *db, std::string_view key);

// Of which node something is said; one that is not there any more is ignored. It is not searched for if
// nodes_all still has it there, with the face whose own `key` this is.
struct node_place {
    std::string_view key; // its record's
    size_t at;            // where nodes_all had it; any, if that is not known
};

// Notes what became of a request. `detail` says in words why it failed, where it did. A refusal, which is an
// error below 500, is the client's and no failure.
void nodes_note(struct nodes *db, const struct node_place *place, enum outcome o, enum reason r,
                int status, int64_t ms, int64_t now_ms, const std::string &detail);

// What was seen of the node when it was asked `target`. Opens and closes its circuit, and says so in the log.
// `now_ms` is the monotonic clock.
void nodes_learn(struct nodes *db, const struct node_place *place, enum breaker_sign sign,
                 const std::string &target, int64_t now_ms);

// The next node after the first `*at` that is due for a probe: the probe has begun then, and
// ends with nodes_learn. Null: no more. Borrowed like nodes_find's.
[[nodiscard]] const struct node *nodes_next_probe(struct nodes *db, size_t *at, int64_t now_ms);
