// Counted byte buffers. Owns its memory; knows nothing of what the bytes mean.
#include "blob.h"

#include <cassert>
#include <cstdlib>
#include <cstring>

#include "budget.h"
#include "log.h"

struct blob *blob_new(size_t capacity)
{
    struct blob *b =
        new blob{.refs = 1, .size = 0, .capacity = 0, .budget = nullptr, .data = nullptr};
    if (capacity > 0)
        blob_reserve(b, capacity);
    return b;
}

struct blob *blob_new_within(struct budget *budget)
{
    struct blob *b = blob_new(0);
    b->budget = budget;
    return b;
}

// What a blob grows to when it has to hold `size` bytes: half again, or as much as is needed.
static size_t grown(const struct blob *b, size_t size)
{
    const size_t half_more = b->capacity + b->capacity / 2;
    return half_more > size ? half_more : size;
}

bool blob_has_room(const struct blob *b, size_t size)
{
    if (!b->budget || b->capacity - b->size >= size)
        return true;
    return grown(b, b->size + size) - b->capacity <= budget_left(b->budget);
}

struct blob *blob_ref(struct blob *b)
{
    b->refs++;
    return b;
}

void blob_unref(struct blob *b)
{
    if (!b)
        return;
    assert(b->refs > 0);
    if (--b->refs > 0)
        return;
    if (b->budget)
        b->budget->used -= b->capacity;
    free(b->data);
    delete b;
}

void blob_reserve(struct blob *b, size_t capacity)
{
    if (capacity <= b->capacity)
        return;
    char *data = static_cast<char *>(realloc(b->data, capacity));
    if (!data)
        log_fatal("out of memory: %zu bytes for a body", capacity);
    if (b->budget)
        b->budget->used += capacity - b->capacity;
    b->data = data;
    b->capacity = capacity;
}

void blob_append(struct blob *b, const char *data, size_t size)
{
    if (size == 0)
        return;
    if (b->capacity - b->size < size)
        blob_reserve(b, grown(b, b->size + size));
    memcpy(b->data + b->size, data, size);
    b->size += size;
}
