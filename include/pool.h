// Memory in small pieces for curl, which takes and gives back some thirty of them for each request:
// those that come back are kept for the next of their size.
//
// Pieces are kept for the thread that called pool_open, without a lock. Other threads, such as those that
// curl's resolver starts, may take and give back the same pieces; theirs come from malloc and go back to it.
// As the functions of malloc(3) otherwise: what is taken is aligned for everything, null means no memory; and
// a piece that is given back twice ends the program.
#pragma once
#include <cstddef>

constexpr size_t POOL_MOST_KEPT = 8 << 20; // bytes

// From now on pieces are kept for this thread. For one thread only, however often it calls.
void pool_open();

// Whether valgrind or AddressSanitizer watches the heap: kept pieces would hide from it who uses what was
// given back.
[[nodiscard]] bool pool_is_watched();

[[nodiscard]] void *pool_take(size_t size);
[[nodiscard]] void *pool_take_zeroed(size_t count, size_t size);
[[nodiscard]] char *pool_take_copy(const char *text);

// Makes a piece larger or smaller, and keeps what is in it. It may move.
[[nodiscard]] void *pool_resize(void *piece, size_t size);

// Null is allowed.
void pool_give(void *piece);

// Bytes that are kept now.
[[nodiscard]] size_t pool_kept();

// Gives so many of the kept pieces back to the heap, at some fifty nanoseconds each. True: there are more.
[[nodiscard]] bool pool_trim(size_t pieces);
