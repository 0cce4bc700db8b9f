// The owners of sessions, the least useful one behind. Owns copies of the nodes' keys.
#include "owners.h"

#include <list>
#include <unordered_map>

struct owner {
    uint64_t session;
    std::string node_key; // empty: several nodes have it
};

struct owners {
    std::list<struct owner> order; // the one that was learnt or found last goes first
    std::unordered_map<uint64_t, std::list<struct owner>::iterator> by_session;
};

struct owners *owners_new()
{
    return new owners{};
}

void owners_free(struct owners *o)
{
    delete o;
}

// Null where the session is not known; else it is the most useful one from now on.
static struct owner *use(struct owners *o, uint64_t session)
{
    const auto at = o->by_session.find(session);
    if (at == o->by_session.end())
        return nullptr;
    o->order.splice(o->order.begin(), o->order, at->second);
    return &o->order.front();
}

void owners_learn(struct owners *o, uint64_t session, std::string_view node_key)
{
    if (struct owner *known = use(o, session)) {
        if (known->node_key != node_key)
            known->node_key.clear();
        return;
    }
    if (o->order.size() >= OWNERS_MAX)
        owners_forget(o, o->order.back().session);
    o->order.push_front({.session = session, .node_key = std::string(node_key)});
    o->by_session.emplace(session, o->order.begin());
}

std::string owners_find(struct owners *o, uint64_t session)
{
    const struct owner *known = use(o, session);
    return known ? known->node_key : "";
}

void owners_forget(struct owners *o, uint64_t session)
{
    const auto at = o->by_session.find(session);
    if (at == o->by_session.end())
        return;
    o->order.erase(at->second);
    o->by_session.erase(at);
}
