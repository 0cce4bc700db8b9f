// rope and blob: references, bytes and growth.
#include "rope.h"

#include <string>

#include "blob.h"
#include "budget.h"
#include "support/cmocka_cc.h"

// What a rope refers to, as it is too much for a copy.
static const std::string MUCH(ROPE_COPY_MAX + 1, 'm');

static struct blob *blob_of(const std::string &text)
{
    struct blob *b = blob_new(0);
    blob_append(b, text.data(), text.size());
    return b;
}

static void blob_append__many_pieces__keeps_all_bytes(void **)
{
    struct blob *b = blob_new(3);
    std::string expected;

    for (int i = 0; i < 1000; i++) {
        const std::string piece = std::to_string(i);
        blob_append(b, piece.data(), piece.size());
        expected += piece;
    }

    assert_int_equal(b->size, expected.size());
    assert_true(b->capacity >= b->size && b->capacity < 2 * b->size);
    assert_memory_equal(b->data, expected.data(), expected.size());
    blob_unref(b);
}

static void blob_append__nothing__allocates_nothing(void **)
{
    struct blob *b = blob_new(0);

    blob_append(b, nullptr, 0);

    assert_null(b->data);
    assert_int_equal(b->capacity, 0);
    blob_unref(b);
}

static void blob_reserve__less_than_there_is__keeps_the_room(void **)
{
    struct blob *b = blob_of("text");

    blob_reserve(b, 100);
    blob_reserve(b, 10);

    assert_int_equal(b->capacity, 100);
    assert_int_equal(b->size, 4);
    assert_memory_equal(b->data, "text", 4);
    blob_unref(b);
}

static void budget__of_blobs__is_taken_and_given_back(void **)
{
    struct budget budget = {.limit = 100, .used = 0};
    struct blob *a = blob_new_within(&budget), *b = blob_new_within(&budget);

    assert_true(blob_has_room(a, 100));
    assert_false(blob_has_room(a, 101));
    blob_reserve(a, 60);
    assert_int_equal(budget_left(&budget), 40);
    assert_true(blob_has_room(a, 60));
    assert_false(blob_has_room(b, 41));
    assert_true(blob_has_room(b, 40));
    blob_append(b, "0123456789", 10);
    blob_unref(blob_ref(a));
    assert_int_equal(budget.used, 70);
    blob_unref(a);
    assert_int_equal(budget.used, 10);
    blob_unref(b);
    assert_int_equal(budget.used, 0);
}

static void blob_unref__last_reference__frees(void **)
{
    struct blob *b = blob_of("text");
    struct blob *second = blob_ref(b);

    assert_ptr_equal(second, b);
    assert_int_equal(b->refs, 2);
    blob_unref(second);
    assert_int_equal(b->refs, 1);
    blob_unref(b); // the leak check tells whether it is gone
    blob_unref(nullptr);
}

static void rope_add__of_much__takes_a_reference(void **)
{
    struct blob *b = blob_of(MUCH + "0123456789");
    struct rope r = {};

    rope_add(&r, b, 5, MUCH.size());
    rope_add(&r, b, 0, b->size);
    rope_add(&r, b, 10, 0); // no bytes, no piece

    assert_int_equal(b->refs, 3);
    assert_int_equal(r.pieces.size(), 2);
    assert_int_equal(r.size, 2 * MUCH.size() + 10);
    blob_unref(b); // the rope still has it
    assert_true(rope_text(&r) == MUCH.substr(5) + "01234" + MUCH + "0123456789");
    rope_clear(&r);
}

static void rope_add__of_few__copies_into_the_text_before(void **)
{
    struct budget budget = {.limit = SIZE_MAX, .used = 0};
    struct blob *b = blob_of("0123456789");
    struct rope r = {};
    r.budget = &budget;

    rope_add_text(&r, "a");
    rope_add(&r, b, 2, 3);
    rope_add(&r, b, 0, 10);

    assert_int_equal(b->refs, 1);
    assert_int_equal(r.pieces.size(), 1);
    assert_true(budget.used >= 14);
    assert_string_equal(rope_text(&r).c_str(), "a2340123456789");
    blob_unref(b);
    rope_clear(&r);
    assert_int_equal(budget.used, 0);
}

static void rope_add_text__neighbours__share_a_piece(void **)
{
    struct blob *b = blob_of(MUCH);
    struct rope r = {};

    rope_add_text(&r, "a");
    rope_add_text(&r, "");
    rope_add_text(&r, "bc");
    rope_add(&r, b, 0, b->size);
    rope_add_text(&r, "d");
    rope_add_text(&r, std::string(1000, 'e'));

    assert_int_equal(r.pieces.size(), 3);
    assert_int_equal(r.pieces[0].size, 3);
    assert_int_equal(r.pieces[2].size, 1001);
    assert_ptr_equal(r.pieces[2].owner, r.pieces[0].owner);
    assert_int_equal(r.size, 3 + MUCH.size() + 1001);
    assert_true(rope_text(&r) == "abc" + MUCH + "d" + std::string(1000, 'e'));
    rope_clear(&r);
    blob_unref(b);
}

static void rope_add_text__of_more_than_a_block__takes_another(void **)
{
    struct rope r = {};
    std::string expected;

    for (int i = 0; i < 300; i++) {
        const std::string text = std::to_string(i) + std::string(1000, 't');
        rope_add_text(&r, text);
        expected += text;
    }

    assert_int_equal(r.pieces.size(), 5);
    assert_int_equal(r.size, expected.size());
    assert_true(rope_text(&r) == expected);
    rope_clear(&r);
}

static void rope_clear__gives_references_up__and_can_be_used_again(void **)
{
    struct blob *b = blob_of(MUCH);
    struct rope r = {};
    rope_add_text(&r, "text");
    rope_add(&r, b, 0, b->size);

    rope_clear(&r);

    assert_int_equal(b->refs, 1);
    assert_int_equal(r.size, 0);
    assert_true(r.pieces.empty());
    rope_clear(&r);
    rope_add_text(&r, "again");
    assert_string_equal(rope_text(&r).c_str(), "again");
    rope_clear(&r);
    blob_unref(b);
}

static void rope_text__empty_rope__is_empty(void **)
{
    struct rope r = {};

    assert_string_equal(rope_text(&r).c_str(), "");
    rope_clear(&r);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blob_append__many_pieces__keeps_all_bytes),
        cmocka_unit_test(blob_append__nothing__allocates_nothing),
        cmocka_unit_test(blob_reserve__less_than_there_is__keeps_the_room),
        cmocka_unit_test(budget__of_blobs__is_taken_and_given_back),
        cmocka_unit_test(blob_unref__last_reference__frees),
        cmocka_unit_test(rope_add__of_much__takes_a_reference),
        cmocka_unit_test(rope_add__of_few__copies_into_the_text_before),
        cmocka_unit_test(rope_add_text__neighbours__share_a_piece),
        cmocka_unit_test(rope_add_text__of_more_than_a_block__takes_another),
        cmocka_unit_test(rope_clear__gives_references_up__and_can_be_used_again),
        cmocka_unit_test(rope_text__empty_rope__is_empty),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
