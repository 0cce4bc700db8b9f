// UTF-8 well-formedness, one sequence at a time (RFC 3629; table 3-7 of the Unicode Standard).
#pragma once
#include <cstddef>

// The length (1 to 4) of the well-formed sequence at `p`, or 0 where there is none before `end`.
inline size_t utf8_sequence(const unsigned char *p, const unsigned char *end)
{
    const size_t left = static_cast<size_t>(end - p);
    if (left == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    const size_t size = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (left < size)
        return 0;
    unsigned char low = 0x80, high = 0xbf;
    if (p[0] == 0xe0)
        low = 0xa0; // overlong
    if (p[0] == 0xed)
        high = 0x9f; // surrogates
    if (p[0] == 0xf0)
        low = 0x90; // overlong
    if (p[0] == 0xf4)
        high = 0x8f; // above U+10FFFF
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return size;
}
