// A counted byte buffer: a body is received into one and sent from it without a copy.
#pragma once
#include <cstddef>

struct blob {
    size_t refs;
    size_t size;     // bytes in use
    size_t capacity; // bytes allocated
    char *data;      // moves when a blob grows: keep offsets, not pointers, while it is filled
};

// A new empty blob with one reference, which the caller owns. Out of memory ends the process.
[[nodiscard]] struct blob *blob_new(size_t capacity);

// One more reference; returns `b`.
struct blob *blob_ref(struct blob *b);

// Gives one reference up; the last one frees. Null is allowed.
void blob_unref(struct blob *b);

// Copies `size` bytes to the end. Grows by half again, so that appending is linear in all.
void blob_append(struct blob *b, const char *data, size_t size);

// Makes room for `capacity` bytes in all, such as a Content-Length that is known beforehand.
void blob_reserve(struct blob *b, size_t capacity);
