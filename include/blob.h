// A counted byte buffer: a body is received into one and sent from it without a copy.
#pragma once
#include <cstddef>

struct budget;

struct blob {
    size_t refs;
    size_t size;           // bytes in use
    size_t capacity;       // bytes allocated
    struct budget *budget; // what its memory is taken from; null: none
    char *data; // moves when a blob grows: keep offsets, not pointers, while it is filled
};

// A new empty blob with one reference, which the caller owns. Out of memory ends the process.
[[nodiscard]] struct blob *blob_new(size_t capacity);

// The same with its memory taken from a budget, which must outlive it. It is the caller's to ask
// blob_has_room before it makes the blob grow.
[[nodiscard]] struct blob *blob_new_within(struct budget *budget);

// Whether the budget, if there is one, has the bytes that `size` more need.
[[nodiscard]] bool blob_has_room(const struct blob *b, size_t size);

// One more reference; returns `b`.
struct blob *blob_ref(struct blob *b);

// Gives one reference up; the last one frees. Null is allowed.
void blob_unref(struct blob *b);

// Copies `size` bytes to the end. Grows by half again, so that appending is linear in all.
void blob_append(struct blob *b, const char *data, size_t size);

// Makes room for `capacity` bytes in all, such as a Content-Length that is known beforehand.
void blob_reserve(struct blob *b, size_t capacity);
