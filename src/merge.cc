// Splices members of many objects into one. Pure; owns only what it needs while it runs.
#include "merge.h"

#include <deque>
#include <functional>
#include <string_view>

#include "blob.h"
#include "json_text.h"
#include "rope.h"

// A member in the table: the key as sent (with quotes), and where its value is.
struct entry {
    size_t hash;
    std::string_view key;
    std::string_view value;
    size_t source; // counted from 1; 0 marks a free slot
};

// Open addressing with linear probing; sized for all members beforehand, so it never grows.
struct table {
    std::vector<struct entry> slots;
    size_t mask;
};

// What one merge needs.
struct splice {
    struct rope *out;
    struct table by_key;          // the first member of each key
    struct table by_value;        // further values of keys that collide, by key and value
    std::deque<std::string> made; // keys that were made; a deque does not move them
    size_t collisions;
    bool empty; // nothing was written yet
};

static void table_init(struct table *t, size_t members)
{
    size_t size = 16;
    while (size < members * 2)
        size *= 2;
    t->slots.assign(size, {});
    t->mask = size - 1;
}

static bool has_escape(std::string_view key)
{
    return key.find('\\') != std::string_view::npos;
}

static std::string_view inside(std::string_view quoted)
{
    return quoted.substr(1, quoted.size() - 2);
}

// "a" and "\u0061" are the same key: where there are escapes, what they stand for counts.
static size_t key_hash(std::string_view key)
{
    if (has_escape(key))
        return std::hash<std::string>{}(json_decode_string(inside(key)));
    return std::hash<std::string_view>{}(inside(key));
}

static bool keys_are_equal(std::string_view a, std::string_view b)
{
    if (!has_escape(a) && !has_escape(b))
        return a == b;
    return json_decode_string(inside(a)) == json_decode_string(inside(b));
}

// The slot that holds this key (and value, where one is given), or the free slot where it belongs.
static struct entry *table_slot(struct table *t, size_t hash, std::string_view key,
                                const std::string_view *value)
{
    for (size_t i = hash & t->mask;; i = (i + 1) & t->mask) {
        struct entry *e = &t->slots[i];
        if (e->source == 0)
            return e;
        if (e->hash == hash && keys_are_equal(e->key, key) && (!value || e->value == *value))
            return e;
    }
}

static size_t count_members(const std::vector<struct merge_source> &sources)
{
    size_t count = 0;
    for (const struct merge_source &source : sources)
        count += source.members->size();
    return count;
}

static void write_separator(struct splice *s)
{
    if (!s->empty)
        rope_add_text(s->out, ",");
    s->empty = false;
}

// Writes members [from, to) of a source as they were sent, with what stands between them.
static void write_run(struct splice *s, const struct merge_source *source, size_t from, size_t to)
{
    if (from == to)
        return;
    const struct json_member &first = (*source->members)[from];
    const struct json_member &last = (*source->members)[to - 1];
    write_separator(s);
    rope_add(s->out, source->body, first.key, last.value + last.value_size - first.key);
}

// A key that no other member has: "<key>@<name>", again and again where even that is taken.
static std::string_view make_key(struct splice *s, std::string_view key, const std::string &name,
                                 std::string_view value, size_t source)
{
    std::string suffix;
    json_append_string(&suffix, name);
    std::string made(key.substr(0, key.size() - 1));
    for (;;) {
        made += "@" + std::string(inside(suffix)) + "\"";
        const size_t hash = key_hash(made);
        struct entry *e = table_slot(&s->by_key, hash, made, nullptr);
        if (e->source == 0) {
            s->made.push_back(made);
            *e = {.hash = hash, .key = s->made.back(), .value = value, .source = source};
            return s->made.back();
        }
        made.pop_back();
    }
}

// Another source has this key already: drops an identical value, renames another one.
static void write_collision(struct splice *s, const struct merge_source *source, size_t number,
                            const struct json_member &m, const struct entry *first)
{
    const char *data = source->body->data;
    const std::string_view key(data + m.key, m.key_size), value(data + m.value, m.value_size);
    if (first->value == value)
        return;
    const size_t hash = key_hash(key) ^ (std::hash<std::string_view>{}(value)*31);
    struct entry *same = table_slot(&s->by_value, hash, key, &value);
    if (same->source != 0)
        return;
    *same = {.hash = hash, .key = key, .value = value, .source = number};
    const std::string_view made = make_key(s, key, *source->name, value, number);
    write_separator(s);
    rope_add_text(s->out, made);
    rope_add_text(s->out, ":");
    rope_add(s->out, source->body, m.value, m.value_size);
    s->collisions++;
}

static void splice_source(struct splice *s, const struct merge_source *source, size_t number)
{
    const std::vector<struct json_member> &members = *source->members;
    const char *data = source->body->data;
    size_t run = 0; // begin of the members that are still to be written as they are
    for (size_t i = 0; i < members.size(); i++) {
        const struct json_member &m = members[i];
        const std::string_view key(data + m.key, m.key_size);
        const size_t hash = key_hash(key);
        struct entry *e = table_slot(&s->by_key, hash, key, nullptr);
        if (e->source == 0)
            *e = {.hash = hash,
                  .key = key,
                  .value = {data + m.value, m.value_size},
                  .source = number};
        if (e->source == number)
            continue;
        write_run(s, source, run, i);
        write_collision(s, source, number, m, e);
        run = i + 1;
    }
    write_run(s, source, run, members.size());
}

size_t merge_objects(struct rope *out, const std::vector<struct merge_source> &sources)
{
    struct splice s = {};
    s.out = out;
    s.empty = true;
    // a made key takes a slot of its own beside the member's: at most two a member
    const size_t members = count_members(sources);
    table_init(&s.by_key, sources.size() > 1 ? members * 2 : members);
    table_init(&s.by_value, sources.size() > 1 ? members : 0);
    rope_add_text(out, "{");
    for (size_t i = 0; i < sources.size(); i++)
        splice_source(&s, &sources[i], i + 1);
    rope_add_text(out, "}");
    return s.collisions;
}
