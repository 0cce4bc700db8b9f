// Sequences of references into blobs. Owns the references, never the blobs' meaning.
#include "rope.h"

#include <cassert>

#include "blob.h"

// Bytes of texts that are kept in one block. More blocks are cheaper than one that moves as it grows.
constexpr size_t TEXT_MAX = 65536;

void rope_add(struct rope *r, struct blob *owner, size_t offset, size_t size)
{
    assert(offset + size <= owner->size);
    if (size <= ROPE_COPY_MAX) {
        rope_add_text(r, {owner->data + offset, size});
        return;
    }
    r->pieces.push_back({.owner = blob_ref(owner), .offset = offset, .size = size});
    r->size += size;
}

// A piece of no bytes at the end of the text, which is new where there is none or the last one is full.
static void begin_text(struct rope *r, size_t size)
{
    if (!r->text || (r->text->size + size > TEXT_MAX && r->text->size > 0)) {
        const bool is_long = r->text;
        r->text = blob_new_within(r->budget);
        if (is_long)
            blob_reserve(r->text, TEXT_MAX); // it will be filled: no growing step by step
        r->pieces.push_back({.owner = r->text, .offset = 0, .size = 0});
    } else if (r->pieces.back().owner != r->text) {
        r->pieces.push_back({.owner = blob_ref(r->text), .offset = r->text->size, .size = 0});
    }
}

void rope_add_text(struct rope *r, std::string_view text)
{
    if (text.empty())
        return;
    begin_text(r, text.size());
    blob_append(r->text, text.data(), text.size());
    r->pieces.back().size += text.size();
    r->size += text.size();
}

// What is added next begins a new text: that of the last piece has the bytes still.
void rope_drop(struct rope *r, size_t size)
{
    assert(!r->pieces.empty() && r->pieces.back().size >= size);
    r->pieces.back().size -= size;
    r->size -= size;
    r->text = nullptr;
}

void rope_share(struct rope *to, const struct rope *from)
{
    assert(to->pieces.empty());
    to->pieces = from->pieces;
    to->size = from->size;
    for (const struct rope_piece &piece : to->pieces)
        (void)blob_ref(piece.owner);
}

void rope_clear(struct rope *r)
{
    for (const struct rope_piece &piece : r->pieces)
        blob_unref(piece.owner);
    r->pieces.clear();
    r->size = 0;
    r->text = nullptr;
}

std::string rope_text(const struct rope *r)
{
    std::string text;
    text.reserve(r->size);
    for (const struct rope_piece &piece : r->pieces)
        text.append(piece.owner->data + piece.offset, piece.size);
    return text;
}
