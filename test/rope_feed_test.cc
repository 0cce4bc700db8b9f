// rope_feed: all bytes in their order, little of them at a time, and every reference given back.
#include "rope_feed.h"

#include <string>

#include <event2/buffer.h>

#include "blob.h"
#include "rope.h"
#include "support/cmocka_cc.h"

constexpr size_t LITTLE =
    3 << 20;             // more than a feed keeps in a buffer, beside the piece that it added last
constexpr int FEW = 300; // the same for references

// A blob of so many bytes, which differ from one to the next.
static struct blob *blob_of(size_t size)
{
    struct blob *b = blob_new(size);
    for (size_t i = 0; i < size; i++)
        b->data[i] = static_cast<char>('a' + (i * i + size) % 26);
    b->size = size;
    return b;
}

// A rope of so many pieces of a blob, with commas between them.
static void fill(struct rope *r, struct blob *b, int pieces)
{
    for (int i = 0; i < pieces; i++) {
        rope_add_text(r, i > 0 ? "," : "[");
        rope_add(r, b, 0, b->size);
    }
}

// Takes up to so many bytes from the front.
static std::string taken(struct evbuffer *from, size_t most)
{
    std::string text(most, '\0');
    const int size = evbuffer_remove(from, text.data(), text.size());
    text.resize(static_cast<size_t>(size));
    return text;
}

static void feed__a_small_rope__is_all_there_at_once(void **)
{
    struct evbuffer *out = evbuffer_new();
    struct rope rope = {};
    rope_add_text(&rope, "{\"a\":1}");

    assert_null(rope_feed_new(&rope, SIZE_MAX, out));

    assert_int_equal(rope.size, 0);
    assert_true(rope.pieces.empty());
    assert_string_equal(taken(out, 100).c_str(), "{\"a\":1}");
    evbuffer_free(out);
}

static void feed__an_empty_rope__adds_nothing(void **)
{
    struct evbuffer *out = evbuffer_new();
    struct rope rope = {};

    assert_null(rope_feed_new(&rope, SIZE_MAX, out));

    assert_int_equal(evbuffer_get_length(out), 0);
    evbuffer_free(out);
}

// As the bytes go, more of them come, in pieces of at most `piece_max`.
static void check_order(size_t piece_max)
{
    struct blob *b = blob_of(30000);
    struct evbuffer *out = evbuffer_new();
    struct rope rope = {};
    fill(&rope, b, 200);
    const std::string expected = rope_text(&rope);
    std::string sent;

    struct rope_feed *f = rope_feed_new(&rope, piece_max, out);
    assert_non_null(f);
    for (bool whole = false; !whole;) {
        assert_true(evbuffer_get_length(out) < LITTLE);
        assert_int_equal(sent.size() + evbuffer_get_length(out) + rope_feed_left(f),
                         expected.size());
        sent += taken(out, 100000);
        whole = rope_feed_add(f, out);
    }
    assert_int_equal(rope_feed_left(f), 0);
    rope_feed_free(f);
    sent += taken(out, LITTLE);

    assert_true(sent == expected);
    assert_int_equal(b->refs, 1);
    blob_unref(b);
    evbuffer_free(out);
}

static void feed__a_long_rope__follows_as_it_is_sent(void **)
{
    check_order(SIZE_MAX);
}

static void feed__pieces_of_a_record_of_tls__are_the_same_bytes(void **)
{
    check_order(16384);
}

// libevent sets a kilobyte aside for each.
static void feed__small_pieces__are_few_at_a_time(void **)
{
    struct blob *b = blob_of(5000);
    struct evbuffer *out = evbuffer_new();
    struct rope rope = {};
    fill(&rope, b, 2000);
    const size_t all = rope.size;
    size_t sent = 0;

    struct rope_feed *f = rope_feed_new(&rope, SIZE_MAX, out);
    for (bool whole = false; !whole; whole = rope_feed_add(f, out)) {
        assert_true(evbuffer_peek(out, -1, nullptr, nullptr, 0) < FEW);
        sent += taken(out, 100000).size();
    }
    sent += taken(out, all).size();

    assert_int_equal(sent, all);
    rope_feed_free(f);
    evbuffer_free(out);
    blob_unref(b);
}

static void feed__a_buffer_that_is_full__adds_nothing(void **)
{
    struct blob *b = blob_of(LITTLE);
    struct evbuffer *out = evbuffer_new();
    struct rope rope = {};
    fill(&rope, b, 3);
    struct rope_feed *f = rope_feed_new(&rope, SIZE_MAX, out);
    const size_t before = evbuffer_get_length(out);

    assert_false(rope_feed_add(f, out));

    assert_int_equal(evbuffer_get_length(out), before);
    rope_feed_free(f);
    evbuffer_free(out);
    blob_unref(b);
}

// A slow client must not hold the memory of what it has read.
static void feed__what_was_sent__is_given_back(void **)
{
    struct blob *b = blob_of(30000);
    struct evbuffer *out = evbuffer_new();
    struct rope rope = {};
    fill(&rope, b, 200);
    const size_t all = rope.size;

    struct rope_feed *f = rope_feed_new(&rope, SIZE_MAX, out);
    while (rope_feed_left(f) > all / 4) {
        (void)taken(out, 100000);
        assert_false(rope_feed_add(f, out));
    }

    assert_true(b->refs < 130);
    rope_feed_free(f);
    evbuffer_free(out);
    assert_int_equal(b->refs, 1);
    blob_unref(b);
}

static void feed__freed_before_the_end__gives_every_reference_back(void **)
{
    struct blob *b = blob_of(100000);
    struct evbuffer *out = evbuffer_new();
    struct rope rope = {};
    fill(&rope, b, 50);

    struct rope_feed *f = rope_feed_new(&rope, SIZE_MAX, out);
    assert_true(b->refs > 40);
    rope_feed_free(f);
    evbuffer_free(out);

    assert_int_equal(b->refs, 1);
    blob_unref(b);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feed__a_small_rope__is_all_there_at_once),
        cmocka_unit_test(feed__an_empty_rope__adds_nothing),
        cmocka_unit_test(feed__a_long_rope__follows_as_it_is_sent),
        cmocka_unit_test(feed__pieces_of_a_record_of_tls__are_the_same_bytes),
        cmocka_unit_test(feed__small_pieces__are_few_at_a_time),
        cmocka_unit_test(feed__a_buffer_that_is_full__adds_nothing),
        cmocka_unit_test(feed__what_was_sent__is_given_back),
        cmocka_unit_test(feed__freed_before_the_end__gives_every_reference_back),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
