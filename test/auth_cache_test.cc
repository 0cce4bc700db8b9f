// Verdicts that are remembered. The clock is a number.
#include "cmocka_cc.h"

#include "auth_cache.h"

static struct auth_verdict verdict_of(const char *name)
{
    struct auth_verdict v = {.good = true, .user = {}};
    v.user.name = name;
    return v;
}

static bool knows(struct auth_cache *c, const std::string &key, int64_t now_ms = 0)
{
    return auth_cache_find(c, key, now_ms) != nullptr;
}

static void key__of_parts__depends_on_where_they_end_and_on_the_process(void **)
{
    struct auth_cache *c = auth_cache_new(4), *other = auth_cache_new(4);

    const std::string key = auth_cache_key(c, {"token", "audience"});

    assert_int_equal(key.size(), 32);
    assert_true(key == auth_cache_key(c, {"token", "audience"}));
    assert_true(key != auth_cache_key(c, {"tokena", "udience"}));
    assert_true(key != auth_cache_key(c, {"tokenaudience"}));
    assert_true(key != auth_cache_key(c, {"token", "audience", ""}));
    assert_true(key != auth_cache_key(other, {"token", "audience"}));
    auth_cache_free(c);
    auth_cache_free(other);
}

static void find__until_its_time__is_known(void **)
{
    struct auth_cache *c = auth_cache_new(4);
    auth_cache_put(c, "a", verdict_of("ann"), 1000);

    const struct auth_verdict *found = auth_cache_find(c, "a", 999);

    assert_non_null(found);
    assert_true(found->good);
    assert_string_equal(found->user.name.c_str(), "ann");
    assert_false(knows(c, "b", 999));
    assert_false(knows(c, "a", 1000));
    assert_int_equal(auth_cache_size(c), 0);
    auth_cache_free(c);
}

static void put__again__replaces(void **)
{
    struct auth_cache *c = auth_cache_new(4);
    auth_cache_put(c, "a", verdict_of("ann"), 1000);
    auth_cache_put(c, "a", verdict_of("bob"), 2000);

    assert_int_equal(auth_cache_size(c), 1);
    assert_string_equal(auth_cache_find(c, "a", 1500)->user.name.c_str(), "bob");
    auth_cache_free(c);
}

static void put__beyond_the_most__drops_what_was_used_longest_ago(void **)
{
    struct auth_cache *c = auth_cache_new(3);
    for (const char *key : {"a", "b", "c"})
        auth_cache_put(c, key, verdict_of(key), 1000);
    assert_true(knows(c, "a"));

    auth_cache_put(c, "d", verdict_of("d"), 1000);
    auth_cache_put(c, "e", verdict_of("e"), 1000);

    assert_int_equal(auth_cache_size(c), 3);
    assert_true(knows(c, "a"));
    assert_false(knows(c, "b"));
    assert_false(knows(c, "c"));
    assert_true(knows(c, "d"));
    assert_true(knows(c, "e"));
    auth_cache_free(c);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key__of_parts__depends_on_where_they_end_and_on_the_process),
        cmocka_unit_test(find__until_its_time__is_known),
        cmocka_unit_test(put__again__replaces),
        cmocka_unit_test(put__beyond_the_most__drops_what_was_used_longest_ago),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
