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

// Skips bytes of a string up to its quote, or to what only the states can tell, or to `end`.
static inline const char *skip_string(const char *p, const char *end)
{
    for (;;) {
        p = skip_plain(p, end);
        if (p == end || *p == '"')
            return p;
        const char *const after = skip_simple(p, end);
        if (after == p)
            return p;
        p = after;
    }
}

// Skips integers of an array with the commas between them: process ids are most of many a reply. The
// first byte is one of 1 to 9. Stops behind a comma, or behind digits, where the number may go on.
static inline const char *skip_integers(const char *p, const char *end)
{
    p++;
#ifdef __SSE2__
    const __m128i comma = _mm_set1_epi8(','), zero = _mm_set1_epi8('0'), one = _mm_set1_epi8('1'),
                  nine = _mm_set1_epi8('9');
    for (; end - p >= 16; p += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p));
        const __m128i before = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p - 1));
        const __m128i commas = _mm_cmpeq_epi8(bytes, comma);
        // what is neither digit nor comma, and a comma or 0 where an integer begins
        const __m128i low = _mm_andnot_si128(commas, _mm_cmplt_epi8(bytes, zero));
        const __m128i high = _mm_cmpgt_epi8(bytes, nine);
        const __m128i first =
            _mm_and_si128(_mm_cmpeq_epi8(before, comma), _mm_cmplt_epi8(bytes, one));
        const unsigned ends = mask_of(_mm_or_si128(_mm_or_si128(low, first), high));
        if (ends != 0)
            return p + __builtin_ctz(ends);
    }
#endif
    while (p < end && (p[-1] == ',' ? *p >= '1' && *p <= '9' : is_digit(*p) || *p == ','))
        p++;
    return p;
}
