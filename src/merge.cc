// Splices members of many objects into one. Pure; owns only what it needs while it runs.
#include "merge.h"

#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "blob.h"
#include "json_text.h"
#include "rope.h"

constexpr uint32_t FREE = UINT32_MAX;     // of entry.source: nothing here
constexpr uint32_t MADE = UINT32_MAX - 1; // of entry.source: `index` is of merge.made
constexpr size_t FEWEST_SLOTS = 16;
constexpr size_t MANY = 8192; // members: a table of more is in parts
constexpr size_t PARTS = 256;

// What a table holds: a member of a source, or a name that was made. Small, for there may be millions.
struct entry {
    uint32_t hash;
    uint32_t source;
    uint32_t index;
};

// Open addressing with linear probing; at most half full.
struct part {
    std::vector<struct entry> slots;
    size_t used;
};

// In parts by hash, each of which grows by itself: growing millions of entries at once would take long.
struct table {
    std::vector<struct part> parts;
};

// A name that was made for a member whose own is taken.
struct made_name {
    std::string key;        // quoted
    uint32_t source, index; // the member
};

// What one merge needs. `by_value` and `renamed` stay empty where no key collides.
struct merge {
    struct rope *out;
    const std::vector<struct merge_source> *sources;
    struct table by_key;   // the names in the output
    struct table by_value; // members that were renamed, by key and value
    struct table renamed;  // names that were made for the source at hand, by the members' own keys
    std::deque<struct made_name> made;
    size_t collisions;
    bool empty;             // nothing was written yet
    uint32_t source, index; // of the next member
    uint32_t run; // begin of the source's members that are still to be written as they are
};

static const struct json_member &member_at(const struct merge *s, const struct entry *e)
{
    const bool made = e->source == MADE;
    const uint32_t source = made ? s->made[e->index].source : e->source;
    const uint32_t index = made ? s->made[e->index].index : e->index;
    return (*s->sources)[source].members[index];
}

static std::string_view value_of(const struct merge *s, const struct entry *e)
{
    const uint32_t source = e->source == MADE ? s->made[e->index].source : e->source;
    const struct json_member &m = member_at(s, e);
    return {(*s->sources)[source].body->data + m.value, m.value_size};
}

// The name in the output that an entry stands for, quoted.
static std::string_view key_of(const struct merge *s, const struct entry *e)
{
    if (e->source == MADE)
        return s->made[e->index].key;
    const struct json_member &m = member_at(s, e);
    return {(*s->sources)[e->source].body->data + m.key, m.key_size};
}

// The key that the member behind a made name was sent with.
static std::string_view own_key_of(const struct merge *s, const struct entry *e)
{
    const struct json_member &m = member_at(s, e);
    return {(*s->sources)[s->made[e->index].source].body->data + m.key, m.key_size};
}

static bool has_escape(std::string_view key)
{
    return key.find('\\') != std::string_view::npos;
}

static std::string_view inside(std::string_view quoted)
{
    return quoted.substr(1, quoted.size() - 2);
}

static uint32_t hash_of(std::string_view text)
{
    const uint64_t hash = std::hash<std::string_view>{}(text);
    return static_cast<uint32_t>(hash ^ hash >> 32);
}

// "a" and "\u0061" are the same key: where there are escapes, what they stand for counts.
static uint32_t key_hash(std::string_view key)
{
    return has_escape(key) ? hash_of(json_decode_string(inside(key))) : hash_of(inside(key));
}

static bool keys_are_equal(std::string_view a, std::string_view b)
{
    if (!has_escape(a) && !has_escape(b))
        return a == b;
    return json_decode_string(inside(a)) == json_decode_string(inside(b));
}

static void table_clear(struct table *t)
{
    for (struct part &p : t->parts) {
        p.slots.clear();
        p.used = 0;
    }
}

static struct part *part_of(struct table *t, uint32_t hash)
{
    return &t->parts[uint64_t{hash} * t->parts.size() >> 32];
}

static void part_grow(struct part *p)
{
    std::vector<struct entry> old;
    old.swap(p->slots);
    p->slots.assign(old.empty() ? FEWEST_SLOTS : old.size() * 2,
                    {.hash = 0, .source = FREE, .index = 0});
    const size_t mask = p->slots.size() - 1;
    for (const struct entry &e : old) {
        if (e.source == FREE)
            continue;
        size_t i = e.hash & mask;
        while (p->slots[i].source != FREE)
            i = (i + 1) & mask;
        p->slots[i] = e;
    }
}

// The key by which a table knows an entry.
typedef std::string_view (*key_fn)(const struct merge *s, const struct entry *e);

// The slot that holds this key (and value, where one is given), or the free slot where it belongs.
static struct entry *table_slot(const struct merge *s, struct table *t, key_fn key_of_entry,
                                uint32_t hash, std::string_view key,
                                const std::string_view *value = nullptr)
{
    struct part *p = part_of(t, hash);
    if (p->used * 2 >= p->slots.size())
        part_grow(p);
    const size_t mask = p->slots.size() - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct entry *e = &p->slots[i];
        if (e->source == FREE)
            return e;
        if (e->hash == hash && keys_are_equal(key_of_entry(s, e), key) &&
            (!value || value_of(s, e) == *value))
            return e;
    }
}

static void table_put(struct table *t, struct entry *slot, struct entry e)
{
    *slot = e;
    part_of(t, e.hash)->used++;
}

static void write_separator(struct merge *s)
{
    if (!s->empty)
        rope_add_text(s->out, ",");
    s->empty = false;
}

// Writes members [from, to) of a source as they were sent, with what stands between them.
static void write_run(struct merge *s, uint32_t source, size_t from, size_t to)
{
    if (from == to)
        return;
    const struct merge_source &of = (*s->sources)[source];
    const struct json_member &first = of.members[from];
    const struct json_member &last = of.members[to - 1];
    write_separator(s);
    rope_add(s->out, of.body, first.key, last.value + last.value_size - first.key);
}

static void write_renamed(struct merge *s, uint32_t source, uint32_t index, std::string_view name)
{
    const struct merge_source &of = (*s->sources)[source];
    const struct json_member &m = of.members[index];
    write_separator(s);
    rope_add_text(s->out, name);
    rope_add_text(s->out, ":");
    rope_add(s->out, of.body, m.value, m.value_size);
    s->collisions++;
}

// Makes a name that no other member has, "<key>@<node>", again and again where even that is taken.
static uint32_t make_name(struct merge *s, std::string_view key, uint32_t source, uint32_t index)
{
    std::string suffix;
    json_append_string(&suffix, (*s->sources)[source].name);
    const uint32_t number = static_cast<uint32_t>(s->made.size());
    std::string name(key.substr(0, key.size() - 1));
    for (;;) {
        name += "@" + std::string(inside(suffix)) + "\"";
        const uint32_t hash = key_hash(name);
        struct entry *e = table_slot(s, &s->by_key, key_of, hash, name);
        if (e->source == FREE) {
            s->made.push_back({.key = name, .source = source, .index = index});
            table_put(&s->by_key, e, {.hash = hash, .source = MADE, .index = number});
            return number;
        }
        name.pop_back();
    }
}

// Its name is taken: an identical value is dropped, another one gets a name of its own. Duplicates
// within the source share that, as they shared the first.
static void write_collision(struct merge *s, uint32_t source, uint32_t index,
                            const struct entry *taken)
{
    const struct entry self = {.hash = taken->hash, .source = source, .index = index};
    const std::string_view key = key_of(s, &self), value = value_of(s, &self);
    const uint32_t name_hash = taken->hash;
    if (value_of(s, taken) == value)
        return;
    struct entry *renamed = table_slot(s, &s->renamed, own_key_of, name_hash, key);
    if (renamed->source != FREE) {
        write_renamed(s, source, index, s->made[renamed->index].key);
        return;
    }
    const uint32_t value_hash = name_hash ^ hash_of(value) * 31;
    struct entry *same = table_slot(s, &s->by_value, key_of, value_hash, key, &value);
    if (same->source != FREE)
        return;
    table_put(&s->by_value, same, {.hash = value_hash, .source = source, .index = index});
    const uint32_t made = make_name(s, key, source, index);
    table_put(&s->renamed, renamed, {.hash = name_hash, .source = MADE, .index = made});
    write_renamed(s, source, index, s->made[made].key);
}

static void splice_member(struct merge *s)
{
    const struct merge_source &of = (*s->sources)[s->source];
    const struct json_member &m = of.members[s->index];
    const std::string_view key(of.body->data + m.key, m.key_size);
    const uint32_t hash = key_hash(key);
    struct entry *e = table_slot(s, &s->by_key, key_of, hash, key);
    if (e->source == FREE)
        table_put(&s->by_key, e, {.hash = hash, .source = s->source, .index = s->index});
    if (e->source == s->source)
        return; // the first of its name, or a duplicate within the source
    const struct entry taken = *e;
    write_run(s, s->source, s->run, s->index);
    write_collision(s, s->source, s->index, &taken);
    s->run = s->index + 1;
}

static void end_source(struct merge *s)
{
    write_run(s, s->source, s->run, (*s->sources)[s->source].members.size());
    s->source++;
    s->index = s->run = 0;
    if (!s->made.empty())
        table_clear(&s->renamed);
}

struct merge *merge_new(struct rope *out, const std::vector<struct merge_source> *sources)
{
    struct merge *s = new merge{};
    s->out = out;
    s->sources = sources;
    s->empty = true;
    size_t members = 0;
    for (const struct merge_source &source : *sources)
        members += source.members.size();
    for (struct table *t : {&s->by_key, &s->by_value, &s->renamed})
        t->parts.resize(members > MANY ? PARTS : 1);
    rope_add_text(out, "{");
    // the members of a single source are passed on as they are
    if (sources->size() == 1)
        end_source(s);
    return s;
}

bool merge_step(struct merge *s, size_t most)
{
    for (; s->source < s->sources->size(); end_source(s))
        for (; s->index < (*s->sources)[s->source].members.size(); s->index++)
            if (most-- == 0)
                return false;
            else
                splice_member(s);
    rope_add_text(s->out, "}");
    return true;
}

size_t merge_renamed(const struct merge *s)
{
    return s->collisions;
}

void merge_free(struct merge *s)
{
    delete s;
}
