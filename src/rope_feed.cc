// A rope on its way into an evbuffer. Owns what is left of it: what was added is the evbuffer's alone.
#include "rope_feed.h"

#include <algorithm>

#include <event2/buffer.h>

#include "blob.h"
#include "rope.h"

// What is to be there to be sent: as much as the longest write takes (connections.cc), in as many references as
// two writes of libevent, which knows 128 of them.
constexpr size_t ENOUGH = 2 << 20;
constexpr int ENOUGH_REFERENCES = 256;

struct rope_feed {
    struct rope rope;
    size_t piece_max;
    size_t next; // piece of the rope; the references of those before were given up
    size_t at;   // bytes of that which were added
    size_t left; // bytes of all that were not
};

static void on_piece_sent(const void *, size_t, void *owner)
{
    blob_unref(static_cast<struct blob *>(owner));
}

// By reference, be it a comma: evbuffer_add behind a reference sets aside as much as that refers to.
static void add_piece(struct evbuffer *out, const struct rope_piece *piece, size_t at, size_t size)
{
    if (evbuffer_add_reference(out, piece->owner->data + piece->offset + at, size, on_piece_sent,
                               blob_ref(piece->owner)) != 0)
        blob_unref(piece->owner);
}

struct rope_feed *rope_feed_new(struct rope *body, size_t piece_max, struct evbuffer *out)
{
    struct rope_feed f = {
        .rope = std::move(*body), .piece_max = piece_max, .next = 0, .at = 0, .left = body->size};
    *body = {};
    return rope_feed_add(&f, out) ? nullptr : new rope_feed(std::move(f));
}

bool rope_feed_add(struct rope_feed *f, struct evbuffer *out)
{
    int references = evbuffer_peek(out, -1, nullptr, nullptr, 0);
    for (; f->next < f->rope.pieces.size(); f->next++, f->at = 0) {
        const struct rope_piece *piece = &f->rope.pieces[f->next];
        while (f->at < piece->size) {
            if (evbuffer_get_length(out) >= ENOUGH || references >= ENOUGH_REFERENCES)
                return false;
            const size_t size = std::min(f->piece_max, piece->size - f->at);
            add_piece(out, piece, f->at, size);
            references++;
            f->at += size;
            f->left -= size;
        }
        blob_unref(piece->owner);
    }
    return true;
}

size_t rope_feed_left(const struct rope_feed *f)
{
    return f ? f->left : 0;
}

void rope_feed_free(struct rope_feed *f)
{
    if (!f)
        return;
    for (; f->next < f->rope.pieces.size(); f->next++)
        blob_unref(f->rope.pieces[f->next].owner);
    delete f;
}
