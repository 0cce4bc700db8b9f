// Lists of free pieces, one for each of some sizes. Owns the pieces in them and none of those in use.
#include "pool.h"

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>

// Sizes are multiples of STEP up to STEPS_END, from there on powers of two up to LARGEST.
constexpr size_t STEP = 16;
constexpr size_t STEPS_END = 1024;
constexpr size_t LARGEST = 32768;
constexpr unsigned STEPS = STEPS_END / STEP;
constexpr unsigned SIZES = STEPS + std::bit_width(LARGEST / STEPS_END);
constexpr unsigned NO_SIZE = SIZES; // of pieces that are too large to be kept

// What stands before the bytes of a piece.
struct alignas(STEP) piece {
    struct piece *next; // while it is kept
    unsigned size;      // the index of its list
};

struct pool {
    struct piece *lists[SIZES];
    size_t kept; // bytes, with what stands before
};

static struct pool the_pool;
static thread_local bool keeps; // this thread is the one that pieces are kept for

static unsigned size_index(size_t size)
{
    if (size <= STEPS_END)
        return static_cast<unsigned>((size + STEP - 1) / STEP);
    if (size > LARGEST)
        return NO_SIZE;
    return STEPS + static_cast<unsigned>(std::bit_width((size - 1) / STEPS_END));
}

static size_t room(unsigned index)
{
    return index <= STEPS ? index * STEP : STEPS_END << (index - STEPS);
}

static struct piece *piece_of(void *bytes)
{
    return static_cast<struct piece *>(bytes) - 1;
}

void pool_open()
{
    keeps = true;
}

void *pool_take(size_t size)
{
    const unsigned index = size_index(size);
    struct piece *p = keeps && index != NO_SIZE ? the_pool.lists[index] : nullptr;
    if (p) {
        the_pool.lists[index] = p->next;
        the_pool.kept -= sizeof *p + room(index);
        return p + 1;
    }
    const size_t bytes = index == NO_SIZE ? size : room(index);
    if (bytes <= SIZE_MAX - sizeof *p)
        p = static_cast<struct piece *>(malloc(sizeof *p + bytes));
    if (!p)
        return nullptr;
    p->size = index;
    return p + 1;
}

void *pool_take_zeroed(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return nullptr;
    void *piece = pool_take(bytes);
    return piece ? memset(piece, 0, bytes) : nullptr;
}

char *pool_take_copy(const char *text)
{
    const size_t size = strlen(text) + 1;
    void *piece = pool_take(size);
    return piece ? static_cast<char *>(memcpy(piece, text, size)) : nullptr;
}

// One that is too large to be kept becomes larger still, or smaller.
static void *resize_large(struct piece *p, size_t size)
{
    if (size > SIZE_MAX - sizeof *p)
        return nullptr;
    p = static_cast<struct piece *>(realloc(p, sizeof *p + size));
    return p ? p + 1 : nullptr;
}

void *pool_resize(void *piece, size_t size)
{
    if (!piece)
        return pool_take(size);
    struct piece *p = piece_of(piece);
    if (p->size == NO_SIZE)
        return resize_large(p, size);
    if (size <= room(p->size))
        return piece;
    void *larger = pool_take(size);
    if (!larger)
        return nullptr;
    memcpy(larger, piece, room(p->size));
    pool_give(piece);
    return larger;
}

void pool_give(void *piece)
{
    if (!piece)
        return;
    struct piece *p = piece_of(piece);
    if (!keeps || p->size == NO_SIZE || the_pool.kept > POOL_MOST_KEPT - LARGEST) {
        free(p);
        return;
    }
    the_pool.kept += sizeof *p + room(p->size);
    p->next = the_pool.lists[p->size];
    the_pool.lists[p->size] = p;
}

size_t pool_kept()
{
    return the_pool.kept;
}

bool pool_trim(size_t pieces)
{
    for (struct piece *&first : the_pool.lists) {
        while (struct piece *p = first) {
            if (pieces-- == 0)
                return true;
            first = p->next;
            the_pool.kept -= sizeof *p + room(p->size);
            free(p);
        }
    }
    return false;
}
