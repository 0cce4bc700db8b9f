// What one tracer-node's answer means; bodies and statuses as real nodes send them.
#include "node_reply.h"

#include "budget.h"

#include "cmocka_cc.h"
#include "replies.h"

static const struct request_kind READ = {.mutation = false, .creates = false, .stops = false};
static const struct request_kind CREATE = {.mutation = true, .creates = true, .stops = false};
static const struct request_kind RUN = {.mutation = true, .creates = false, .stops = false};
static const struct request_kind STOP = {.mutation = true, .creates = false, .stops = true};

struct expected {
    const struct request_kind *kind;
    int status;
    const char *body;
    enum outcome outcome;
    enum reason reason;
    bool has_data;
    const char *detail;
};

static void check(const struct expected &e)
{
    struct node_reply r = reply_answer("worker-1", e.kind, e.status, e.body);
    if (r.outcome != e.outcome || r.reason != e.reason || r.has_data != e.has_data)
        fail_msg("%d %s: %s %s data=%d", e.status, e.body, outcome_name(r.outcome),
                 reason_name(r.reason), r.has_data);
    if (e.detail)
        assert_string_equal(r.detail.c_str(), e.detail);
    assert_true(r.done);
    node_reply_fini(&r);
}

static void success__with_an_object_or_its_string__is_ok(void **)
{
    check({&READ, 200, "{\"a\":1}", OUTCOME_OK, REASON_NONE, true, ""});
    check({&READ, 200, "{}", OUTCOME_OK, REASON_NONE, true, ""});
    check({&READ, 200, " {\"a\":1}\n", OUTCOME_OK, REASON_NONE, true, ""});
    check({&READ, 200, "\"{}\"", OUTCOME_OK, REASON_NONE, false, ""});
    check({&RUN, 200, "\"{}\"", OUTCOME_OK, REASON_NONE, false, ""});
}

static void success__with_anything_else__is_bad_json(void **)
{
    for (const char *body :
         {"", "[1,2]", "null", "\"text\"", "{\"a\":1}{\"b\":2}", "{\"a\":1", "{\"a\":1}\"x\"",
          "{\"a\":01}", "{\"a\":\"\xff\"}", "hello", "\"a\"{\"b\":1}", "\"{}\"\"{}\""})
        check({&READ, 200, body, OUTCOME_FAILED, REASON_BAD_JSON, false, nullptr});
}

static void refusal__of_a_node_that_does_not_have_it__is_a_miss(void **)
{
    check({&READ, 400, "\"No session with ID 5\"", OUTCOME_MISS, REASON_NONE, false,
           "No session with ID 5"});
    check({&RUN, 404, "\"No session with ID 5\"\"{}\"", OUTCOME_MISS, REASON_NONE, false,
           "No session with ID 5"});
    check({&STOP, 404, "\"No session with ID 5\"\"{}\"", OUTCOME_MISS, REASON_NONE, false,
           "No session with ID 5"});
    check({&CREATE, 404, "{}", OUTCOME_MISS, REASON_NONE, false, ""});
}

static void refusal__of_an_owner__is_an_error(void **)
{
    check({&RUN, 404, "\"Tracing session is running already.\"\"{}\"", OUTCOME_ERROR,
           REASON_NODE_ERROR, false, "Tracing session is running already."});
    check({&RUN, 404, "\"signal: interrupt\"\"{}\"", OUTCOME_ERROR, REASON_NODE_ERROR, false,
           "signal: interrupt"});
    check({&READ, 400, "\"strconv.ParseUint: parsing \\\"abc\\\": invalid syntax\"", OUTCOME_ERROR,
           REASON_NODE_ERROR, false, "strconv.ParseUint: parsing \"abc\": invalid syntax"});
    check({&CREATE, 400, "\"unexpected EOF\"", OUTCOME_ERROR, REASON_NODE_ERROR, false,
           "unexpected EOF"});
    check({&READ, 404, "404 page not found", OUTCOME_ERROR, REASON_NODE_ERROR, false,
           "404 page not found"});
    check({&READ, 404, "{}", OUTCOME_ERROR, REASON_NODE_ERROR, false, ""});
    check({&READ, 503, "<html>\r\n", OUTCOME_ERROR, REASON_NODE_ERROR, false, "<html>"});
}

static void stop__of_a_session_whose_hook_ended__is_ok(void **)
{
    check({&STOP, 404, "\"signal: interrupt\"\"{}\"", OUTCOME_OK, REASON_NONE, false, nullptr});
    check({&STOP, 404, "\"exit status 3\"\"{}\"", OUTCOME_OK, REASON_NONE, false, nullptr});
    check({&STOP, 500, "\"exit status 3\"", OUTCOME_ERROR, REASON_NODE_ERROR, false, nullptr});
}

static void server_error__followed_by_an_object__keeps_its_data(void **)
{
    check({&READ, 500, "\"invalid argument\"{\"db-2\":{}}", OUTCOME_ERROR, REASON_NODE_ERROR, true,
           "invalid argument"});
    check({&READ, 500, "\"invalid argument\"", OUTCOME_ERROR, REASON_NODE_ERROR, false,
           "invalid argument"});
    check({&READ, 404, "\"what\"{\"a\":1}", OUTCOME_ERROR, REASON_NODE_ERROR, false, "what"});
}

static void status__that_no_node_sends__is_no_answer(void **)
{
    check({&READ, 301, "", OUTCOME_FAILED, REASON_BAD_JSON, false, nullptr});
    check({&READ, 600, "\"x\"", OUTCOME_FAILED, REASON_BAD_JSON, false, nullptr});
    check({&READ, 204, "", OUTCOME_FAILED, REASON_BAD_JSON, false, nullptr});
}

static void mutation__that_failed__tells_its_effect(void **)
{
    struct node_reply broken = reply_answer("w", &CREATE, 200, "{");
    struct node_reply refused = reply_failure("w", &CREATE, REASON_CONNECT, EFFECT_NOT_SENT, 1);
    struct node_reply read = reply_failure("w", &READ, REASON_CONNECT, EFFECT_NOT_SENT, 1);

    assert_int_equal(broken.effect, EFFECT_UNKNOWN);
    assert_int_equal(refused.effect, EFFECT_NOT_SENT);
    assert_int_equal(read.effect, EFFECT_NONE);
    node_reply_fini(&broken);
}

static void detail__that_is_long__is_cut_at_a_character(void **)
{
    std::string text;
    for (int i = 0; i < 2000; i++)
        text += "\xc3\xa9";

    struct node_reply r = reply_answer("w", &READ, 500, "\"" + text + "\"");

    assert_true(r.detail.size() <= 1024);
    assert_int_equal(r.detail.size() % 2, 1); // whole characters and three dots
    node_reply_fini(&r);
}

static void members__more_than_the_budget__are_too_large(void **)
{
    struct budget budget = {.limit = 4096, .used = 0};
    struct node_reply r = {};
    r.budget = &budget;

    assert_true(node_reply_feed(&r, "{\"a\":1", 6));
    for (int i = 0; i < 20; i++)
        assert_true(node_reply_feed(&r, ",\"a\":1", 6));
    const std::string many = ",\"a\":1,\"a\":1,\"a\":1,\"a\":1,\"a\":1,\"a\":1,\"a\":1,\"a\":1";
    bool fits = true;
    for (int i = 0; i < 100 && fits; i++)
        fits = node_reply_feed(&r, many.data(), many.size());

    assert_false(fits);
    assert_true(budget.used <= budget.limit);
    node_reply_fini(&r);
    assert_int_equal(budget.used, 0);
}

static void answer__fed_again_after_a_restart__counts_alone(void **)
{
    struct node_reply r = {};
    assert_true(node_reply_feed(&r, "{\"a\"", 4));
    node_reply_restart(&r);

    struct node_reply whole = reply_answer("w", &READ, 200, "{}");

    assert_null(r.json);
    assert_int_equal(whole.outcome, OUTCOME_OK);
    node_reply_fini(&whole);
    node_reply_fini(&r);
}

// Nobody needs what has come of it.
static void answer__dropped_on_its_way__is_a_miss_and_gives_back(void **)
{
    struct budget budget = {.limit = 4096, .used = 0};
    struct node_reply r = {};
    r.budget = &budget;
    assert_true(node_reply_feed(&r, "{\"a\":1,\"b\":2,\"c\":3", 18));
    assert_true(budget.used > 0);

    node_reply_miss(&r);

    assert_true(r.done);
    assert_int_equal(r.outcome, OUTCOME_MISS);
    assert_int_equal(r.ms, -1);
    assert_null(r.json);
    assert_int_equal(budget.used, 0);
    node_reply_fini(&r);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success__with_an_object_or_its_string__is_ok),
        cmocka_unit_test(success__with_anything_else__is_bad_json),
        cmocka_unit_test(refusal__of_a_node_that_does_not_have_it__is_a_miss),
        cmocka_unit_test(refusal__of_an_owner__is_an_error),
        cmocka_unit_test(stop__of_a_session_whose_hook_ended__is_ok),
        cmocka_unit_test(server_error__followed_by_an_object__keeps_its_data),
        cmocka_unit_test(status__that_no_node_sends__is_no_answer),
        cmocka_unit_test(mutation__that_failed__tells_its_effect),
        cmocka_unit_test(detail__that_is_long__is_cut_at_a_character),
        cmocka_unit_test(members__more_than_the_budget__are_too_large),
        cmocka_unit_test(answer__fed_again_after_a_restart__counts_alone),
        cmocka_unit_test(answer__dropped_on_its_way__is_a_miss_and_gives_back),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
