// The table of tracer-nodes, ordered by name. Owns the records; knows nothing of where they come from.
#include "nodes.h"

#include <algorithm>
#include <cassert>
#include <string_view>
#include <unordered_map>

#include "log.h"

static constexpr uint32_t NO_SLOT = UINT32_MAX; // a new node's

// Of a key that may be no string of its own.
struct key_hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const
    {
        return std::hash<std::string_view>{}(key);
    }
};

struct nodes {
    std::vector<struct node> table; // ordered by name
    std::vector<struct node> fresh; // what nodes_prepare has made
    std::unordered_map<std::string, size_t, struct key_hash, std::equal_to<>> by_key; // into table
    uint64_t version;
};

struct nodes *nodes_new()
{
    return new nodes{.table = {}, .fresh = {}, .by_key = {}, .version = 1};
}

void nodes_free(struct nodes *db)
{
    delete db;
}

const std::vector<struct node> &nodes_all(const struct nodes *db)
{
    return db->table;
}

uint64_t nodes_version(const struct nodes *db)
{
    return db->version;
}

const struct node *nodes_find(const struct nodes *db, std::string_view name)
{
    const auto at = std::lower_bound(
        db->table.begin(), db->table.end(), name,
        [](const struct node &n, std::string_view wanted) { return n.face->name < wanted; });
    return at != db->table.end() && at->face->name == name ? &*at : nullptr;
}

static std::string address_text(const struct node_record &r)
{
    const bool ipv6 = r.host.find(':') != std::string::npos;
    return (ipv6 ? "[" + r.host + "]" : r.host) + ":" + std::to_string(r.port);
}

// How a node is asked: the host of its URL is what its certificate is checked with.
static std::shared_ptr<const struct node_face> face_of(const struct node_record &r,
                                                       const std::string &name)
{
    const bool named = r.https && !r.server_name.empty();
    auto face = std::make_shared<struct node_face>();
    face->key = r.key;
    face->name = name;
    face->base = std::string(r.https ? "https://" : "http://") +
                 (named ? r.server_name + ":" + std::to_string(r.port) : address_text(r));
    face->connect_to = named ? "::" + address_text(r) : "";
    return face;
}

// Gives a node its name, unless it has that and its record has not changed.
static void give_name(struct node *n, const std::string &name)
{
    if (!n->face || n->face->name != name)
        n->face = face_of(n->record, name);
}

// <node>, or <node>/<pod> where two share it, or <node>/<namespace>/<pod> where they share even that.
static void give_names(std::vector<struct node> *table)
{
    std::unordered_map<std::string_view, size_t> per_node;
    std::unordered_map<std::string, size_t> per_pod;
    per_node.reserve(table->size());
    for (const struct node &n : *table)
        per_node[n.record.node]++;
    for (const struct node &n : *table)
        if (per_node[n.record.node] > 1)
            per_pod[n.record.node + "/" + n.record.pod]++;
    for (struct node &n : *table) {
        const struct node_record &r = n.record;
        if (per_node[r.node] == 1) {
            give_name(&n, r.node);
            continue;
        }
        const std::string with_pod = r.node + "/" + r.pod;
        give_name(&n, per_pod[with_pod] == 1 ? with_pod : r.node + "/" + r.ns + "/" + r.pod);
    }
}

// New entries get the lowest slots that are free.
static void give_slots(std::vector<struct node> *table)
{
    std::vector<bool> taken(table->size(), false);
    for (const struct node &n : *table)
        if (n.slot < taken.size())
            taken[n.slot] = true;
    uint32_t next = 0;
    for (struct node &n : *table) {
        if (n.slot != NO_SLOT)
            continue;
        while (next < taken.size() && taken[next])
            next++;
        n.slot = next++;
    }
}

static bool is_before(const struct node &a, const struct node &b)
{
    return a.face->name < b.face->name;
}

// Orders by name what is large to move: a few new nodes go to their places, many make the table anew.
static void sort_table(std::vector<struct node> *table)
{
    const auto behind = std::is_sorted_until(table->begin(), table->end(), is_before);
    if (table->end() - behind <= static_cast<ptrdiff_t>(table->size() / 16)) {
        std::sort(behind, table->end(), is_before);
        std::inplace_merge(table->begin(), behind, table->end(), is_before);
        return;
    }
    std::vector<struct node *> order;
    order.reserve(table->size());
    for (struct node &n : *table)
        order.push_back(&n);
    std::sort(order.begin(), order.end(),
              [](const struct node *a, const struct node *b) { return is_before(*a, *b); });
    std::vector<struct node> sorted;
    sorted.reserve(table->capacity());
    for (struct node *n : order)
        sorted.push_back(std::move(*n));
    table->swap(sorted);
}

// Gives a node its new record. Returns whether it is another one.
static bool update(struct node *n, struct node_record *record, int64_t now_ms)
{
    const bool changed = n->record != *record;
    n->last_seen_ms = now_ms;
    if (!changed)
        return false;
    n->record = std::move(*record);
    n->face = n->face ? face_of(n->record, n->face->name) : nullptr;
    return true;
}

// Whether the table holds just these keys, with names that stay as they are.
static bool keeps_order(const struct nodes *db, const std::vector<struct node_record> &records)
{
    std::vector<bool> seen(db->table.size(), false);
    size_t found = 0;
    for (const struct node_record &record : records) {
        const auto at = db->by_key.find(record.key);
        if (at == db->by_key.end())
            return false;
        const struct node_record &known = db->table[at->second].record;
        if (known.node != record.node || known.pod != record.pod || known.ns != record.ns)
            return false;
        found += !seen[at->second];
        seen[at->second] = true;
    }
    return found == db->table.size();
}

bool nodes_prepare(struct nodes *db, std::vector<struct node_record> *records, size_t most)
{
    if (!db->table.empty())
        return true;
    if (db->fresh.empty())
        db->fresh.reserve(records->size() + records->size() / 8);
    for (; most > 0 && db->fresh.size() < records->size(); most--) {
        struct node_record *const record = &(*records)[db->fresh.size()];
        struct node *const n = &db->fresh.emplace_back();
        n->record = std::move(*record);
        n->face = face_of(n->record, n->record.node); // the name of most of them
    }
    return db->fresh.size() == records->size();
}

// Makes what was prepared the table.
static void take_fresh(struct nodes *db, int64_t now_ms)
{
    db->table.swap(db->fresh);
    std::erase_if(db->table, [db](const struct node &n) {
        return !db->by_key.try_emplace(n.record.key, 0).second;
    });
    for (struct node &n : db->table) {
        n.slot = NO_SLOT;
        n.first_seen_ms = n.last_seen_ms = now_ms;
    }
}

// Adds nodes that are new, gives the others their new records. Returns which ones there are records of.
static std::vector<bool> take_records(struct nodes *db, std::vector<struct node_record> *records,
                                      int64_t now_ms)
{
    std::vector<struct node> *const table = &db->table;
    std::vector<bool> seen(table->size(), false);
    if (table->capacity() < records->size())
        table->reserve(records->size() + records->size() / 8);
    for (struct node_record &record : *records) {
        const auto [at, is_new] = db->by_key.try_emplace(record.key, table->size());
        if (is_new) {
            struct node &n = table->emplace_back();
            n.slot = NO_SLOT;
            n.first_seen_ms = now_ms;
            seen.push_back(false);
        }
        if (!seen[at->second])
            (void)update(&(*table)[at->second], &record, now_ms);
        seen[at->second] = true;
    }
    return seen;
}

// Removes the others.
static void keep_seen(struct nodes *db, const std::vector<bool> &seen)
{
    std::vector<struct node> *const table = &db->table;
    size_t kept = 0;
    for (size_t i = 0; i < table->size(); i++) {
        struct node *const n = &(*table)[i];
        if (!seen[i]) {
            db->by_key.erase(n->record.key);
            continue;
        }
        if (kept != i)
            (*table)[kept] = std::move(*n);
        kept++;
    }
    table->erase(table->begin() + static_cast<ptrdiff_t>(kept), table->end());
}

// Makes the table hold these; what is known of nodes that stay goes with them. With thousands of nodes it
// is what takes longest when one comes or goes, so nothing is copied that is there.
static void rebuild(struct nodes *db, std::vector<struct node_record> *records, int64_t now_ms)
{
    if (db->fresh.empty())
        keep_seen(db, take_records(db, records, now_ms));
    else
        take_fresh(db, now_ms);
    give_slots(&db->table);
    give_names(&db->table);
    sort_table(&db->table);
    for (size_t i = 0; i < db->table.size(); i++)
        db->by_key.find(db->table[i].record.key)->second = i;
}

bool nodes_replace(struct nodes *db, std::vector<struct node_record> *records, int64_t now_ms)
{
    bool changed = false;
    if (db->fresh.empty() && keeps_order(db, *records)) {
        std::vector<bool> seen(db->table.size(), false);
        for (struct node_record &record : *records) {
            const size_t at = db->by_key.find(record.key)->second;
            if (!seen[at])
                changed |= update(&db->table[at], &record, now_ms);
            seen[at] = true;
        }
    } else {
        rebuild(db, records, now_ms);
        changed = true;
    }
    records->clear();
    db->version += changed;
    return changed;
}

const struct node *nodes_find_key(const struct nodes *db, std::string_view key)
{
    const auto at = db->by_key.find(key);
    return at == db->by_key.end() ? nullptr : &db->table[at->second];
}

// The same, to be changed. Of a fan-out to thousands, searching for each by its key was 3 %.
static struct node *find_place(struct nodes *db, const struct node_place *place)
{
    if (place->at < db->table.size()) {
        struct node *n = &db->table[place->at];
        if (n->face->key.data() == place->key.data())
            return n;
    }
    return const_cast<struct node *>(nodes_find_key(db, place->key));
}

void nodes_note(struct nodes *db, const struct node_place *place, enum outcome o, enum reason r,
                int status, int64_t ms, int64_t now_ms, const std::string &detail)
{
    struct node *n = find_place(db, place);
    if (!n)
        return;
    n->asked = true;
    n->outcome = o;
    n->reason = r;
    n->status = status;
    n->ms = ms;
    n->outcome_at_ms = now_ms;
    if (o != OUTCOME_FAILED && (o != OUTCOME_ERROR || status < 500)) {
        n->failing_since_ms = 0;
        return;
    }
    if (n->failing_since_ms == 0)
        n->failing_since_ms = now_ms;
    n->last_failure = {.reason = r,
                       .status = status,
                       .ms = ms,
                       .at_ms = now_ms,
                       .detail = detail.substr(0, MOST_NODE_DETAIL)};
}

void nodes_learn(struct nodes *db, const struct node_place *place, enum breaker_sign sign,
                 const std::string &target, int64_t now_ms)
{
    struct node *n = find_place(db, place);
    if (!n)
        return;
    const int64_t open_ms = n->breaker.open ? now_ms - n->breaker.opened_ms : 0;
    const bool answered = sign == BREAKER_ANSWERED;
    if (!answered && breaker_fail(&n->breaker, sign, target, now_ms))
        log_warn("node %s did not answer %u times in a row: it is not waited for any more, and "
                 "probed in the background",
                 n->face->name.c_str(), n->breaker.failures);
    if (answered && breaker_succeed(&n->breaker))
        log_info("node %s is back after %lld s", n->face->name.c_str(),
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
