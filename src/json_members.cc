// The JSON scanner: a state machine that can stop between any two bytes.
//
// Owns the list of members and one bit for each open container, nothing else: no bytes are kept from
// one piece to the next. Every function that reads takes the place to read at, which is before `end`,
// and returns the place after what it read, or null where the input is no JSON.
#include "json_members.h"

#include <cassert>

#include "blob.h"
#include "json_members_skip.h"

// What comes next. White space may come in the states before IN_STRING.
enum state : uint8_t {
    BEFORE_DOCUMENT, // or at the end of all
    BEFORE_VALUE,
    BEFORE_FIRST_ELEMENT, // or the end of the array
    BEFORE_FIRST_KEY,     // or the end of the object
    BEFORE_KEY,
    BEFORE_COLON,
    AFTER_VALUE, // in a container
    IN_STRING,
    IN_ESCAPE,    // behind the backslash
    IN_HEX,       // `needed` more digits
    IN_CHARACTER, // `needed` more bytes of UTF-8, the next one from `low` to `high`
    IN_LITERAL,   // `literal` is what is left
    IN_MINUS,     // behind it; so also in the states that follow
    IN_ZERO,
    IN_INTEGER,
    IN_POINT,
    IN_FRACTION,
    IN_E,
    IN_EXPONENT_SIGN,
    IN_EXPONENT,
    REFUSED,
};

struct json_members {
    enum state state;
    bool in_object; // the innermost open container is one
    bool in_key;    // the string being read is one
    bool noting;    // the document being read, or read last, is an object
    bool has_object;
    uint8_t needed;
    unsigned char low, high;
    const char *literal;
    const char *piece;  // the bytes being fed now
    size_t fed;         // bytes before them
    size_t depth;       // open containers
    size_t n_documents; // begun
    struct json_document documents[JSON_MAX_DOCUMENTS];
    struct json_member member; // the one being read, while `noting`
    struct blob *members;      // an array, which grows without a copy: it may be long
    // for each open container whether the one around it is an object: 64 of them, and those further in
    uint64_t outer_is_object;
    struct blob
        *further; // words of 64, null as long as there is none; there are thousands of scanners
};

struct json_members *json_members_new()
{
    struct json_members *m = new json_members{};
    m->members = blob_new(0);
    return m;
}

void json_members_free(struct json_members *m)
{
    if (m) {
        blob_unref(m->members);
        blob_unref(m->further);
    }
    delete m;
}

static bool is_space(char c)
{
    return c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t');
}

static uint32_t offset_of(const struct json_members *m, const char *p)
{
    return static_cast<uint32_t>(m->fed + static_cast<size_t>(p - m->piece));
}

// A value of the object or a whole document ends before `p`.
static void end_outer_value(struct json_members *m, const char *p)
{
    if (m->depth == 0) {
        struct json_document *document = &m->documents[m->n_documents - 1];
        document->size = offset_of(m, p) - document->offset;
    } else if (m->noting) {
        m->member.value_size = offset_of(m, p) - m->member.value;
        blob_append(m->members, reinterpret_cast<const char *>(&m->member), sizeof m->member);
    }
}

static const char *scan_comma(struct json_members *m, const char *p)
{
    m->state = m->in_object ? BEFORE_KEY : BEFORE_VALUE;
    return p + 1;
}

// A value ends before `p`; a comma is taken along, which saves a turn of the loop.
static const char *end_value(struct json_members *m, const char *p, const char *end)
{
    m->state = m->depth > 0 ? AFTER_VALUE : BEFORE_DOCUMENT;
    if (m->depth <= 1)
        end_outer_value(m, p);
    return m->depth > 0 && p < end && *p == ',' ? scan_comma(m, p) : p;
}

// The word with the bit of the open container at this depth, counted from 0, which is 64 or more.
static uint64_t *further_word(struct json_members *m, size_t depth)
{
    constexpr uint64_t NONE = 0;
    if (!m->further)
        m->further = blob_new(0);
    const size_t index = depth / 64 - 1;
    if (index * sizeof NONE == m->further->size)
        blob_append(m->further, reinterpret_cast<const char *>(&NONE), sizeof NONE);
    return reinterpret_cast<uint64_t *>(m->further->data) + index;
}

static uint64_t *outer_word(struct json_members *m, size_t depth)
{
    return depth < 64 ? &m->outer_is_object : further_word(m, depth);
}

static const char *open_container(struct json_members *m, const char *p)
{
    if (m->depth == JSON_MAX_DEPTH)
        return nullptr;
    const uint64_t bit = uint64_t{1} << m->depth % 64;
    uint64_t *word = outer_word(m, m->depth);
    *word = m->in_object ? *word | bit : *word & ~bit;
    m->depth++;
    m->in_object = *p == '{';
    m->state = m->in_object ? BEFORE_FIRST_KEY : BEFORE_FIRST_ELEMENT;
    return p + 1;
}

static const char *close_container(struct json_members *m, const char *p, const char *end)
{
    if (*p != (m->in_object ? '}' : ']'))
        return nullptr;
    m->depth--;
    m->in_object = *outer_word(m, m->depth) >> m->depth % 64 & 1;
    return end_value(m, p + 1, end);
}

static const char *scan_colon(struct json_members *m, const char *p)
{
    if (*p != ':')
        return nullptr;
    m->state = BEFORE_VALUE;
    return p + 1;
}

// The string ends before `p`; a colon is taken along.
static const char *end_string(struct json_members *m, const char *p, const char *end)
{
    if (!m->in_key)
        return end_value(m, p, end);
    if (m->depth == 1)
        m->member.key_size = offset_of(m, p) - m->member.key;
    m->state = BEFORE_COLON;
    return p < end && *p == ':' ? scan_colon(m, p) : p;
}

// The first byte of a character beyond ASCII: what must follow is as in utf8.h.
static const char *begin_character(struct json_members *m, const char *p)
{
    const unsigned char first = static_cast<unsigned char>(*p);
    if (first < 0xc2 || first > 0xf4)
        return nullptr;
    m->needed = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    m->low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    m->high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    m->state = IN_CHARACTER;
    return p + 1;
}

static const char *scan_character(struct json_members *m, const char *p)
{
    const unsigned char byte = static_cast<unsigned char>(*p);
    if (byte < m->low || byte > m->high)
        return nullptr;
    m->low = 0x80;
    m->high = 0xbf;
    if (--m->needed == 0)
        m->state = IN_STRING;
    return p + 1;
}

static const char *scan_escape(struct json_members *m, const char *p)
{
    if (is_short_escape(*p)) {
        m->state = IN_STRING;
        return p + 1;
    }
    m->needed = 4;
    m->state = IN_HEX;
    return *p == 'u' ? p + 1 : nullptr;
}

static const char *scan_hex(struct json_members *m, const char *p)
{
    if (!is_hex(*p))
        return nullptr;
    if (--m->needed == 0)
        m->state = IN_STRING;
    return p + 1;
}

static const char *scan_string(struct json_members *m, const char *p, const char *end)
{
    for (;;) {
        p = skip_plain(p, end);
        if (p == end)
            return p;
        if (*p == '"')
            return end_string(m, p + 1, end);
        const char *const after = skip_simple(p, end);
        if (after == p)
            break;
        p = after;
    }
    if (*p == '\\') {
        m->state = IN_ESCAPE;
        return p + 1;
    }
    return begin_character(m, p);
}

static const char *scan_literal(struct json_members *m, const char *p, const char *end)
{
    while (p < end && *m->literal != '\0')
        if (*p++ != *m->literal++)
            return nullptr;
    return *m->literal == '\0' ? end_value(m, p, end) : p;
}

// The state after `c`, which does not continue a run of digits. AFTER_VALUE: the number ended before.
static enum state after_number_byte(enum state state, char c)
{
    const bool whole = state == IN_ZERO || state == IN_INTEGER;
    if (state == IN_MINUS)
        return c == '0' ? IN_ZERO : is_digit(c) ? IN_INTEGER : REFUSED;
    if (state == IN_POINT)
        return is_digit(c) ? IN_FRACTION : REFUSED;
    if (state == IN_E && (c == '+' || c == '-'))
        return IN_EXPONENT_SIGN;
    if (state == IN_E || state == IN_EXPONENT_SIGN)
        return is_digit(c) ? IN_EXPONENT : REFUSED;
    if (whole && c == '.')
        return IN_POINT;
    if ((whole || state == IN_FRACTION) && (c == 'e' || c == 'E'))
        return IN_E;
    return AFTER_VALUE;
}

static const char *scan_number(struct json_members *m, const char *p, const char *end)
{
    if (m->state == IN_INTEGER || m->state == IN_FRACTION || m->state == IN_EXPONENT)
        while (p < end && is_digit(*p))
            p++;
    if (p == end)
        return p;
    m->state = after_number_byte(m->state, *p);
    if (m->state == AFTER_VALUE)
        return end_value(m, p, end);
    return m->state == REFUSED ? nullptr : p + 1;
}

static const char *begin_literal(struct json_members *m, const char *p, const char *rest)
{
    m->literal = rest;
    m->state = IN_LITERAL;
    return p + 1;
}

static const char *begin_value(struct json_members *m, const char *p, const char *end)
{
    const char *const after = m->depth > 1 && !m->in_object ? skip_integers(p, end) : p;
    if (after != p) {
        m->state = BEFORE_VALUE;
        return after;
    }
    if (m->depth == 1)
        m->member.value = offset_of(m, p);
    switch (*p) {
    case '"':
        m->in_key = false;
        m->state = IN_STRING;
        return scan_string(m, p + 1, end);
    case '{':
    case '[': return open_container(m, p);
    case 't': return begin_literal(m, p, "rue");
    case 'f': return begin_literal(m, p, "alse");
    case 'n': return begin_literal(m, p, "ull");
    case '-': m->state = IN_MINUS; return p + 1;
    case '0': m->state = IN_ZERO; return p + 1;
    default: break;
    }
    if (!is_digit(*p))
        return nullptr;
    m->state = IN_INTEGER;
    return scan_number(m, p + 1, end);
}

static enum json_kind kind_of(char first)
{
    switch (first) {
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_STRING;
    case 't':
    case 'f':
    case 'n': return JSON_LITERAL;
    default: return JSON_NUMBER; // or no value at all, which begin_value refuses
    }
}

static const char *begin_document(struct json_members *m, const char *p, const char *end)
{
    if (m->n_documents == JSON_MAX_DOCUMENTS)
        return nullptr;
    const enum json_kind kind = kind_of(*p);
    const uint32_t offset = offset_of(m, p);
    if (m->n_documents > 0) {
        const struct json_document *last = &m->documents[m->n_documents - 1];
        // nothing but white space tells where one ends and the next begins
        if (kind >= JSON_NUMBER && last->kind >= JSON_NUMBER && last->offset + last->size == offset)
            return nullptr;
    }
    if (kind == JSON_OBJECT && m->has_object)
        return nullptr;
    m->noting = kind == JSON_OBJECT;
    m->has_object |= m->noting;
    m->documents[m->n_documents++] = {.kind = kind, .offset = offset, .size = 0};
    return begin_value(m, p, end);
}

static const char *begin_key(struct json_members *m, const char *p, const char *end)
{
    if (*p != '"')
        return nullptr;
    if (m->depth == 1)
        m->member.key = offset_of(m, p);
    m->in_key = true;
    m->state = IN_STRING;
    return scan_string(m, p + 1, end);
}

// Reads on from `p`: one token, or what is there of it.
static const char *scan(struct json_members *m, const char *p, const char *end)
{
    switch (m->state) {
    case BEFORE_DOCUMENT: return begin_document(m, p, end);
    case BEFORE_VALUE: return begin_value(m, p, end);
    case BEFORE_FIRST_ELEMENT:
        return *p == ']' ? close_container(m, p, end) : begin_value(m, p, end);
    case BEFORE_FIRST_KEY: return *p == '}' ? close_container(m, p, end) : begin_key(m, p, end);
    case BEFORE_KEY: return begin_key(m, p, end);
    case BEFORE_COLON: return scan_colon(m, p);
    case AFTER_VALUE: return *p == ',' ? scan_comma(m, p) : close_container(m, p, end);
    case IN_STRING: return scan_string(m, p, end);
    case IN_ESCAPE: return scan_escape(m, p);
    case IN_HEX: return scan_hex(m, p);
    case IN_CHARACTER: return scan_character(m, p);
    case IN_LITERAL: return scan_literal(m, p, end);
    case IN_MINUS:
    case IN_ZERO:
    case IN_INTEGER:
    case IN_POINT:
    case IN_FRACTION:
    case IN_E:
    case IN_EXPONENT_SIGN:
    case IN_EXPONENT: return scan_number(m, p, end);
    case REFUSED: return nullptr;
    }
    return nullptr;
}

bool json_members_feed(struct json_members *m, const char *data, size_t size)
{
    if (m->state == REFUSED || size > JSON_MAX_SIZE - m->fed) {
        m->state = REFUSED;
        return false;
    }
    const char *p = data, *const end = data + size;
    m->piece = data;
    while (p < end) {
        if (m->state < IN_STRING && is_space(*p)) {
            p++;
            continue;
        }
        p = scan(m, p, end);
        if (!p) {
            m->state = REFUSED;
            return false;
        }
    }
    m->fed += size;
    return true;
}

bool json_members_end(struct json_members *m)
{
    m->piece = nullptr;
    const bool number_may_end = m->state == IN_ZERO || m->state == IN_INTEGER ||
                                m->state == IN_FRACTION || m->state == IN_EXPONENT;
    if (number_may_end && m->depth == 0)
        end_value(m, nullptr, nullptr);
    return m->state == BEFORE_DOCUMENT && m->n_documents > 0;
}

size_t json_members_documents(const struct json_members *m)
{
    return m->n_documents;
}

const struct json_document *json_members_document(const struct json_members *m, size_t i)
{
    assert(i < m->n_documents);
    return &m->documents[i];
}

std::span<const struct json_member> json_members_list(const struct json_members *m)
{
    return {reinterpret_cast<const struct json_member *>(m->members->data),
            m->members->size / sizeof(struct json_member)};
}

size_t json_members_memory(const struct json_members *m)
{
    return m->members->capacity;
}
