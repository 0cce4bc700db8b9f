// Feeds a rope to a libevent buffer as what is in there is sent: libevent sets aside a kilobyte for each
// reference, and a reply may be of thousands.
#pragma once
#include <cstddef>

struct evbuffer;
struct rope;

struct rope_feed;

// Adds the first bytes of `body` to `out` by reference, in pieces of at most so many. Takes the references
// of `body`, which is empty then. What is returned has the rest; null: that was all.
[[nodiscard]] struct rope_feed *rope_feed_new(struct rope *body, size_t piece_max,
                                              struct evbuffer *out);

// Adds more, as long as there is little in `out`, which holds it alone from then on. True: that was the last
// of it.
[[nodiscard]] bool rope_feed_add(struct rope_feed *f, struct evbuffer *out);

// Bytes that were not added yet; 0 for null.
[[nodiscard]] size_t rope_feed_left(const struct rope_feed *f);

// Gives the references up that were not passed on. Null is allowed.
void rope_feed_free(struct rope_feed *f);
