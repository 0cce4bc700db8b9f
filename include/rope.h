// A byte sequence made of references into blobs: a merged reply that copies no body.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

struct blob;

struct rope_piece {
    struct blob *owner; // one reference held
    size_t offset;      // into owner->data
    size_t size;
};

// Plain data; zero-initialised (`struct rope r = {};`) is the empty rope. Not to be copied by
// assignment: the pieces hold references.
struct rope {
    std::vector<struct rope_piece> pieces;
    size_t size = 0;             // of all pieces
    struct blob *text = nullptr; // borrowed from the last piece that rope_add_text made
};

// Adds bytes of `owner`, taking a reference of its own. The bytes must not change any more.
void rope_add(struct rope *r, struct blob *owner, size_t offset, size_t size);

// Adds a copy of `text`; neighbouring texts share one piece.
void rope_add_text(struct rope *r, std::string_view text);

// Gives all references up; the rope is empty then and can be used again.
void rope_clear(struct rope *r);

// Moves all of `from` into `to`, which must be empty; `from` is empty then.
void rope_move(struct rope *to, struct rope *from);

// The bytes as one string, for tests and small replies.
[[nodiscard]] std::string rope_text(const struct rope *r);
