// A byte sequence made of references into blobs: a merged reply that copies no big part of a body.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

struct blob;
struct budget;

constexpr size_t ROPE_COPY_MAX = 4096; // bytes: what is smaller is cheaper copied than referenced

struct rope_piece {
    struct blob *owner; // one reference held
    size_t offset;      // into owner->data
    size_t size;
};

// Plain data; zero-initialised (`struct rope r = {};`) is the empty rope. Not to be copied by
// assignment: the pieces hold references.
struct rope {
    std::vector<struct rope_piece> pieces;
    size_t size = 0;                 // of all pieces
    struct budget *budget = nullptr; // what copies are taken from; null: none
    struct blob *text = nullptr;     // where texts go; borrowed from the last piece that has one
};

// Adds bytes of `owner`: a copy of few, of many a reference. They must not change any more.
void rope_add(struct rope *r, struct blob *owner, size_t offset, size_t size);

// Adds a copy of `text`. Texts share blocks of memory, and neighbours a piece.
void rope_add_text(struct rope *r, std::string_view text);

// Takes so many bytes off the end of the last piece, which has them. Other ropes that share it keep theirs.
void rope_drop(struct rope *r, size_t size);

// Makes `to`, which is empty, refer to the bytes of `from`, to which nothing may be added any more.
void rope_share(struct rope *to, const struct rope *from);

// Gives all references up; the rope is empty then and can be used again.
void rope_clear(struct rope *r);

// The bytes as one string, for tests and small replies.
[[nodiscard]] std::string rope_text(const struct rope *r);
