// Which node has which session.
#include "cmocka_cc.h"
#include "owners.h"

static int make(void **state)
{
    *state = owners_new();
    return 0;
}

static int drop(void **state)
{
    owners_free(static_cast<struct owners *>(*state));
    return 0;
}

static void assert_owner(struct owners *o, uint64_t session, const char *key)
{
    assert_string_equal(owners_find(o, session).c_str(), key);
}

static void session__nobody_has_shown__has_no_owner(void **state)
{
    struct owners *o = static_cast<struct owners *>(*state);

    owners_learn(o, 5, "a");

    assert_owner(o, 6, "");
    owners_forget(o, 6);
    assert_owner(o, 5, "a");
}

static void session__shown_again_by_the_same_node__stays_its(void **state)
{
    struct owners *o = static_cast<struct owners *>(*state);

    owners_learn(o, UINT64_MAX, "a");
    owners_learn(o, UINT64_MAX, "a");

    assert_owner(o, UINT64_MAX, "a");
}

static void session__shown_by_two_nodes__has_no_owner_until_forgotten(void **state)
{
    struct owners *o = static_cast<struct owners *>(*state);

    owners_learn(o, 5, "a");
    owners_learn(o, 5, "b");
    assert_owner(o, 5, "");
    owners_learn(o, 5, "b");
    assert_owner(o, 5, "");

    owners_forget(o, 5);
    owners_learn(o, 5, "b");
    assert_owner(o, 5, "b");
}

static void sessions__more_than_have_room__push_out_the_least_useful(void **state)
{
    struct owners *o = static_cast<struct owners *>(*state);
    for (uint64_t session = 0; session < OWNERS_MAX; session++)
        owners_learn(o, session, "a");
    assert_owner(o, 0, "a"); // of use: not the oldest any more

    owners_learn(o, OWNERS_MAX, "b");

    assert_owner(o, 0, "a");
    assert_owner(o, 1, "");
    assert_owner(o, 2, "a");
    assert_owner(o, OWNERS_MAX, "b");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(session__nobody_has_shown__has_no_owner),
        TEST(session__shown_again_by_the_same_node__stays_its),
        TEST(session__shown_by_two_nodes__has_no_owner_until_forgotten),
        TEST(sessions__more_than_have_room__push_out_the_least_useful),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
