// Replies of many nodes to one: the table of outcomes, the merge, the headers.
#include "aggregate.h"

#include <cstring>

#include "cmocka_cc.h"
#include "http_response.h"
#include "replies.h"

static const struct request_kind READ = {.mutation = false, .creates = false, .stops = false};
static const struct request_kind CREATE = {.mutation = true, .creates = true, .stops = false};

static struct node_reply ok(const char *name, const std::string &body)
{
    return reply_answer(name, &READ, 200, body);
}

static struct node_reply miss(const char *name)
{
    return reply_answer(name, &READ, 400, "\"No session with ID 5\"");
}

static struct node_reply failed(const char *name, enum reason reason = REASON_TIMEOUT)
{
    return reply_failure(name, &READ, reason, EFFECT_NONE, 1000);
}

struct outcome_of_reply {
    int status;
    std::string type, body, nodes, failed, more, collisions, retry_after;
};

// Makes it in the smallest steps and all at once: that must not make a difference.
static void make_reply(const std::vector<struct node_reply> &replies,
                       const struct aggregate_options *options, struct http_response *out)
{
    struct http_response slow;
    aggregate_in_steps_of(1, replies, options, &slow);
    aggregate_in_steps_of(SIZE_MAX, replies, options, out);
    assert_true(rope_text(&slow.body) == rope_text(&out->body));
    assert_int_equal(slow.headers.size(), out->headers.size());
    rope_clear(&slow.body);
}

// Takes the replies.
static struct outcome_of_reply outcome_of(std::vector<struct node_reply> replies,
                                          struct aggregate_options options = {})
{
    struct http_response out;
    make_reply(replies, &options, &out);
    replies_free(&replies); // the reply's body must live without them
    struct outcome_of_reply result = {
        .status = out.status,
        .type = out.content_type,
        .body = rope_text(&out.body),
        .nodes = header_of(&out, "Tracer-Nodes"),
        .failed = header_of(&out, "Tracer-Failed-Nodes"),
        .more = header_of(&out, "Tracer-Failed-Nodes-More"),
        .collisions = header_of(&out, "Tracer-Collisions"),
        .retry_after = header_of(&out, "Retry-After"),
    };
    rope_clear(&out.body);
    return result;
}

static void assert_has(const std::string &text, const char *part)
{
    if (!strstr(text.c_str(), part))
        fail_msg("%s has no %s", text.c_str(), part);
}

static void merge__of_different_keys__passes_every_byte(void **)
{
    const std::string odd = "{ \"n\" : 9007199254740993 ,\"f\":1.0,\"e\":1e400,\"z\":\"\\u0000\","
                            "\"d\":1,\"d\":2}";

    const auto r = outcome_of({ok("a", odd), ok("b", "\"{}\""), ok("c", "{\"y\":[ 1 ]}\n")});

    assert_int_equal(r.status, 200);
    assert_string_equal(
        r.body.c_str(),
        "{\"n\" : 9007199254740993 ,\"f\":1.0,\"e\":1e400,\"z\":\"\\u0000\",\"d\":1,"
        "\"d\":2,\"y\":[ 1 ]}");
    assert_string_equal(r.nodes.c_str(), "total=3, ok=3, miss=0, error=0, failed=0");
    assert_string_equal(r.failed.c_str(), "");
    assert_string_equal(r.collisions.c_str(), "");
}

static void merge__of_a_key_twice__keeps_both_values(void **)
{
    const struct {
        std::vector<const char *> bodies;
        const char *merged, *collisions;
    } cases[] = {
        {{"{\"k\":1}", "{\"k\":1}"}, "{\"k\":1}", ""},
        {{"{\"k\":1}", "{\"k\":2}"}, "{\"k\":1,\"k@b\":2}", "1"},
        {{"{\"k\":1}", "{\"k\":2}", "{\"k\":2}"}, "{\"k\":1,\"k@b\":2}", "1"},
        {{"{\"k\":1}", "{\"k\":2}", "{\"k\":3}"}, "{\"k\":1,\"k@b\":2,\"k@c\":3}", "2"},
        {{"{\"k\":1}", "{\"x\":0,\"k\":2,\"y\":0}"}, "{\"k\":1,\"x\":0,\"k@b\":2,\"y\":0}", "1"},
        {{"{\"k\":1}", "{\"k\":1,\"y\":0}"}, "{\"k\":1,\"y\":0}", ""},
        {{"{\"k\":1}", "{\"\\u006b\":2}"}, "{\"k\":1,\"\\u006b@b\":2}", "1"},
        {{"{\"k\":1,\"k@b\":9}", "{\"k\":2}"}, "{\"k\":1,\"k@b\":9,\"k@b@b\":2}", "1"},
        {{"{\"k\":1}", "{\"k\":2}", "{\"k@b\":3}"}, "{\"k\":1,\"k@b\":2,\"k@b@c\":3}", "2"},
        {{"{\"d\":1,\"d\":2}", "{\"e\":3}"}, "{\"d\":1,\"d\":2,\"e\":3}", ""},
        {{"{\"k\":1}", "{\"k\":2,\"k@b\":3}"}, "{\"k\":1,\"k@b\":2,\"k@b@b\":3}", "2"},
        {{"{\"k\":1}", "{\"k@b\":3,\"k\":2}"}, "{\"k\":1,\"k@b\":3,\"k@b@b\":2}", "1"},
        {{"{\"k\":1}", "{\"k\":2,\"k\":3,\"x\":0,\"k\":4}"},
         "{\"k\":1,\"k@b\":2,\"k@b\":3,\"x\":0,\"k@b\":4}",
         "3"},
        {{"{\"\\ud800\":1}", "{\"\\ud801\":1}"}, "{\"\\ud800\":1,\"\\ud801\":1}", ""},
        {{"{\"\\ud800\":1}", "{\"\\ufffd\":1}"}, "{\"\\ud800\":1,\"\\ufffd\":1}", ""},
        {{"{}", "{}"}, "{}", ""},
        {{"\"{}\"", "\"{}\""}, "{}", ""},
    };
    const char *names[] = {"a", "b", "c"};

    for (const auto &t : cases) {
        std::vector<struct node_reply> replies;
        for (size_t i = 0; i < t.bodies.size(); i++)
            replies.push_back(ok(names[i], t.bodies[i]));
        const auto r = outcome_of(replies);
        assert_string_equal(r.body.c_str(), t.merged);
        assert_string_equal(r.collisions.c_str(), t.collisions);
    }
}

static void merge__of_many_duplicates__is_linear(void **)
{
    std::string many = "{\"a\":1";
    for (int i = 2; i < 200000; i++)
        many += ",\"a\":" + std::to_string(i);

    const auto r = outcome_of({ok("n1", "{\"a\":0}"), ok("n2", many + "}")});

    assert_string_equal(r.collisions.c_str(), "199999");
    assert_true(r.body.size() < many.size() + 200000 * 4);
}

static void some__failed__are_named_beside_the_data(void **)
{
    const auto r =
        outcome_of({ok("w1", "{\"a\":1}"), reply_answer("w2", &READ, 500, "\"sick\"{\"b\":2}"),
                    failed("w3"), reply_answer("w\"4", &READ, 503, "no")});

    assert_int_equal(r.status, 200);
    assert_string_equal(r.body.c_str(), "{\"a\":1,\"b\":2}");
    assert_string_equal(r.nodes.c_str(), "total=4, ok=1, miss=0, error=2, failed=1");
    assert_string_equal(r.failed.c_str(),
                        "\"w2\";reason=node-error;status=500;data, \"w3\";reason=timeout;ms=1000, "
                        "\"w\\\"4\";reason=node-error;status=503");
}

static void failed__more_than_ten__are_counted(void **)
{
    std::vector<struct node_reply> replies = {ok("a", "{}")};
    for (int i = 0; i < 27; i++)
        replies.push_back(failed("x"));

    const auto r = outcome_of(replies);

    assert_string_equal(r.more.c_str(), "17");
    assert_string_equal(r.nodes.c_str(), "total=28, ok=1, miss=0, error=0, failed=27");
}

static void partial__denied__is_a_problem_with_every_node(void **)
{
    const auto r = outcome_of({ok("a", "{\"s\":1}"), failed("b")},
                              {.kind = CREATE, .partial_deny = true, .view_nodes = false});

    assert_int_equal(r.status, 503);
    assert_string_equal(r.type.c_str(), "application/problem+json");
    assert_has(r.body, "\"name\":\"a\",\"outcome\":\"ok\",\"status\":200,\"ms\":12,"
                       "\"body\":{\"s\":1}");
    assert_has(r.body, "\"name\":\"b\",\"outcome\":\"failed\",\"reason\":\"timeout\"");
    assert_null(strstr(outcome_of({ok("a", "{\"s\":1}"), failed("b")},
                                  {.kind = READ, .partial_deny = true, .view_nodes = false})
                           .body.c_str(),
                       "\"body\""));
    assert_int_equal(outcome_of({ok("a", "{}"), miss("b")},
                                {.kind = READ, .partial_deny = true, .view_nodes = false})
                         .status,
                     200);
}

static void none_ok__status__follows_the_table(void **)
{
    const struct {
        std::vector<struct node_reply> replies;
        int status;
        const char *detail;
    } cases[] = {
        {{miss("a"), miss("b")}, 400, "\"detail\":\"No session with ID 5\""},
        {{reply_answer("a", &CREATE, 404, "{}")}, 404, "no tracer-node has a container"},
        {{miss("a"), reply_answer("b", &READ, 404, "\"running already\"\"{}\"")},
         404,
         "running already"},
        {{reply_answer("a", &READ, 404, "\"x\""), reply_answer("b", &READ, 502, "\"worse\"")},
         502,
         "worse"},
        {{failed("a"), reply_answer("b", &READ, 404, "\"refused\"")}, 404, "refused"},
        {{miss("a"), failed("b")}, 503, "can not be known"},
        {{failed("a"), failed("b", REASON_CONNECT)}, 503, "2 of 2"},
        {{failed("a", REASON_UNKNOWN_NODE)}, 503, "1 of 1"},
        {{}, 503, "no tracer-node is known"},
    };

    for (const auto &t : cases) {
        const auto r = outcome_of(t.replies);
        assert_int_equal(r.status, t.status);
        assert_string_equal(r.type.c_str(), "application/problem+json");
        assert_has(r.body, t.detail);
        assert_int_equal(r.retry_after.empty(), t.status != 503);
    }
}

static void errors__all_with_data__are_merged(void **)
{
    const auto r = outcome_of({reply_answer("a", &READ, 500, "\"sick\"{\"a\":1}"),
                               reply_answer("b", &READ, 500, "\"sick\"{\"b\":2}")});

    assert_int_equal(r.status, 200);
    assert_string_equal(r.body.c_str(), "{\"a\":1,\"b\":2}");
    assert_string_equal(r.nodes.c_str(), "total=2, ok=0, miss=0, error=2, failed=0");
}

static void mutation__failed__says_whether_it_was_sent(void **)
{
    const auto r = outcome_of({reply_answer("a", &CREATE, 200, "{\"1\":{}}"),
                               reply_failure("b", &CREATE, REASON_CONNECT, EFFECT_NOT_SENT, 2),
                               reply_failure("c", &CREATE, REASON_RESET, EFFECT_UNKNOWN, 3)},
                              {.kind = CREATE, .partial_deny = false, .view_nodes = false});

    assert_string_equal(r.failed.c_str(), "\"b\";reason=connect;ms=2;effect=not-sent, "
                                          "\"c\";reason=reset;ms=3;effect=unknown");
}

// A session is on one node: where that one has answered, the others have missed it, unasked.
static void others__that_can_not_have_it__count_as_miss(void **)
{
    struct aggregate_options options = {.kind = READ, .partial_deny = true, .view_nodes = false};
    options.others = 999;

    const auto r = outcome_of({ok("a", "{\"1\":{}}")}, options);

    assert_int_equal(r.status, 200);
    assert_string_equal(r.body.c_str(), "{\"1\":{}}");
    assert_string_equal(r.nodes.c_str(), "total=1000, ok=1, miss=999, error=0, failed=0");
}

static void view__of_nodes__has_one_entry_each(void **)
{
    const struct aggregate_options view = {.kind = READ, .partial_deny = false, .view_nodes = true};

    const auto r = outcome_of(
        {ok("a", "{ \"x\":1.0 }"), ok("b", "\"{}\""), miss("c"), failed("d", REASON_UNKNOWN_NODE)},
        view);

    assert_int_equal(r.status, 200);
    assert_string_equal(
        r.body.c_str(),
        "{\"a\":{\"outcome\":\"ok\",\"status\":200,\"ms\":12,\"body\":{ \"x\":1.0 }},"
        "\"b\":{\"outcome\":\"ok\",\"status\":200,\"ms\":12,\"body\":{}},"
        "\"c\":{\"outcome\":\"miss\",\"status\":400,\"ms\":12,\"detail\":\"No session with ID 5\"},"
        "\"d\":{\"outcome\":\"failed\",\"reason\":\"unknown-node\",\"ms\":1000}}");
    assert_int_equal(outcome_of({failed("a")}, view).status, 503);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merge__of_different_keys__passes_every_byte),
        cmocka_unit_test(merge__of_a_key_twice__keeps_both_values),
        cmocka_unit_test(merge__of_many_duplicates__is_linear),
        cmocka_unit_test(some__failed__are_named_beside_the_data),
        cmocka_unit_test(failed__more_than_ten__are_counted),
        cmocka_unit_test(partial__denied__is_a_problem_with_every_node),
        cmocka_unit_test(none_ok__status__follows_the_table),
        cmocka_unit_test(errors__all_with_data__are_merged),
        cmocka_unit_test(mutation__failed__says_whether_it_was_sent),
        cmocka_unit_test(others__that_can_not_have_it__count_as_miss),
        cmocka_unit_test(view__of_nodes__has_one_entry_each),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
