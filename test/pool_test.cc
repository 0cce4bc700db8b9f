// The pool: pieces come back, also from and to other threads, and what is kept has an end.
#include "pool.h"

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include <sanitizer/asan_interface.h>

#include "cmocka_cc.h"

static void fill(void *piece, size_t size, int byte)
{
    memset(piece, byte, size);
}

static bool is_filled(const void *piece, size_t size, int byte)
{
    const unsigned char *p = static_cast<const unsigned char *>(piece);
    for (size_t i = 0; i < size; i++)
        if (p[i] != byte)
            return false;
    return true;
}

static int setup(void **)
{
    pool_open();
    return 0;
}

static int teardown(void **)
{
    assert_false(pool_trim(SIZE_MAX));
    assert_int_equal(pool_kept(), 0);
    return 0;
}

static void test_takes_the_piece_that_came_back_last(void **)
{
    for (const size_t size : {1u, 100u, 1040u, 1041u, 32784u}) {
        void *first = pool_take(size);
        void *second = pool_take(size);
        const size_t kept = pool_kept();
        pool_give(first);
        pool_give(second);
        assert_ptr_equal(pool_take(size), second);
        assert_ptr_equal(pool_take(size), first);
        assert_int_equal(pool_kept(), kept);
        pool_give(first);
        pool_give(second);
    }
}

// Each byte that was asked for is there, up to each border between two sizes.
static void test_has_room_for_each_size(void **)
{
    std::vector<std::pair<void *, size_t>> pieces;
    for (const size_t border :
         {16u, 32u, 1024u, 1040u, 2048u, 2064u, 4112u, 16400u, 32784u, 65536u})
        for (size_t size = border - 1; size <= border + 1; size++)
            pieces.emplace_back(pool_take(size), size);
    pieces.emplace_back(pool_take(0), 0);
    for (size_t i = 0; i < pieces.size(); i++)
        fill(pieces[i].first, pieces[i].second, static_cast<int>(i));
    for (size_t i = 0; i < pieces.size(); i++) {
        assert_int_equal(reinterpret_cast<uintptr_t>(pieces[i].first) % alignof(max_align_t), 0);
        assert_true(is_filled(pieces[i].first, pieces[i].second, static_cast<int>(i)));
        pool_give(pieces[i].first);
    }
}

static void test_does_not_keep_the_largest(void **)
{
    pool_give(pool_take(32785));
    assert_int_equal(pool_kept(), 0);
    pool_give(nullptr);
    assert_int_equal(pool_kept(), 0);
}

static void test_zeroes_what_was_used_before(void **)
{
    void *piece = pool_take(300);
    fill(piece, 300, 0xab);
    pool_give(piece);
    piece = pool_take_zeroed(3, 100);
    assert_true(is_filled(piece, 300, 0));
    pool_give(piece);
    assert_null(pool_take_zeroed(SIZE_MAX / 2, 3));
}

static void test_copies_text(void **)
{
    char *text = pool_take_copy("traceparent");
    assert_string_equal(text, "traceparent");
    pool_give(text);
}

// As curl's buffers grow: a little more each time, and far beyond what is kept.
static void test_keeps_the_bytes_when_it_resizes(void **)
{
    size_t size = 1;
    unsigned char *piece = static_cast<unsigned char *>(pool_resize(nullptr, size));
    piece[0] = 0;
    while (size < 200000) {
        const size_t larger = size + size / 3 + 1;
        piece = static_cast<unsigned char *>(pool_resize(piece, larger));
        for (size_t i = size; i < larger; i++)
            piece[i] = static_cast<unsigned char>(i * 7);
        size = larger;
    }
    piece = static_cast<unsigned char *>(pool_resize(piece, 1000));
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(piece[i], static_cast<unsigned char>(i * 7));
    pool_give(piece);
}

static void test_tells_when_there_is_no_memory(void **)
{
    void *piece = pool_take(40000);
    const volatile size_t too_much = SIZE_MAX - 8;
    assert_null(pool_take(too_much));
    assert_null(pool_resize(piece, too_much));
    pool_give(piece);
}

static void test_keeps_so_much_and_no_more(void **)
{
    std::vector<void *> pieces;
    while (pieces.size() * 16384 < 2 * POOL_MOST_KEPT)
        pieces.push_back(pool_take(16384));
    for (void *piece : pieces)
        pool_give(piece);
    assert_in_range(pool_kept(), POOL_MOST_KEPT - 65536, POOL_MOST_KEPT);
}

static void test_gives_back_in_steps(void **)
{
    void *pieces[5];
    for (size_t i = 0; i < 5; i++)
        pieces[i] = pool_take(i * 100);
    for (void *piece : pieces)
        pool_give(piece);
    const size_t kept = pool_kept();
    assert_true(pool_trim(2));
    assert_true(pool_kept() < kept);
    assert_true(pool_trim(2));
    assert_false(pool_trim(2));
    assert_int_equal(pool_kept(), 0);
}

// AddressSanitizer finds who uses what was given back, or bytes behind those that were asked for.
static void test_tells_tools_what_may_be_used(void **)
{
#ifdef __SANITIZE_ADDRESS__
    unsigned char *piece = static_cast<unsigned char *>(pool_take(50));
    assert_null(__asan_region_is_poisoned(piece, 50));
    assert_non_null(__asan_region_is_poisoned(piece, 51));
    piece = static_cast<unsigned char *>(pool_resize(piece, 60));
    assert_null(__asan_region_is_poisoned(piece, 60));
    assert_non_null(__asan_region_is_poisoned(piece, 61));
    pool_give(piece);
    assert_true(__asan_address_is_poisoned(piece));
#else
    skip();
#endif
}

// curl's buffers are powers of two and a byte: they take hardly more than they need.
static void test_has_pieces_for_buffers(void **)
{
    pool_give(pool_take(16385));
    assert_in_range(pool_kept(), 16385, 16385 + 64);
}

// As curl's resolver has it: an address is taken in its thread and given back in ours.
static void test_lets_other_threads_take_and_give(void **)
{
    std::vector<void *> pieces(100);
    void *ours = pool_take(48);
    std::thread other([&] {
        for (void *&piece : pieces)
            piece = pool_take(48);
        pool_give(ours);
        pool_give(pieces.back());
        pieces.pop_back();
    });
    for (size_t i = 0; i < 10000; i++)
        pool_give(pool_take(48));
    other.join();
    pool_give(pool_take(48));
    const size_t one = pool_kept();
    for (void *piece : pieces)
        pool_give(piece);
    assert_int_equal(pool_kept(), (1 + pieces.size()) * one);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_takes_the_piece_that_came_back_last, setup, teardown),
        cmocka_unit_test_setup_teardown(test_has_room_for_each_size, setup, teardown),
        cmocka_unit_test_setup_teardown(test_does_not_keep_the_largest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_zeroes_what_was_used_before, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copies_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keeps_the_bytes_when_it_resizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tells_when_there_is_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keeps_so_much_and_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gives_back_in_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tells_tools_what_may_be_used, setup, teardown),
        cmocka_unit_test_setup_teardown(test_has_pieces_for_buffers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lets_other_threads_take_and_give, setup, teardown),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
