// The JSON scanner: a state machine that can stop between any two bytes.
//
// Owns the list of members and one bit for each open container, nothing else: no bytes are kept from
// one piece to the next. What reads up to `end` returns the place after what it read; what reads less
// returns the state after it.
#include "json_members.h"

#include <cassert>
#include <cstring>

#include "blob.h"
#include "json_members_skip.h"

constexpr size_t FIRST_MEMBERS = 4; // that there is room for at once: many nodes have few

// What comes next. White space may come in the states before IN_STRING.
enum state : uint8_t {
    BEFORE_DOCUMENT, // or at the end of all
    BEFORE_VALUE,
    BEFORE_FIRST, // key or element of a container, or its end
    BEFORE_KEY,
    BEFORE_COLON,
    AFTER_VALUE, // in a container
    IN_STRING,
    IN_ESCAPE,    // behind the backslash
    IN_HEX,       // `needed` more digits
    IN_CHARACTER, // `needed` more bytes of UTF-8, the next one from `low` to `high`
    IN_LITERAL,   // `literal` is what is left
    IN_NUMBER,    // `number` tells where
    REFUSED,
};

// What a number ends with so far.
enum number : uint8_t {
    MINUS,
    ZERO, // the only digit before the point
    INTEGER,
    POINT,
    FRACTION,
    E,
    EXPONENT_SIGN,
    EXPONENT,
    NUMBER_ENDED,
    NO_NUMBER,
};

struct json_members {
    enum state state;
    enum number number;
    bool in_key; // the string being read is one
    bool noting; // the document being read, or read last, is an object
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
    // whether open containers are objects, a bit each: the lowest for the innermost, and 64 of them
    uint64_t objects;
    // the words of those further out, null as long as there is none: there are thousands of scanners
    struct blob *further;
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

// Whether something else than white space is there.
static bool is_token(const char *p, const char *end)
{
    return p < end && !is_space(*p);
}

static bool is_at(const char *p, const char *end, char c)
{
    return p < end && *p == c;
}

static uint32_t offset_of(const struct json_members *m, const char *p)
{
    return static_cast<uint32_t>(m->fed + static_cast<size_t>(p - m->piece));
}

// A member's value or a whole document ends before `p`; returns the state after it.
static enum state end_outer_value(struct json_members *m, const char *p)
{
    if (m->depth == 0) {
        struct json_document *document = &m->documents[m->n_documents - 1];
        document->size = offset_of(m, p) - document->offset;
        return BEFORE_DOCUMENT;
    }
    if (m->noting) {
        m->member.value_size = offset_of(m, p) - m->member.value;
        if (m->members->size == 0)
            blob_reserve(m->members, FIRST_MEMBERS * sizeof m->member);
        blob_append(m->members, reinterpret_cast<const char *>(&m->member), sizeof m->member);
    }
    return AFTER_VALUE;
}

static enum state end_value(struct json_members *m, const char *p)
{
    return m->depth > 1 ? AFTER_VALUE : end_outer_value(m, p);
}

static bool in_object(const struct json_members *m)
{
    return m->objects & 1;
}

static char closing_bracket(const struct json_members *m)
{
    return in_object(m) ? '}' : ']';
}

// What comes in the innermost open container, if not its end.
static enum state before_next(const struct json_members *m)
{
    return in_object(m) ? BEFORE_KEY : BEFORE_VALUE;
}

static enum state open_container(struct json_members *m, bool object)
{
    if (m->depth == JSON_MAX_DEPTH)
        return REFUSED;
    if (m->depth >= 64 && m->depth % 64 == 0) {
        if (!m->further)
            m->further = blob_new(0);
        blob_append(m->further, reinterpret_cast<const char *>(&m->objects), sizeof m->objects);
    }
    m->depth++;
    m->objects = m->objects << 1 | object;
    return BEFORE_FIRST;
}

// Its end is before `p`.
static enum state close_container(struct json_members *m, const char *p)
{
    m->depth--;
    m->objects >>= 1;
    if (m->depth >= 64 && m->depth % 64 == 0) {
        m->further->size -= sizeof m->objects;
        memcpy(&m->objects, m->further->data + m->further->size, sizeof m->objects);
    }
    return end_value(m, p);
}

static enum state begin_key(struct json_members *m, const char *p)
{
    if (m->depth == 1)
        m->member.key = offset_of(m, p);
    m->in_key = true;
    return IN_STRING;
}

// The string ends before `p`.
static enum state end_string(struct json_members *m, const char *p)
{
    if (!m->in_key)
        return end_value(m, p);
    if (m->depth == 1)
        m->member.key_size = offset_of(m, p) - m->member.key;
    return BEFORE_COLON;
}

// The state behind a byte of a string that is not plain. What must follow a first byte of UTF-8 is as
// in utf8.h.
static enum state begin_special(struct json_members *m, char c)
{
    const unsigned char first = static_cast<unsigned char>(c);
    if (c == '\\')
        return IN_ESCAPE;
    if (first < 0xc2 || first > 0xf4)
        return REFUSED;
    m->needed = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    m->low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    m->high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return IN_CHARACTER;
}

static enum state scan_character(struct json_members *m, char c)
{
    const unsigned char byte = static_cast<unsigned char>(c);
    if (byte < m->low || byte > m->high)
        return REFUSED;
    m->low = 0x80;
    m->high = 0xbf;
    return --m->needed == 0 ? IN_STRING : IN_CHARACTER;
}

static enum state scan_escape(struct json_members *m, char c)
{
    if (is_short_escape(c))
        return IN_STRING;
    m->needed = 4;
    return c == 'u' ? IN_HEX : REFUSED;
}

static enum state scan_hex(struct json_members *m, char c)
{
    if (!is_hex(c))
        return REFUSED;
    return --m->needed == 0 ? IN_STRING : IN_HEX;
}

static const char *scan_literal(struct json_members *m, const char *p, const char *end)
{
    while (p < end && *m->literal != '\0')
        if (*p++ != *m->literal++) {
            m->state = REFUSED;
            return p;
        }
    if (*m->literal == '\0')
        m->state = end_value(m, p);
    return p;
}

// What the number ends with if `c`, which does not continue a run of digits, comes next.
static inline enum number after_number_byte(enum number number, char c)
{
    const bool whole = number == ZERO || number == INTEGER;
    if (number == MINUS)
        return c == '0' ? ZERO : is_digit(c) ? INTEGER : NO_NUMBER;
    if (number == POINT)
        return is_digit(c) ? FRACTION : NO_NUMBER;
    if (number == E && (c == '+' || c == '-'))
        return EXPONENT_SIGN;
    if (number == E || number == EXPONENT_SIGN)
        return is_digit(c) ? EXPONENT : NO_NUMBER;
    if (whole && c == '.')
        return POINT;
    if ((whole || number == FRACTION) && (c == 'e' || c == 'E'))
        return E;
    return NUMBER_ENDED;
}

static const char *scan_number(struct json_members *m, const char *p, const char *end)
{
    if (m->number == INTEGER || m->number == FRACTION || m->number == EXPONENT)
        while (p < end && is_digit(*p))
            p++;
    if (p == end)
        return p;
    m->number = after_number_byte(m->number, *p);
    if (m->number == NO_NUMBER)
        m->state = REFUSED;
    if (m->number != NUMBER_ENDED)
        return p + 1;
    m->state = end_value(m, p);
    return p;
}

// The first byte of a literal or a number.
static enum state begin_scalar(struct json_members *m, char c)
{
    switch (c) {
    case 't': m->literal = "rue"; return IN_LITERAL;
    case 'f': m->literal = "alse"; return IN_LITERAL;
    case 'n': m->literal = "ull"; return IN_LITERAL;
    default: break;
    }
    m->number = c == '-' ? MINUS : c == '0' ? ZERO : INTEGER;
    return c == '-' || is_digit(c) ? IN_NUMBER : REFUSED;
}

static const char *scan_integers(struct json_members *m, const char *p, const char *end,
                                 enum state *state)
{
    p = skip_integers(p, end);
    m->number = INTEGER;
    if (p[-1] == ',')
        *state = BEFORE_VALUE;
    else if (p == end || after_number_byte(INTEGER, *p) != NUMBER_ENDED)
        *state = IN_NUMBER;
    else
        *state = end_value(m, p);
    return p;
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
    default: return JSON_NUMBER; // or no value at all, which begin_scalar refuses
    }
}

// False: there may be none.
static bool begin_document(struct json_members *m, const char *p)
{
    if (m->n_documents == JSON_MAX_DOCUMENTS)
        return false;
    const enum json_kind kind = kind_of(*p);
    const uint32_t offset = offset_of(m, p);
    if (m->n_documents > 0) {
        const struct json_document *last = &m->documents[m->n_documents - 1];
        // nothing but white space tells where one ends and the next begins
        if (kind >= JSON_NUMBER && last->kind >= JSON_NUMBER && last->offset + last->size == offset)
            return false;
    }
    if (kind == JSON_OBJECT && m->has_object)
        return false;
    m->noting = kind == JSON_OBJECT;
    m->has_object |= m->noting;
    m->documents[m->n_documents++] = {.kind = kind, .offset = offset, .size = 0};
    return true;
}

static const char *begin_value(struct json_members *m, const char *p, const char *end,
                               enum state *state)
{
    if (m->depth == 1)
        m->member.value = offset_of(m, p);
    if (m->depth == 0 && !begin_document(m, p)) {
        *state = REFUSED;
    } else if (*p == '"') {
        m->in_key = false;
        *state = IN_STRING;
    } else if (*p == '{' || *p == '[') {
        *state = open_container(m, *p == '{');
    } else if (m->depth > 0 && !in_object(m) && *p >= '1' && *p <= '9') {
        return scan_integers(m, p, end, state);
    } else {
        *state = begin_scalar(m, *p);
    }
    return p + 1;
}

// Behind a value: the byte at `p`.
static enum state scan_comma_or_end(struct json_members *m, const char *p)
{
    if (*p == closing_bracket(m))
        return close_container(m, p + 1);
    return *p == ',' ? before_next(m) : REFUSED;
}

// Reads tokens as long as they are whole. The state is kept out of `m`: the compiler knows it in most
// places, and jumps to what comes next without asking.
static const char *scan_tokens(struct json_members *m, const char *p, const char *end)
{
    enum state state = m->state;
    for (;;) {
        switch (state) {
        case BEFORE_FIRST:
            if (!is_token(p, end))
                break;
            state = *p == closing_bracket(m) ? AFTER_VALUE : before_next(m);
            continue;
        case BEFORE_KEY:
            if (!is_at(p, end, '"'))
                break;
            state = begin_key(m, p);
            p++;
            [[fallthrough]];
        case IN_STRING:
            p = skip_string(p, end);
            if (p == end)
                break;
            state = *p == '"' ? end_string(m, p + 1) : begin_special(m, *p);
            p++;
            if (state != BEFORE_COLON)
                continue;
            [[fallthrough]];
        case BEFORE_COLON:
            if (!is_at(p, end, ':'))
                break;
            p++;
            state = BEFORE_VALUE;
            [[fallthrough]];
        case BEFORE_DOCUMENT:
        case BEFORE_VALUE:
            if (!is_token(p, end))
                break;
            p = begin_value(m, p, end, &state);
            continue;
        case AFTER_VALUE:
            if (!is_token(p, end))
                break;
            state = scan_comma_or_end(m, p);
            p++;
            continue;
        case IN_ESCAPE:
        case IN_HEX:
        case IN_CHARACTER:
        case IN_LITERAL:
        case IN_NUMBER:
        case REFUSED: break;
        }
        if (p == end || state > IN_STRING)
            break;
        if (is_space(*p))
            p++;
        else
            state = REFUSED;
    }
    m->state = state;
    return p;
}

// Reads on inside of a token.
static const char *scan_rest(struct json_members *m, const char *p, const char *end)
{
    if (m->state == IN_NUMBER)
        return scan_number(m, p, end);
    if (m->state == IN_LITERAL)
        return scan_literal(m, p, end);
    m->state = m->state == IN_ESCAPE ? scan_escape(m, *p)
               : m->state == IN_HEX  ? scan_hex(m, *p)
                                     : scan_character(m, *p);
    return p + 1;
}

bool json_members_feed(struct json_members *m, const char *data, size_t size)
{
    if (m->state == REFUSED || size > JSON_MAX_SIZE - m->fed) {
        m->state = REFUSED;
        return false;
    }
    const char *p = data, *const end = data + size;
    m->piece = data;
    while (p < end && m->state != REFUSED)
        p = m->state <= IN_STRING ? scan_tokens(m, p, end) : scan_rest(m, p, end);
    m->fed += size;
    return m->state != REFUSED;
}

bool json_members_end(struct json_members *m)
{
    m->piece = nullptr;
    // a number may end with the input
    if (m->depth == 0 && m->state == IN_NUMBER && after_number_byte(m->number, ' ') == NUMBER_ENDED)
        m->state = end_outer_value(m, nullptr);
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
