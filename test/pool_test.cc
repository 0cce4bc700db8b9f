// The pool: pieces come back, also from and to other threads, and what is kept has an end.
#include "pool.h"

#include <csignal>
#include <cstdint>
#include <cstring>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "cmocka_cc.h"

static const struct rlimit NO_CORE = {.rlim_cur = 0, .rlim_max = 0};

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

static void take__some_have_come_back__the_last_is_the_first(void **)
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
static void take__sizes_at_all_borders__have_room_and_are_aligned(void **)
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

static void give__the_largest_or_none__keeps_nothing(void **)
{
    pool_give(pool_take(32785));
    assert_int_equal(pool_kept(), 0);
    pool_give(nullptr);
    assert_int_equal(pool_kept(), 0);
}

static void take_zeroed__what_was_used_before__is_zero(void **)
{
    void *piece = pool_take(300);
    fill(piece, 300, 0xab);
    pool_give(piece);
    piece = pool_take_zeroed(3, 100);
    assert_true(is_filled(piece, 300, 0));
    pool_give(piece);
    assert_null(pool_take_zeroed(SIZE_MAX / 2, 3));
}

static void take_copy__of_a_text__is_that_text(void **)
{
    char *text = pool_take_copy("traceparent");
    assert_string_equal(text, "traceparent");
    pool_give(text);
}

// As curl's buffers grow: a little more each time, and far beyond what is kept.
static void resize__larger_and_smaller__keeps_the_bytes(void **)
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

static void take__more_than_there_is__is_null(void **)
{
    void *piece = pool_take(40000);
    const volatile size_t too_much = SIZE_MAX - 8;
    assert_null(pool_take(too_much));
    assert_null(pool_resize(piece, too_much));
    pool_give(piece);
}

static void give__very_many__keeps_so_much_and_no_more(void **)
{
    std::vector<void *> pieces;
    while (pieces.size() * 16384 < 2 * POOL_MOST_KEPT)
        pieces.push_back(pool_take(16384));
    for (void *piece : pieces)
        pool_give(piece);
    assert_in_range(pool_kept(), POOL_MOST_KEPT - 65536, POOL_MOST_KEPT);
}

static void trim__in_steps__says_when_it_is_done(void **)
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

// curl's buffers are powers of two and a byte: they take hardly more than they need.
static void take__a_power_of_two_and_a_byte__takes_hardly_more(void **)
{
    pool_give(pool_take(16385));
    assert_in_range(pool_kept(), 16385, 16385 + 64);
}

struct other_thread {
    void *theirs[100]; // taken there, given back here
    void *ours;        // taken here, given back there
};

static void *on_other_thread(void *arg)
{
    struct other_thread *t = static_cast<struct other_thread *>(arg);
    for (void *&piece : t->theirs)
        piece = pool_take(48);
    pool_give(t->ours);
    return nullptr;
}

// As curl's resolver has it: an address is taken in its thread and given back in ours.
static void other_threads__take_and_give__ours_alone_are_kept(void **)
{
    struct other_thread t = {.theirs = {}, .ours = pool_take(48)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, nullptr, on_other_thread, &t), 0);
    for (size_t i = 0; i < 10000; i++)
        pool_give(pool_take(48));
    pthread_join(thread, nullptr);
    pool_give(pool_take(48));
    const size_t one = pool_kept();
    for (void *piece : t.theirs)
        pool_give(piece);
    assert_int_equal(pool_kept(), one);
}

static void give__twice__ends_the_program(void **)
{
    const pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &NO_CORE);
        void *piece = pool_take(100);
        pool_give(piece);
        pool_give(piece);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(take__some_have_come_back__the_last_is_the_first, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(take__sizes_at_all_borders__have_room_and_are_aligned,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(give__the_largest_or_none__keeps_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(take_zeroed__what_was_used_before__is_zero, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(take_copy__of_a_text__is_that_text, setup, teardown),
        cmocka_unit_test_setup_teardown(resize__larger_and_smaller__keeps_the_bytes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(take__more_than_there_is__is_null, setup, teardown),
        cmocka_unit_test_setup_teardown(give__very_many__keeps_so_much_and_no_more, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(trim__in_steps__says_when_it_is_done, setup, teardown),
        cmocka_unit_test_setup_teardown(take__a_power_of_two_and_a_byte__takes_hardly_more, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(other_threads__take_and_give__ours_alone_are_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(give__twice__ends_the_program, setup, teardown),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
