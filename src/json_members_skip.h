// Skips what needs no state: bytes of strings and numbers that are there in full. Of json_members.
#pragma once
#include <cstddef>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "utf8.h"

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Whether a byte of a string needs no look: ASCII but no control, quote or backslash.
static inline bool is_plain(char c)
{
    const unsigned char byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

#ifdef __SSE2__
// One bit a byte.
static inline unsigned mask_of(__m128i bytes)
{
    return static_cast<unsigned>(_mm_movemask_epi8(bytes));
}
#endif

// The first byte of a string that is not plain, or `end`.
static inline const char *skip_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(' ');
    while (end - p >= 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p));
        const __m128i ends =
            _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
        // the comparison is signed: bytes of 0x80 and more are below the space, too
        const unsigned mask = mask_of(_mm_or_si128(ends, _mm_cmplt_epi8(bytes, space)));
        if (mask != 0)
            return p + __builtin_ctz(mask);
        p += 16;
    }
#endif
    while (p < end && is_plain(*p))
        p++;
    return p;
}

static inline bool is_short_escape(char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return true;
    default: return false;
    }
}

// Skips the whole escape or the whole characters beyond ASCII at `p`; returns `p` where they are
// wrong or may be cut by the end of the piece: the states tell.
static inline const char *skip_simple(const char *p, const char *end)
{
    if (*p == '\\' && end - p >= 6) {
        if (is_short_escape(p[1]))
            return p + 2;
        const bool hex = is_hex(p[2]) && is_hex(p[3]) && is_hex(p[4]) && is_hex(p[5]);
        return p[1] == 'u' && hex ? p + 6 : p;
    }
    while (p < end && static_cast<unsigned char>(*p) >= 0x80) {
        const size_t size = utf8_sequence(reinterpret_cast<const unsigned char *>(p),
                                          reinterpret_cast<const unsigned char *>(end));
        if (size == 0)
            break;
        p += size;
    }
    return p;
}

// Skips whole integers of an array, each with its comma: process ids are most of many a reply.
static inline const char *skip_integers(const char *p, const char *end)
{
    const char *next = p;
#ifdef __SSE2__
    const __m128i comma = _mm_set1_epi8(','), zero = _mm_set1_epi8('0'), nine = _mm_set1_epi8('9');
    unsigned first = 1; // one bit a byte: an integer begins there
    while (end - next >= 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(next));
        const __m128i other =
            _mm_or_si128(_mm_cmplt_epi8(bytes, zero), _mm_cmpgt_epi8(bytes, nine));
        const unsigned commas = mask_of(_mm_cmpeq_epi8(bytes, comma));
        first |= commas << 1;
        // all but digits and commas, and what is no integer, or 0, or may be the begin of neither
        const unsigned ends =
            (mask_of(other) & ~commas) | (first & (commas | mask_of(_mm_cmpeq_epi8(bytes, zero))));
        const unsigned good = ends & 0xffff ? commas & ((ends & -ends) - 1) : commas;
        if (good != 0)
            p = next + 32 - __builtin_clz(good);
        if (ends & 0xffff)
            return p;
        first = commas >> 15;
        next += 16;
    }
    next = p;
#endif
    while (next < end && *next >= '1' && *next <= '9') {
        while (next < end && is_digit(*next))
            next++;
        if (next == end || *next != ',')
            break;
        p = ++next;
    }
    return p;
}
