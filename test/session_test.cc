// What trace sessions' requests ask for: what a node takes is right, what no node takes is named.
#include "session.h"

#include <cstring>
#include <initializer_list>

#include "cmocka_cc.h"

static void assert_says(const std::string &error, const char *part)
{
    if (error.find(part) == std::string::npos)
        fail_msg("\"%s\" does not say: %s", error.c_str(), part);
}

static void id__that_nodes_take__is_right(void **)
{
    std::string error;
    for (const char *id : {"0", "5", "005", "18446744073709551615",
                           "0000000000000000000000000000000000000000000000000000000000000005"})
        assert_true(session_check_id(id, false, &error));
    assert_true(session_check_id("all", true, &error));
    assert_string_equal(error.c_str(), "");
}

static void number__however_written__is_the_same_session(void **)
{
    uint64_t number = 0;
    for (const char *text : {"5", "005", "00000000000000000000000000000005"}) {
        assert_true(session_number(text, &number));
        assert_true(number == 5);
    }
    assert_true(session_number("18446744073709551615", &number));
    assert_true(number == UINT64_MAX);
    for (const char *text : {"", "all", "+5", "-5", "5 ", "18446744073709551616"})
        assert_false(session_number(text, &number));
}

static void id__that_no_node_takes__is_named(void **)
{
    for (const char *id :
         {"", "abc", "ALL", "+5", "-1", "5 ", " 5", "5_0", "0x5", "5.0", "1e3", "%35", "5/6",
          "18446744073709551616", "28446744073709551615", "100000000000000000000", "\xd9\xa5"})
        for (const bool may_be_all : {false, true}) {
            std::string error;
            assert_false(session_check_id(id, may_be_all, &error));
            assert_says(error, (std::string("session id: got \"") + id + "\"; it takes ").c_str());
            assert_int_equal(error.find("or all") != std::string::npos, may_be_all);
        }
    std::string error;
    assert_false(session_check_id("all", false, &error));
    assert_false(session_check_id(std::string_view("5\0", 2), true, &error));
}

static void post__that_a_node_takes__is_right(void **)
{
    for (const char *body : {
             "{\"pod\":\"p\",\"container\":\"*\",\"trace-hook\":\"h\"}",
             " \t\r\n{ \"container\" : \"\" , \"trace-hook\" : \"\" } ",
             "{\"Container\":\"*\",\"TRACE-Hook\":\"h\",\"POD\":null}",
             "{\"container\":\"*\",\"trace-hoo\\u212a\":\"h\"}",
             "{\"container\":\"*\",\"trace-hoo\xe2\x84\xaa\":\"h\"}",
             "{\"c\\u006fntainer\":\"*\",\"trace-hook\":\"h\",\"trace-u\xc5\xbf"
             "er-context\":\"\"}",
             "{\"container\":\"*\",\"trace-hook\":\"h\",\"trace-hook\":null}",
             "{\"container\":\"*\",\"trace-hook\":\"h\",\"pods\":5,\"trace\":{\"pod\":[1e400]}}",
             "{\"container\":\"\xff\xc3\",\"trace-hook\":\"\\ud800\x7f\"}",
             "{\"\xff\":1,\"container\":\"*\",\"trace-hook\":\"h\"}",
             "{\"container\":\"*\",\"trace-hook\":\"h\"} and what not",
             "{\"container\":\"*\",\"trace-hook\":\"h\"}{\"container\":5}",
         }) {
        std::string error;
        if (!session_check_post(body, strlen(body), &error))
            fail_msg("%s: %s", body, error.c_str());
    }
}

static void post__that_no_node_takes__is_refused_by_name(void **)
{
    const struct {
        const char *body, *says;
    } cases[] = {
        {"", "body: got nothing; it takes {\"pod\":"},
        {" \n", "body: got nothing"},
        {"{\"pod\":", "body: the JSON ends too early, after byte 7; it takes {"},
        {"{\"pod\":\"x", "ends too early, after byte 9"},
        {"{\"pod\":\"x\",}", "body: the JSON is wrong at byte 12; it takes {"},
        {"{'pod':1}", "wrong at byte 2;"},
        {"{\"pod\":\"a\nb\"}", "wrong at byte 10;"},
        {"{\"pod\":\"\\'\"}", "wrong at byte 10;"},
        {"{\"pod\":01}", "wrong at byte 9;"},
        {"\xef\xbb\xbf{}", "wrong at byte 1;"},
        {"pod=x", "wrong at byte 1;"},
        {"[]", "body: got an array; it takes {"},
        {"\"x\" {\"pod\":5}", "body: got a string"},
        {"5", "body: got a number"},
        {"-0x", "body: got a number"},
        {"true", "body: got true"},
        {"{\"pod\":5}", "pod: got a number; it takes a string"},
        {"{\"pod\":5,\"pod\":\"x\"}", "pod: got a number; it takes a string"},
        {"{\"POD\":[]}", "pod: got an array; it takes a string"},
        {"{\"container\":{}}", "container: got an object; it takes the name of a container"},
        {"{\"container\":\"*\"}", "trace-hook: missing; it takes the name of a trace hook"},
        {"{\"container\":\"*\",\"trace-hook\":null}", "trace-hook: missing"},
        {"{\"container\":\"*\",\"trace-hook\":false}", "trace-hook: got false"},
        {"{\"container\":\"*\",\"trace-hook\":\"h\",\"trace-arguments\":true}",
         "trace-arguments: got true; it takes a string"},
        {"{\"container\":\"*\",\"trace-hook\":\"h\",\"trace-user-conte\\u0078t\":-1}",
         "trace-user-context: got a number"},
        {"{\"trace-hook\":\"h\"}", "container: missing; it takes the name of a container"},
        {"{}", "container: missing"},
        {"null", "container: missing"},
        {"nullx", "container: missing"},
        {"null {\"container\":\"*\",\"trace-hook\":\"h\"}", "container: missing"},
    };

    for (const auto &t : cases) {
        std::string error;
        if (session_check_post(t.body, strlen(t.body), &error))
            fail_msg("%s", t.body);
        assert_says(error, t.says);
    }
}

static void post__wrong_far_behind__is_refused_at_the_very_byte(void **)
{
    for (const size_t far : {4000UL, 4095UL, 4096UL, 5000UL, 100000UL}) {
        const std::string body =
            "{\"pod\":\"" + std::string(far, 'p') + "\",\"container\":\"*\"; \"trace-hook\":\"h\"}";
        std::string error;
        assert_false(session_check_post(body.data(), body.size(), &error));
        assert_says(error, ("at byte " + std::to_string(body.find(';') + 1) + ";").c_str());
    }
}

static void body__too_long_to_read__is_left_to_the_nodes(void **)
{
    const std::string body(2000000, '[');
    std::string error;

    assert_true(session_check_post(body.data(), body.size(), &error));
    assert_true(session_check_put(body.data(), body.size(), &error));
    assert_false(session_put_stops(body.data(), body.size()));
}

static void nesting__as_deep_as_nodes_take__is_right(void **)
{
    std::string error;
    for (const size_t depth : {9999UL, 10000UL}) {
        const std::string body =
            "{\"x\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
        assert_int_equal(session_check_put(body.data(), body.size(), &error), depth == 9999);
    }
    assert_says(error, "wrong at byte 10005;");
}

static void put__that_no_node_takes__is_refused_by_name(void **)
{
    const struct {
        const char *body, *says;
    } cases[] = {
        {"", "body: got nothing; it takes {\"Run\":true} or {\"Run\":false}"},
        {"{\"Run\":", "ends too early, after byte 7"},
        {"{\"Run\":True}", "wrong at byte 8;"},
        {"false", "body: got false"},
        {"[false]", "body: got an array"},
        {"{\"Run\":\"true\"}", "Run: got a string; it takes true or false"},
        {"{\"Run\":true,\"run\":0}", "Run: got a number; it takes true or false"},
        {"{\"rUn\":{}}", "Run: got an object"},
    };

    for (const auto &t : cases) {
        std::string error;
        assert_false(session_check_put(t.body, strlen(t.body), &error));
        assert_says(error, t.says);
        assert_false(session_put_stops(t.body, strlen(t.body)));
    }
}

static void put__that_nodes_take_for_run_false__stops(void **)
{
    for (const char *body :
         {"{\"Run\":false}", "{\"run\": false}", "{\"RUN\":false,\"x\":1}",
          "{\"Run\":true,\"run\":false}", "{\"r\\u0075n\":false}", "{\"Run\":false} {\"Run\":true}",
          "{\"x\":\"\xff\",\"Run\":false}", "{}", "null", "nullx", "null {\"Run\":true}",
          "{\"Run\":null}", "{\"x\":{\"Run\":true}}", "{\"Run \":true}", "{\"Ru\":true}"}) {
        std::string error;
        assert_true(session_check_put(body, strlen(body), &error));
        assert_true(session_put_stops(body, strlen(body)));
    }
}

static void put__that_nodes_take_for_run_true__does_not(void **)
{
    for (const char *body :
         {"{\"Run\":true}", "{\"Run\":false,\"run\":true}", "{\"Run\":true,\"Run\":null}",
          "{\"Run\":true} false", "{\"\\u0052un\":true}"}) {
        std::string error;
        assert_true(session_check_put(body, strlen(body), &error));
        assert_false(session_put_stops(body, strlen(body)));
    }
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(id__that_nodes_take__is_right),
        cmocka_unit_test(number__however_written__is_the_same_session),
        cmocka_unit_test(id__that_no_node_takes__is_named),
        cmocka_unit_test(post__that_a_node_takes__is_right),
        cmocka_unit_test(post__that_no_node_takes__is_refused_by_name),
        cmocka_unit_test(post__wrong_far_behind__is_refused_at_the_very_byte),
        cmocka_unit_test(body__too_long_to_read__is_left_to_the_nodes),
        cmocka_unit_test(nesting__as_deep_as_nodes_take__is_right),
        cmocka_unit_test(put__that_no_node_takes__is_refused_by_name),
        cmocka_unit_test(put__that_nodes_take_for_run_false__stops),
        cmocka_unit_test(put__that_nodes_take_for_run_true__does_not),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
