// The database of tracer-nodes.
#include "nodes.h"

#include <algorithm>
#include <ctime>

#include "cmocka_cc.h"

static struct node_record record(const char *key, const char *node, const char *pod,
                                 const char *ns = "a", const char *host = "10.0.0.1")
{
    struct node_record r;
    r.key = key;
    r.node = node;
    r.pod = pod;
    r.ns = ns;
    r.host = host;
    r.port = 8080;
    r.ready = r.serving = true;
    return r;
}

static bool replace(struct nodes *db, std::vector<struct node_record> records, int64_t now_ms = 1)
{
    return nodes_replace(db, &records, now_ms);
}

static void note(struct nodes *db, const char *key, enum outcome o, enum reason r, int status,
                 int64_t ms, int64_t now_ms, const std::string &detail)
{
    const struct node_place place = {.key = key, .at = 0};
    nodes_note(db, &place, o, r, status, ms, now_ms, detail);
}

static void names__of_nodes__are_as_short_as_they_can_be(void **)
{
    struct nodes *db = nodes_new();

    replace(db, {record("1", "w1", "p"), record("2", "w2", "p", "a"), record("3", "w2", "q", "a"),
                 record("4", "w3", "p", "a"), record("5", "w3", "p", "b")});

    const char *names[] = {"w1", "w2/p", "w2/q", "w3/a/p", "w3/b/p"};
    assert_int_equal(nodes_all(db).size(), 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(nodes_all(db)[i].face->name.c_str(), names[i]);
    assert_non_null(nodes_find(db, "w3/b/p"));
    assert_null(nodes_find(db, "w3"));
    nodes_free(db);
}

static void replace__prepared_in_steps__is_as_in_one(void **)
{
    struct nodes *db = nodes_new(), *at_once = nodes_new();
    std::vector<struct node_record> records = {record("1", "w1", "p"), record("2", "w2", "p"),
                                               record("1", "w9", "p"), // key of an earlier one
                                               record("3", "w2", "q"), record("4", "w0", "p")};
    replace(at_once, records, 7);
    size_t steps = 1;

    while (!nodes_prepare(db, &records, 2))
        steps++;
    assert_int_equal(nodes_all(db).size(), 0); // nothing is to be seen yet
    assert_true(nodes_replace(db, &records, 7));

    assert_int_equal(steps, 3);
    assert_int_equal(nodes_all(db).size(), 4);
    for (size_t i = 0; i < 4; i++) {
        const struct node *a = &nodes_all(db)[i], *b = &nodes_all(at_once)[i];
        assert_true(a->record == b->record && a->face->name == b->face->name &&
                    a->face->base == b->face->base);
        assert_int_equal(a->first_seen_ms, 7);
        assert_ptr_equal(nodes_find_key(db, a->record.key), a);
    }
    std::vector<struct node_record> more = {record("5", "w5", "p")};
    assert_true(nodes_prepare(db, &more, 1)); // not for a table that has nodes
    assert_true(nodes_replace(db, &more, 8));
    assert_string_equal(nodes_all(db)[0].face->name.c_str(), "w5");
    nodes_free(db);
    nodes_free(at_once);
}

static void replace__with_the_same__says_that_nothing_changed(void **)
{
    struct nodes *db = nodes_new();

    assert_true(replace(db, {record("1", "w1", "p"), record("2", "w2", "q")}, 5));
    assert_false(replace(db, {record("2", "w2", "q"), record("1", "w1", "p")}, 9));
    assert_int_equal(nodes_find(db, "w1")->first_seen_ms, 5);
    assert_int_equal(nodes_find(db, "w1")->last_seen_ms, 9);

    struct node_record other = record("1", "w1", "p");
    other.ready = false;
    assert_true(replace(db, {other, record("2", "w2", "q")}));
    assert_true(replace(db, {other}));
    nodes_free(db);
}

static void version__of_the_table__changes_with_it(void **)
{
    struct nodes *db = nodes_new();
    const uint64_t first = nodes_version(db);
    assert_true(first > 0);

    assert_true(replace(db, {record("1", "w1", "p")}));
    const uint64_t second = nodes_version(db);
    assert_true(second != first);
    assert_false(replace(db, {record("1", "w1", "p")}));
    assert_true(nodes_version(db) == second);
    struct node_record other = record("1", "w1", "p");
    other.ready = false;
    assert_true(replace(db, {other}));
    assert_true(nodes_version(db) != second);
    nodes_free(db);
}

static void slots__over_replacements__stay_and_stay_unique(void **)
{
    struct nodes *db = nodes_new();
    replace(db, {record("1", "w1", "p"), record("2", "w2", "p"), record("3", "w3", "p")});
    const uint32_t kept = nodes_find(db, "w3")->slot;

    replace(db, {record("4", "w0", "p"), record("3", "w3", "p"), record("5", "w4", "p")});

    assert_int_equal(nodes_find(db, "w3")->slot, kept);
    bool taken[3] = {};
    for (const struct node &n : nodes_all(db)) {
        assert_true(n.slot < 3);
        assert_false(taken[n.slot]);
        taken[n.slot] = true;
    }
    nodes_free(db);
}

static void outcome__noted__stays_with_the_key(void **)
{
    struct nodes *db = nodes_new();
    replace(db, {record("1", "w1", "p")});
    note(db, "1", OUTCOME_FAILED, REASON_TIMEOUT, 0, 1000, 77, "");
    note(db, "gone", OUTCOME_OK, REASON_NONE, 200, 1, 77, "");

    replace(db, {record("1", "renamed", "p")});

    const struct node *n = nodes_find(db, "renamed");
    assert_true(n->asked);
    assert_int_equal(n->reason, REASON_TIMEOUT);
    assert_int_equal(n->outcome_at_ms, 77);
    nodes_free(db);
}

static void outcome__of_a_node_that_moved__is_noted_there(void **)
{
    struct nodes *db = nodes_new();
    replace(db, {record("1", "w1", "p"), record("2", "w2", "p")});
    const std::shared_ptr<const struct node_face> face = nodes_all(db)[1].face;
    const struct node_place place = {.key = face->key, .at = 1};
    nodes_note(db, &place, OUTCOME_OK, REASON_NONE, 200, 1, 77, "");

    replace(db, {record("0", "w0", "p"), record("1", "w1", "p"), record("2", "w2", "p")});
    nodes_note(db, &place, OUTCOME_OK, REASON_NONE, 200, 1, 78, "");
    replace(db, {record("2", "w2", "p", "a", "10.0.0.9")}); // with another face
    nodes_note(db, &place, OUTCOME_OK, REASON_NONE, 200, 1, 79, "");
    assert_int_equal(nodes_find(db, "w2")->outcome_at_ms, 79);

    replace(db, {record("0", "w0", "p"), record("1", "w1", "p")});
    nodes_note(db, &place, OUTCOME_OK, REASON_NONE, 200, 1, 80, "");
    assert_false(nodes_find(db, "w0")->asked);
    assert_false(nodes_find(db, "w1")->asked);
    nodes_free(db);
}

static void failures__in_a_row__have_a_beginning(void **)
{
    struct nodes *db = nodes_new();
    replace(db, {record("1", "w1", "p")});
    const struct node *n = nodes_find(db, "w1");

    note(db, "1", OUTCOME_ERROR, REASON_NODE_ERROR, 404, 1, 10, "no such hook");
    assert_int_equal(n->failing_since_ms, 0);
    assert_int_equal(n->last_failure.at_ms, 0);
    note(db, "1", OUTCOME_FAILED, REASON_CONNECT, 0, 1, 20, "refused");
    note(db, "1", OUTCOME_ERROR, REASON_NODE_ERROR, 500, 2, 30, std::string(300, 'x'));
    assert_int_equal(n->failing_since_ms, 20);
    assert_int_equal(n->last_failure.at_ms, 30);
    assert_int_equal(n->last_failure.status, 500);
    assert_int_equal(n->last_failure.detail.size(), MOST_NODE_DETAIL);
    note(db, "1", OUTCOME_MISS, REASON_NONE, 400, 1, 40, "no session");
    assert_int_equal(n->failing_since_ms, 0);
    assert_int_equal(n->last_failure.at_ms, 30);
    nodes_free(db);
}

static void records__with_a_key_twice__count_once(void **)
{
    struct nodes *db = nodes_new();

    replace(db, {record("1", "w1", "p"), record("1", "w2", "p")});

    assert_int_equal(nodes_all(db).size(), 1);
    assert_string_equal(nodes_all(db)[0].face->name.c_str(), "w1");
    nodes_free(db);
}

static void base__of_an_address__is_a_url(void **)
{
    struct nodes *db = nodes_new();
    struct node_record six = record("1", "w1", "p", "a", "fd00::2"), tls = record("2", "w2", "p");
    tls.https = true;
    struct node_record named = tls;
    named.key = "3";
    named.node = "w3";
    named.server_name = "node.example";

    replace(db, {six, tls, named});

    assert_string_equal(nodes_find(db, "w1")->face->base.c_str(), "http://[fd00::2]:8080");
    assert_string_equal(nodes_find(db, "w2")->face->base.c_str(), "https://10.0.0.1:8080");
    assert_string_equal(nodes_find(db, "w2")->face->connect_to.c_str(), "");
    assert_string_equal(nodes_find(db, "w3")->face->base.c_str(), "https://node.example:8080");
    assert_string_equal(nodes_find(db, "w3")->face->connect_to.c_str(), "::10.0.0.1:8080");
    nodes_free(db);
}

static int64_t cpu_us()
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return int64_t{t.tv_sec} * 1000000 + t.tv_nsec / 1000;
}

// Thousands of nodes, as discovery finds them: by pod, which is not the order of the names. Without one.
static std::vector<struct node_record> thousands(int without)
{
    std::vector<struct node_record> records;
    for (int i = 0; i < 5000; i++) {
        const std::string number = std::to_string(i);
        const std::string key = number + "-7c3e-4a52-9f40-1d2b8e6a55c0";
        if (i != without)
            records.push_back(record(key.c_str(), ("worker-" + number).c_str(), "p"));
    }
    return records;
}

// The least CPU time of some tries to replace these by those.
static int64_t replacing_us(int from, int to)
{
    int64_t least_us = INT64_MAX;
    for (int i = 0; i < 10; i++) {
        struct nodes *db = nodes_new();
        replace(db, thousands(from));
        std::vector<struct node_record> records = thousands(to);
        const int64_t begin_us = cpu_us();
        nodes_replace(db, &records, 2);
        least_us = std::min(least_us, cpu_us() - begin_us);
        assert_int_equal(nodes_all(db).size(), to < 0 ? 5000 : 4999);
        nodes_free(db);
    }
    return least_us;
}

static void change__of_one_in_thousands__costs_little_more_than_none(void **)
{
    const int64_t none_us = replacing_us(-1, -1);
    const int64_t gone_us = replacing_us(-1, 77), come_us = replacing_us(77, -1);
    if (gone_us > 6 * none_us || come_us > 6 * none_us)
        fail_msg("no change %lld us, one gone %lld us, one come %lld us",
                 static_cast<long long>(none_us), static_cast<long long>(gone_us),
                 static_cast<long long>(come_us));
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names__of_nodes__are_as_short_as_they_can_be),
        cmocka_unit_test(replace__prepared_in_steps__is_as_in_one),
        cmocka_unit_test(replace__with_the_same__says_that_nothing_changed),
        cmocka_unit_test(version__of_the_table__changes_with_it),
        cmocka_unit_test(slots__over_replacements__stay_and_stay_unique),
        cmocka_unit_test(outcome__noted__stays_with_the_key),
        cmocka_unit_test(outcome__of_a_node_that_moved__is_noted_there),
        cmocka_unit_test(failures__in_a_row__have_a_beginning),
        cmocka_unit_test(records__with_a_key_twice__count_once),
        cmocka_unit_test(base__of_an_address__is_a_url),
        cmocka_unit_test(change__of_one_in_thousands__costs_little_more_than_none),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
