// Who may stay when there are more connections than places or descriptors.
//
// There are `max` places for requests of all kinds and some more that only hold requests which tell
// whether the daemon is well, or connections that have not asked yet. So there is always one that can
// end for a new one, as soon as its client had a moment to send what it came for.
#include "connections_table.h"

#include <algorithm>

#include "clock.h"

static const size_t RESERVED_PLACES = 8;
static const int64_t STALLED_MS = 1000; // of a reply, without a byte
static const int64_t SCARCE_MS = 10000; // how long a want of descriptors is remembered

// Whose end hurts least, first, and how long each is left alone: a new client sends what it came for
// right behind its connect, and a request mostly comes in one piece. With TLS there are round trips
// before.
static const struct {
    enum connection_phase phase;
    int64_t after_ms, after_tls_ms;
} EVICTABLE[] = {
    {CONNECTION_LINGERING, 5, 5},
    {CONNECTION_NEW, 5, 500},
    {CONNECTION_READING, 500, 500},
    {CONNECTION_IDLE, 20, 20},
    {CONNECTION_SENDING, STALLED_MS, STALLED_MS},
    {CONNECTION_READING, 10, 10},
    {CONNECTION_NEW, 5, 10},
};

static size_t places(const struct connections *cs)
{
    const size_t wanted = cs->options.max + RESERVED_PLACES;
    return clock_monotonic_ms() < cs->scarce_end_ms ? std::min(cs->affordable, wanted) : wanted;
}

bool connections_are_short(const struct connections *cs)
{
    const size_t all = places(cs), open_to_all = all - std::min(RESERVED_PLACES, all / 2);
    return cs->in[CONNECTION_PENDING].size() + cs->in[CONNECTION_SENDING].size() >
           std::min(cs->options.max, open_to_all);
}

// The connection of this phase that has not moved for longest, if that is `ms` at least, or null.
static struct connection *find_stalled(const struct connections *cs, enum connection_phase phase,
                                       int64_t ms)
{
    const std::list<struct connection *> &in = cs->in[phase];
    const bool found = !in.empty() && clock_monotonic_ms() - in.front()->moved_ms >= ms;
    return found ? in.front() : nullptr;
}

bool connections_end_stalled(struct connections *cs)
{
    struct connection *c = find_stalled(cs, CONNECTION_SENDING, STALLED_MS);
    if (c)
        connection_end(c);
    return c;
}

static bool waits_for_input(const struct connection *c)
{
    return c->phase == CONNECTION_NEW || c->phase == CONNECTION_READING ||
           c->phase == CONNECTION_IDLE;
}

// Ends the connection whose end hurts least. False: every one is in use, or has just come.
static bool evict(struct connections *cs)
{
    for (const auto &kind : EVICTABLE) {
        const int64_t after_ms = cs->options.tls ? kind.after_tls_ms : kind.after_ms;
        while (struct connection *c = find_stalled(cs, kind.phase, after_ms)) {
            if (!waits_for_input(c) || !connection_has_input(c)) {
                connection_end(c);
                return true;
            }
            connection_moved(c, clock_monotonic_ms()); // what came was not read yet
        }
    }
    return false;
}

void connections_make_room(struct connections *cs, size_t coming)
{
    while (cs->all.size() + coming >= places(cs) && evict(cs)) {
    }
    const bool full = cs->all.size() + coming >= places(cs);
    if (full == cs->full)
        return;
    cs->full = full;
    cs->options.on_full(cs->options.arg, full);
    connections_sweep_later(cs);
}

bool connections_no_descriptor(struct connections *cs)
{
    const size_t open = cs->all.size();
    const size_t busy = cs->in[CONNECTION_PENDING].size() + cs->in[CONNECTION_SENDING].size();
    cs->affordable = std::max(open - std::min(open, open / 8 + 1), busy + 1);
    cs->scarce_end_ms = clock_monotonic_ms() + SCARCE_MS;
    connections_make_room(cs, 0);
    return cs->all.size() < open;
}
