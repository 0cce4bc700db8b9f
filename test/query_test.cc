// Query parameters: ours are taken out, others pass.
#include "query.h"

#include <cstring>

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
    assert_string_equal(q.nodes[0].c_str(), "b");
    assert_string_equal(q.nodes[1].c_str(), "a");
    assert_string_equal(q.nodes[2].c_str(), "w/1");
}

static void values__that_are_unknown__are_refused_by_name(void **)
{
    const struct {
        const char *query, *says[2];
    } cases[] = {
        {"timeout=0", {"timeout", "up to 1m"}},
        {"timeout=61s", {"timeout", "up to 1m"}},
        {"timeout=soon", {"\"soon\"", "such as"}},
        {"timeout", {"timeout", "duration"}},
        {"timeout=1s&timeout=2s", {"timeout", "twice"}},
        {"partial=allow", {"partial", "deny"}},
        {"partial", {"partial", "deny"}},
        {"view=node", {"view", "nodes"}},
        {"node=", {"node", "names"}},
        {"node=a,,b", {"node", "names"}},
        {"node=a%00", {"node", "names"}},
        {"node=%c3%a9", {"node", "names"}},
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

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others__in_a_query__are_forwarded_as_they_are),
        cmocka_unit_test(ours__in_a_query__are_read),
        cmocka_unit_test(values__that_are_unknown__are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
