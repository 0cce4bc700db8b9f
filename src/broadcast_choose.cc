// Whom a request is sent to, and what answers tell about that.
#include "broadcast_state.h"

#include <algorithm>
#include <cstring>

#include "blob.h"
#include "http_client.h"
#include "json_members.h"
#include "metrics.h"
#include "nodes.h"
#include "owners.h"
#include "session.h"

constexpr size_t CHOSEN_A_STEP = 128;

// Sessions that are learnt from one answer. Real nodes have few; a million must not hold others up.
constexpr size_t MOST_LEARNT = 64;

// Not asked for this request: a reply that says why. `name` has to stay.
static void add_unasked(struct broadcast *b, std::string_view name, enum reason reason)
{
    struct node_reply *r = &b->replies.emplace_back();
    r->name = name;
    r->ms = -1;
    node_reply_fail(r, &b->options.kind, reason, EFFECT_NOT_SENT);
    metrics_count_node(b->context->metrics, r->outcome, r->reason, r->ms);
}

// A node that terminates still has its sessions: it is asked for all but new ones.
static bool may_be_asked(const struct broadcast *b, const struct node *n)
{
    const struct node_record &r = n->record;
    if (r.terminating)
        return r.serving && !b->options.kind.creates;
    return r.ready;
}

// `waits_for_all`: also for those whose circuit is open.
static void add_node(struct broadcast *b, const struct node *n, bool waits_for_all)
{
    b->faces.push_back(n->face);
    if (!may_be_asked(b, n)) {
        add_unasked(b, n->face->name, REASON_NOT_READY);
        return;
    }
    if (n->breaker.open && !waits_for_all) {
        add_unasked(b, n->face->name, REASON_CIRCUIT_OPEN);
        return;
    }
    struct node_reply *r = &b->replies.emplace_back();
    r->name = n->face->name;
    r->key = n->face->key;
    r->budget = b->context->budget;
    b->calls.push_back(
        {.owner = b,
         .fetch = nullptr,
         .reply = b->replies.size() - 1,
         .face = n->face.get(),
         .place = {.key = n->face->key,
                   .at = static_cast<size_t>(n - nodes_all(b->context->nodes).data())},
         .shard = 1 + n->slot / FETCH_SHARD_SERVERS,
         .started_ms = b->started_ms,
         .suspect = n->asked && n->outcome == OUTCOME_FAILED,
         .retried = false,
         .has_place = false});
}

// Mutations try every node, and so does everybody where no circuit is closed: better late than never.
static bool waits_for_all(const struct broadcast *b)
{
    if (b->options.kind.mutation)
        return true;
    for (const struct node &n : nodes_all(b->context->nodes))
        if (may_be_asked(b, &n) && !n.breaker.open)
            return false;
    return true;
}

// Some nodes more, in the order of names; it begins anew where the database has changed. True: that
// was the last one.
static bool choose_some(struct broadcast *b)
{
    const std::vector<struct node> &all = nodes_all(b->context->nodes);
    const uint64_t version = nodes_version(b->context->nodes);
    if (b->version != version) {
        b->version = version;
        b->chosen = 0;
        b->waits_for_all = waits_for_all(b);
        b->calls.clear();
        b->replies.clear();
        b->faces.clear();
        b->replies.reserve(all.size());
        b->faces.reserve(all.size());
    }
    const size_t end = std::min(all.size(), b->chosen + CHOSEN_A_STEP);
    for (; b->chosen < end; b->chosen++)
        add_node(b, &all[b->chosen], b->waits_for_all);
    return end == all.size();
}

// The owner was asked before the others: its answer takes its place in the order of names.
static void place_owner(struct broadcast *b, struct node_reply *owner)
{
    b->calls.front().reply = b->replies.size();
    b->replies.push_back(std::move(*owner));
}

// All but the owner, at once: while one of them is under way, there is no beginning anew.
static void choose_others(struct broadcast *b)
{
    const std::vector<struct node> &all = nodes_all(b->context->nodes);
    const bool all_the_same = waits_for_all(b);
    struct node_reply owner = std::move(b->replies.front());
    bool placed = false;
    b->replies.clear();
    b->replies.reserve(all.size() + 1);
    for (const struct node &n : all) {
        if (!placed && n.face->name >= owner.name) {
            place_owner(b, &owner);
            placed = true;
        }
        if (n.record.key != b->owner_key)
            add_node(b, &n, all_the_same);
    }
    if (!placed)
        place_owner(b, &owner);
}

// Some names more, also those that nobody has. True: that was the last one.
static bool choose_named(struct broadcast *b)
{
    const size_t end = std::min(b->only.size(), b->chosen + CHOSEN_A_STEP);
    for (; b->chosen < end; b->chosen++) {
        const std::string &name = b->only[b->chosen];
        const struct node *n = nodes_find(b->context->nodes, name);
        if (n)
            add_node(b, n, true);
        else
            add_unasked(b, name, REASON_UNKNOWN_NODE);
    }
    return end == b->only.size();
}

// The node to be asked alone; null: all are to be asked. A view of the nodes has an entry of each, and who
// wants no answer rather than one without some nodes wants all to be asked.
static const struct node *find_owner(struct broadcast *b)
{
    if (!b->session.named || b->options.view_nodes || b->options.partial_deny)
        return nullptr;
    const struct node *n =
        nodes_find_key(b->context->nodes, owners_find(b->context->owners, b->session.id));
    return n && may_be_asked(b, n) && !n->breaker.open ? n : nullptr;
}

static bool is_suspect(const struct call &c)
{
    return c.suspect;
}

static bool is_trusted(const struct call &c)
{
    return !c.suspect;
}

// Those that failed the last time go last.
static void order_calls(struct broadcast *b)
{
    const auto begin = b->calls.begin() + static_cast<ptrdiff_t>(b->next);
    if (std::any_of(begin, b->calls.end(), is_suspect))
        std::stable_partition(begin, b->calls.end(), is_trusted);
}

// The owner is asked alone.
static void choose_owner(struct broadcast *b, const struct node *owner)
{
    b->alone = true;
    b->owner_key = owner->record.key;
    b->options.others = nodes_all(b->context->nodes).size() - 1;
    add_node(b, owner, false);
}

bool broadcast_choose(struct broadcast *b)
{
    const struct node *owner = nullptr;
    if (b->names_nodes) {
        if (!choose_named(b))
            return false;
    } else if (b->chosen == 0 && (owner = find_owner(b))) {
        choose_owner(b, owner);
    } else if (!choose_some(b)) {
        return false;
    }
    b->open = b->calls.size();
    order_calls(b);
    return true;
}

void broadcast_choose_others(struct broadcast *b)
{
    const size_t before = b->calls.size();
    b->alone = false;
    b->options.others = 0;
    choose_others(b);
    b->open += b->calls.size() - before;
    order_calls(b);
}

// A session that a node's answer shows, by its key there. False: that is no session.
static bool read_key(const struct node_reply *r, const struct json_member &m, uint64_t *session)
{
    return session_number({r->body->data + m.key + 1, m.key_size - 2}, session);
}

// The first members of an answer.
static std::span<const struct json_member> shown(const struct node_reply *r)
{
    const std::span<const struct json_member> all = json_members_list(r->json);
    return all.first(std::min(all.size(), MOST_LEARNT));
}

bool broadcast_is_settled(const struct broadcast *b)
{
    const struct node_reply *r = &b->replies[b->calls.front().reply];
    if (b->owner_key.empty() || !r->done || r->outcome != OUTCOME_OK)
        return false;
    if (!b->session.shown)
        return true;
    uint64_t session = 0;
    if (r->has_data)
        for (const struct json_member &m : shown(r))
            if (read_key(r, m, &session) && session == b->session.id)
                return true;
    return false;
}

void broadcast_learn_owner(struct broadcast *b, const struct node_reply *r)
{
    struct owners *o = b->context->owners;
    uint64_t session = 0;
    if (b->session.shown && r->outcome == OUTCOME_OK && r->has_data)
        for (const struct json_member &m : shown(r))
            if (read_key(r, m, &session))
                owners_learn(o, session, r->key);
    if (!b->session.named)
        return;
    const bool missed = r->outcome == OUTCOME_MISS && r->key == b->owner_key;
    if (missed || (b->session.ends && r->outcome == OUTCOME_OK))
        owners_forget(o, b->session.id);
    else if (!b->session.shown && r->outcome == OUTCOME_OK)
        owners_learn(o, b->session.id, r->key);
}
