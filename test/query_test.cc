// Query parameters: ours are taken out, others pass.
#include "query.h"

#include <cstring>
#include <ctime>
#include <string>

#include "cmocka_cc.h"

static void others__in_a_query__are_forwarded_as_they_are(void **)
{
    const struct {
        const char *target, *forward;
    } cases[] = {
        {"/v1/pods", "/v1/pods"},
        {"/v1/pods?", "/v1/pods?"},
        {"/v1/pods?a=1&", "/v1/pods?a=1&"},
        {"/v1/pods?&&a", "/v1/pods?&&a"},
        {"/v1/pods?timeout=5s&&a", "/v1/pods?&a"},
        {"/v1/pods?x=1", "/v1/pods?x=1"},
        {"/v1/pods?x=%41&y&z=&x=2", "/v1/pods?x=%41&y&z=&x=2"},
        {"/v1/pods?timeout=5s", "/v1/pods"},
        {"/v1/pods?x=1&timeout=5s&y=2", "/v1/pods?x=1&y=2"},
        {"/v1/pods?%74imeout=5s&x", "/v1/pods?x"},
        {"/v1/pods?Timeout=never", "/v1/pods?Timeout=never"},
        {"/v1/trace-session/%35?view=nodes&node=a", "/v1/trace-session/%35"},
    };

    for (const auto &t : cases) {
        struct query q;
        std::string error;
        assert_true(query_parse(t.target, 60000, &q, &error));
        assert_string_equal(q.forward.c_str(), t.forward);
    }
}

static void ours__in_a_query__are_read(void **)
{
    struct query q;
    std::string error;

    assert_true(query_parse("/v1/pods?timeout=250ms&partial=deny&view=nodes&node=b,a,b,w%2f1",
                            60000, &q, &error));

    assert_string_equal(q.path.c_str(), "/v1/pods");
    assert_int_equal(q.timeout_ms, 250);
    assert_true(q.partial_deny);
    assert_true(q.view_nodes);
    assert_true(q.names_nodes);
    assert_int_equal(q.nodes.size(), 3);
    assert_string_equal(q.nodes[0].c_str(), "a");
    assert_string_equal(q.nodes[1].c_str(), "b");
    assert_string_equal(q.nodes[2].c_str(), "w/1");
}

static void values__that_are_unknown__are_refused_by_name(void **)
{
    const struct {
        const char *query, *says[3];
    } cases[] = {
        {"timeout=0", {"timeout: ", "\"0\"", "up to 1m"}},
        {"timeout=61s", {"timeout: ", "\"61s\"", "up to 1m"}},
        {"timeout=soon", {"timeout: ", "\"soon\"", "such as 5 (seconds), 250ms or 5s"}},
        {"timeout", {"timeout: ", "\"\"", "a duration"}},
        {"timeout=1s&timeout=2s", {"timeout: ", "twice", "once"}},
        {"partial=allow", {"partial: ", "\"allow\"", "it takes deny"}},
        {"partial", {"partial: ", "\"\"", "it takes deny"}},
        {"view=node", {"view: ", "\"node\"", "it takes nodes"}},
        {"node=", {"node: ", "\"\"", "names of nodes"}},
        {"node=a,,b", {"node: ", "\"a,,b\"", "separated by commas"}},
        {"node=a%00", {"node: ", "\"a%00\"", "names of nodes"}},
        {"node=%c3%a9", {"node: ", "\"%c3%a9\"", "names of nodes"}},
        {"n%6fde=", {"node: ", "\"\"", "names of nodes"}},
    };

    for (const auto &t : cases) {
        struct query q;
        std::string error;
        assert_false(query_parse(std::string("/v1/pods?") + t.query, 60000, &q, &error));
        for (const char *part : t.says)
            if (!strstr(error.c_str(), part))
                fail_msg("%s: \"%s\" does not say %s", t.query, error.c_str(), part);
    }
}

static void escapes__are_decoded__where_they_are_escapes(void **)
{
    const struct {
        const char *written, *decoded;
    } cases[] = {{"", ""},         {"5", "5"},       {"%35", "5"},  {"%61l%6C", "all"},
                 {"5%2f6", "5/6"}, {"%2535", "%35"}, {"5%", "5%"},  {"%3", "%3"},
                 {"%zz", "%zz"},   {"+5", "+5"},     {"%%35", "%5"}};

    for (const auto &t : cases)
        assert_string_equal(query_decode(t.written).c_str(), t.decoded);
    assert_int_equal(query_decode("%00").size(), 1);
    assert_string_equal(query_last_segment("/v1/trace-session/%35?x=/6").c_str(), "5");
    assert_string_equal(query_last_segment("/v1/trace-session/all").c_str(), "all");
    assert_string_equal(query_last_segment("/v1/").c_str(), "");
}

// Naively each name would be compared with all the others, which takes minutes here.
static void names__by_the_hundred_thousand__do_not_take_long(void **)
{
    std::string target = "/v1/pods?node=0";
    for (int i = 1; i < 200000; i++)
        target += ',' + std::to_string(i);
    struct query q;
    std::string error;
    const clock_t begin = clock();

    assert_true(query_parse(target, 60000, &q, &error));

    assert_int_equal(q.nodes.size(), 200000);
    assert_true(clock() - begin < 10 * CLOCKS_PER_SEC);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others__in_a_query__are_forwarded_as_they_are),
        cmocka_unit_test(ours__in_a_query__are_read),
        cmocka_unit_test(names__by_the_hundred_thousand__do_not_take_long),
        cmocka_unit_test(values__that_are_unknown__are_refused_by_name),
        cmocka_unit_test(escapes__are_decoded__where_they_are_escapes),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
