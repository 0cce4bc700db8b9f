// Reads what a trace session's request asks for, as a node would. Pure.
#include "session.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "json_members.h"
#include "json_text.h"
#include "utf8.h"

// A body beyond this is left to the nodes: reading a million bytes of members takes up to 20 ms.
constexpr size_t MOST_BODY = size_t{128} << 10;

// A member that nodes know.
struct known {
    const char *name;   // in small letters
    const char *shown;  // as people write it
    const char *begins; // what its value may begin with
    const char *takes;
    bool needed;
};

// A pod may be missing: a node that has the names of pods from /proc may know one without a name.
static const struct known POST_MEMBERS[] = {
    {"pod", "pod", "\"n", "a string", false},
    {"container", "container", "\"n", "the name of a container, or * for any", true},
    {"trace-hook", "trace-hook", "\"n", "the name of a trace hook", true},
    {"trace-arguments", "trace-arguments", "\"n", "a string", false},
    {"trace-user-context", "trace-user-context", "\"n", "a string", false},
};
static const struct known RUN = {"run", "Run", "tfn", "true or false", false};

constexpr const char *POST_TAKES = R"({"pod":"web-*","container":"*","trace-hook":"name"})";
constexpr const char *PUT_TAKES = R"({"Run":true} or {"Run":false})";

bool session_number(std::string_view text, uint64_t *number)
{
    const char *end = text.data() + text.size();
    const std::from_chars_result result = std::from_chars(text.data(), end, *number);
    return result.ec == std::errc() && result.ptr == end;
}

bool session_check_id(std::string_view id, bool may_be_all, std::string *error)
{
    uint64_t number = 0;
    if ((may_be_all && id == "all") || session_number(id, &number))
        return true;
    *error = "session id: got \"" + std::string(id) + "\"; it takes a number from 0 to " +
             std::to_string(UINT64_MAX) + (may_be_all ? ", or all" : "");
    return false;
}

// The first JSON value of a body, which is all that a node reads of it.
struct value {
    const char *body;
    struct json_members *json;
    bool whole;
    char first; // its first byte, where it is whole
    size_t at;  // where it is wrong or ends too early, where it is not
};

// Feeds bytes up to `size`, at most `step` at once; returns where the first lot that is wrong begins.
// Nodes take any byte from 0x80 on in a string; outside of one it is as wrong as an x.
static size_t feed(struct json_members *json, const char *body, size_t from, size_t size,
                   size_t step)
{
    char piece[4096];
    for (; from < size; from += step) {
        step = std::min({step, sizeof piece, size - from});
        for (size_t i = 0; i < step; i++)
            piece[i] = static_cast<unsigned char>(body[from + i]) < 0x80 ? body[from + i] : 'x';
        if (!json_members_feed(json, piece, step))
            break;
    }
    return from;
}

static void value_read(struct value *v, const char *body, size_t size)
{
    *v = {.body = body, .json = json_members_new(), .whole = false, .first = '\0', .at = 0};
    v->at = feed(v->json, body, 0, size, SIZE_MAX);
    if (v->at < size) { // once more, to find the very byte
        json_members_free(v->json);
        v->json = json_members_new();
        const size_t right = feed(v->json, body, 0, v->at, SIZE_MAX);
        v->at = feed(v->json, body, right, size, 1);
    }
    (void)!json_members_end(v->json); // what follows the first value does not matter
    if (json_members_documents(v->json) == 0)
        return;
    const struct json_document *document = json_members_document(v->json, 0);
    v->whole = document->size > 0;
    if (v->whole)
        v->first = body[document->offset];
}

static void value_fini(struct value *v)
{
    json_members_free(v->json);
}

static const char *kind_name(char first)
{
    switch (first) {
    case '{': return "an object";
    case '[': return "an array";
    case '"': return "a string";
    case 't': return "true";
    case 'f': return "false";
    default: return "a number";
    }
}

// Takes a character of a key: a small letter where it is a letter or what Go takes for one.
static char take_letter(std::string_view *key)
{
    const unsigned char *p = reinterpret_cast<const unsigned char *>(key->data());
    size_t size = std::max(utf8_sequence(p, p + key->size()), size_t{1});
    if (*p == '\\')
        size = p[1] == 'u' ? 6 : 2;
    const std::string c = json_decode_string(key->substr(0, size));
    key->remove_prefix(size);
    if (c == "\u212a") // the Kelvin sign
        return 'k';
    if (c == "\u017f") // the long s
        return 's';
    return c[0] >= 'A' && c[0] <= 'Z' ? static_cast<char>(c[0] | 0x20) : c[0];
}

static bool is_named(std::string_view key, const char *name)
{
    for (; *name != '\0' && !key.empty(); name++)
        if (take_letter(&key) != *name)
            return false;
    return *name == '\0' && key.empty();
}

// The value of a member as written: the last one that is not null, for that leaves what was there
// before; but the first that is wrong goes before all. Empty where there is none.
static std::string_view find(const struct value *v, const struct known *known)
{
    std::string_view found;
    if (v->first != '{')
        return found;
    for (const struct json_member &m : json_members_list(v->json)) {
        if (!is_named({v->body + m.key + 1, m.key_size - 2}, known->name))
            continue;
        const std::string_view value(v->body + m.value, m.value_size);
        if (!strchr(known->begins, value[0]))
            return value;
        if (value[0] != 'n')
            found = value;
    }
    return found;
}

static bool check_value(const struct value *v, size_t size, const char *takes, std::string *error)
{
    if (v->whole && (v->first == '{' || v->first == 'n'))
        return true;
    if (v->whole)
        *error = std::string("got ") + kind_name(v->first);
    else if (v->at < size)
        *error = "the JSON is wrong at byte " + std::to_string(v->at + 1);
    else if (json_members_documents(v->json) > 0)
        *error = "the JSON ends too early, after byte " + std::to_string(size);
    else
        *error = "got nothing";
    *error = "body: " + *error + "; it takes " + takes;
    return false;
}

static bool check_member(const struct value *v, const struct known *known, std::string *error)
{
    const std::string_view value = find(v, known);
    if (value.empty() ? !known->needed : strchr(known->begins, value[0]) != nullptr)
        return true;
    *error = std::string(known->shown) + ": " +
             (value.empty() ? "missing" : std::string("got ") + kind_name(value[0])) +
             "; it takes " + known->takes;
    return false;
}

bool session_check_post(const char *body, size_t size, std::string *error)
{
    if (size > MOST_BODY)
        return true;
    struct value v;
    value_read(&v, body, size);
    bool right = check_value(&v, size, POST_TAKES, error);
    for (const struct known &known : POST_MEMBERS)
        right = right && check_member(&v, &known, error);
    value_fini(&v);
    return right;
}

bool session_check_put(const char *body, size_t size, std::string *error)
{
    if (size > MOST_BODY)
        return true;
    struct value v;
    value_read(&v, body, size);
    const bool right = check_value(&v, size, PUT_TAKES, error) && check_member(&v, &RUN, error);
    value_fini(&v);
    return right;
}

bool session_put_stops(const char *body, size_t size)
{
    if (size > MOST_BODY)
        return false;
    struct value v;
    value_read(&v, body, size);
    const std::string_view run = find(&v, &RUN);
    const bool stops = (v.first == '{' || v.first == 'n') && (run.empty() || run[0] == 'f');
    value_fini(&v);
    return stops;
}
