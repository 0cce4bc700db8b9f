// Lists and events applied to a store.
#include "cmocka_cc.h"

#include "kube_store.h"

static struct kube_item item(const char *name, const char *ip)
{
    struct kube_item i;
    i.key = std::string("ns/") + name;
    i.pod.name = name;
    i.pod.ip = ip;
    return i;
}

static bool apply(struct kube_store *store, enum kube_event_type type, const char *version,
                  const struct kube_item &what = {})
{
    struct kube_event event;
    event.type = type;
    event.version = version;
    event.item = what;
    return kube_store_apply(store, &event);
}

static void replace__list__is_the_whole_store(void **)
{
    struct kube_store store;
    std::vector<struct kube_item> none, two = {item("a", "1"), item("b", "2")}, same = two;

    assert_true(kube_store_replace(&store, &none, "1")); // known to be empty now
    assert_true(kube_store_replace(&store, &two, "2"));
    assert_true(two.empty());
    assert_false(kube_store_replace(&store, &same, "3"));
    assert_int_equal(store.items.size(), 2);
    assert_string_equal(store.version.c_str(), "3");
    std::vector<struct kube_item> one = {item("b", "3")};
    assert_true(kube_store_replace(&store, &one, "4"));
    assert_int_equal(store.items.size(), 1);
    assert_string_equal(store.items["ns/b"].pod.ip.c_str(), "3");
}

static void apply__events__change_one_item_and_the_version(void **)
{
    struct kube_store store;

    assert_true(apply(&store, KUBE_ADDED, "5", item("a", "1")));
    assert_false(apply(&store, KUBE_ADDED, "6", item("a", "1")));
    assert_true(apply(&store, KUBE_MODIFIED, "7", item("a", "2")));
    assert_true(apply(&store, KUBE_MODIFIED, "8", item("b", "2"))); // its ADDED was missed
    assert_string_equal(store.items["ns/a"].pod.ip.c_str(), "2");
    assert_false(apply(&store, KUBE_BOOKMARK, "9"));
    assert_string_equal(store.version.c_str(), "9");
    assert_false(apply(&store, KUBE_UNKNOWN, "99"));
    assert_string_equal(store.version.c_str(), "9");
    assert_true(apply(&store, KUBE_DELETED, "10", item("a", "")));
    assert_false(apply(&store, KUBE_DELETED, "11", item("a", "")));
    assert_string_equal(store.version.c_str(), "11");
    assert_int_equal(store.items.size(), 1);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replace__list__is_the_whole_store),
        cmocka_unit_test(apply__events__change_one_item_and_the_version),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
