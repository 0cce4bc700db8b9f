// A bound on bytes that many hold together, such as the replies of all broadcasts.
#pragma once
#include <cstddef>

// Plain data. Whoever takes gives back; `used` may pass the limit by what one piece needs to grow.
struct budget {
    size_t limit; // bytes
    size_t used;
};

// The bytes that may still be taken.
[[nodiscard]] inline size_t budget_left(const struct budget *b)
{
    return b->used < b->limit ? b->limit - b->used : 0;
}
