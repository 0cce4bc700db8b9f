// Lists of free pieces, one for each of some sizes. Owns the pieces in them and none of those in use.
#include "pool.h"

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>

// Sizes are multiples of STEP up to a kilobyte and STEP, from there on powers of two and STEP: curl's
// buffers are those and a byte.
constexpr size_t STEP = 16;
constexpr size_t KB = 1024;
constexpr unsigned STEPS = KB / STEP + 1;
constexpr size_t LARGEST = 32 * KB + STEP;
constexpr unsigned SIZES = STEPS + std::bit_width(LARGEST / KB);
constexpr unsigned NO_SIZE = SIZES; // of pieces that are not kept: no more than was asked for

// What stands before the bytes of a piece.
struct alignas(STEP) piece {
    struct piece *next; // while it is kept; itself: it is in use
    unsigned size;      // the index of its list
};
static_assert(sizeof(struct piece) % alignof(max_align_t) == 0);

struct pool {
    struct piece *lists[SIZES];
    size_t kept; // bytes, with what stands before
};

static struct pool the_pool;
static thread_local bool keeps; // this thread is the one that pieces are kept for

static unsigned size_index(size_t size)
{
    if (size <= STEPS * STEP)
        return static_cast<unsigned>((size + STEP - 1) / STEP);
    if (size > LARGEST)
        return NO_SIZE;
    return STEPS + static_cast<unsigned>(std::bit_width((size - STEP - 1) / KB));
}

static size_t room(unsigned index)
{
    return index <= STEPS ? index * STEP : (KB << (index - STEPS)) + STEP;
}

static struct piece *piece_of(void *bytes)
{
    return static_cast<struct piece *>(bytes) - 1;
}

// Bytes that a piece takes while it is kept.
static size_t whole(const struct piece *p)
{
    return sizeof *p + room(p->size);
}

// AddressSanitizer's, where the program is built with it.
extern "C" void __asan_init() __attribute__((weak));

bool pool_is_watched()
{
    const char *preloaded = getenv("LD_PRELOAD"); // valgrind puts its own there
    return __asan_init || (preloaded && strstr(preloaded, "vgpreload"));
}

// A piece, or none, that is somebody's from now on.
static void *hand_out(struct piece *p)
{
    if (!p)
        return nullptr;
    p->next = p;
    return p + 1;
}

void pool_open()
{
    keeps = true;
}

void *pool_take(size_t size)
{
    const unsigned index = keeps ? size_index(size) : NO_SIZE;
    struct piece *p = index != NO_SIZE ? the_pool.lists[index] : nullptr;
    if (p) {
        the_pool.lists[index] = p->next;
        the_pool.kept -= whole(p);
        return hand_out(p);
    }
    const size_t bytes = index == NO_SIZE ? size : room(index);
    if (bytes <= SIZE_MAX - sizeof *p)
        p = static_cast<struct piece *>(malloc(sizeof *p + bytes));
    if (p)
        p->size = index;
    return hand_out(p);
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
    return hand_out(static_cast<struct piece *>(realloc(p, sizeof *p + size)));
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
    if (p->next != p)
        abort(); // given back twice
    if (!keeps || p->size == NO_SIZE || the_pool.kept > POOL_MOST_KEPT - LARGEST - sizeof *p) {
        free(p);
        return;
    }
    the_pool.kept += whole(p);
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
            the_pool.kept -= whole(p);
            free(p);
        }
    }
    return false;
}
