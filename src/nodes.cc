// The table of tracer-nodes, ordered by name. Owns the records; knows nothing of where they come from.
#include "nodes.h"

#include <algorithm>
#include <cassert>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "log.h"

struct nodes {
    std::vector<struct node> table;                 // ordered by name
    std::unordered_map<std::string, size_t> by_key; // into table
};

struct nodes *nodes_new()
{
    return new nodes{};
}

void nodes_free(struct nodes *db)
{
    delete db;
}

const std::vector<struct node> &nodes_all(const struct nodes *db)
{
    return db->table;
}

static bool name_is_less(const struct node &a, const struct node &b)
{
    return a.name < b.name;
}

const struct node *nodes_find(const struct nodes *db, std::string_view name)
{
    const auto at = std::lower_bound(
        db->table.begin(), db->table.end(), name,
        [](const struct node &n, std::string_view wanted) { return n.name < wanted; });
    return at != db->table.end() && at->name == name ? &*at : nullptr;
}

static std::string base_url(const struct node_record &r)
{
    const bool ipv6 = r.host.find(':') != std::string::npos;
    return std::string(r.https ? "https://" : "http://") + (ipv6 ? "[" + r.host + "]" : r.host) +
           ":" + std::to_string(r.port);
}

// How often each text occurs.
typedef std::unordered_map<std::string, size_t> counts;

// <node>, or <node>/<pod> where two share it, or <node>/<namespace>/<pod> where they share even that.
static void give_names(std::vector<struct node> *table)
{
    counts per_node, per_pod;
    for (const struct node &n : *table) {
        per_node[n.record.node]++;
        per_pod[n.record.node + "/" + n.record.pod]++;
    }
    for (struct node &n : *table) {
        const std::string with_pod = n.record.node + "/" + n.record.pod;
        if (per_node[n.record.node] == 1)
            n.name = n.record.node;
        else if (per_pod[with_pod] == 1)
            n.name = with_pod;
        else
            n.name = n.record.node + "/" + n.record.ns + "/" + n.record.pod;
    }
}

// A new entry, or what was known of that key with what is new about it.
static struct node merged(const struct nodes *db, struct node_record *record, int64_t now_ms,
                          bool *changed)
{
    struct node n = {};
    const auto old = db->by_key.find(record->key);
    if (old != db->by_key.end())
        n = db->table[old->second];
    else
        n.first_seen_ms = now_ms;
    const struct node_record &was = n.record;
    *changed |= old == db->by_key.end() || was.node != record->node || was.pod != record->pod ||
                was.ns != record->ns || was.host != record->host || was.port != record->port ||
                was.https != record->https || was.ready != record->ready ||
                was.serving != record->serving || was.terminating != record->terminating;
    n.record = std::move(*record);
    n.base = base_url(n.record);
    n.last_seen_ms = now_ms;
    return n;
}

// New entries get the lowest slots that are free.
static void give_slots(std::vector<struct node> *table, const struct nodes *db)
{
    std::vector<bool> taken(table->size(), false);
    for (const struct node &n : *table)
        if (db->by_key.count(n.record.key) && n.slot < taken.size())
            taken[n.slot] = true;
    uint32_t next = 0;
    for (struct node &n : *table) {
        if (db->by_key.count(n.record.key))
            continue;
        while (next < taken.size() && taken[next])
            next++;
        n.slot = next++;
    }
}

bool nodes_replace(struct nodes *db, std::vector<struct node_record> *records, int64_t now_ms)
{
    std::vector<struct node> table;
    std::unordered_set<std::string> keys;
    bool changed = false;
    table.reserve(records->size());
    for (struct node_record &record : *records)
        if (keys.insert(record.key).second)
            table.push_back(merged(db, &record, now_ms, &changed));
    records->clear();
    changed |= table.size() != db->table.size();
    give_slots(&table, db);
    give_names(&table);
    std::sort(table.begin(), table.end(), name_is_less);
    db->table.swap(table);
    db->by_key.clear();
    for (size_t i = 0; i < db->table.size(); i++)
        db->by_key[db->table[i].record.key] = i;
    return changed;
}

// Null for a key that is not there any more.
static struct node *find_key(struct nodes *db, std::string_view key)
{
    const auto at = db->by_key.find(std::string(key));
    return at == db->by_key.end() ? nullptr : &db->table[at->second];
}

void nodes_note(struct nodes *db, std::string_view key, enum outcome o, enum reason r, int status,
                int64_t ms, int64_t now_ms)
{
    struct node *n = find_key(db, key);
    if (!n)
        return;
    n->asked = true;
    n->outcome = o;
    n->reason = r;
    n->status = status;
    n->ms = ms;
    n->outcome_at_ms = now_ms;
}

void nodes_learn(struct nodes *db, std::string_view key, bool hung, const std::string &target,
                 int64_t now_ms)
{
    struct node *n = find_key(db, key);
    if (!n)
        return;
    const int64_t open_ms = n->breaker.open ? now_ms - n->breaker.opened_ms : 0;
    if (hung && breaker_fail(&n->breaker, target, now_ms))
        log_warn("node %s did not answer %u times in a row: it is not waited for any more, and "
                 "probed in the background",
                 n->name.c_str(), n->breaker.failures);
    if (!hung && breaker_succeed(&n->breaker))
        log_info("node %s is back after %lld s", n->name.c_str(),
                 static_cast<long long>(open_ms / 1000));
}

const struct node *nodes_next_probe(struct nodes *db, size_t *at, int64_t now_ms)
{
    while (*at < db->table.size()) {
        struct node *n = &db->table[(*at)++];
        if (!breaker_is_due(&n->breaker, now_ms))
            continue;
        breaker_probe(&n->breaker);
        return n;
    }
    return nullptr;
}
