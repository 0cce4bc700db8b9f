// Which traceparents are passed on, and what a new one looks like.
#include "trace_context.h"

#include <cstring>

#include "support/cmocka_cc.h"

static const char GOOD[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

static void trace_parent__good__is_passed_on(void **)
{
    const std::string good = GOOD;
    for (const std::string &text : {good, "01" + good.substr(2), "01" + good.substr(2) + "-more"})
        assert_true(trace_parent_is_good(text));
    assert_true(trace_id_of(good) == "4bf92f3577b34da6a3ce929d0e0e4736");
}

static void trace_parent__bad__is_not(void **)
{
    const std::string good = GOOD;
    const std::string zeros(32, '0');
    const std::string bad[] = {
        "",
        "00-aa-bb-01",
        good.substr(0, 54),
        good + "0",
        good + "-more",                  // version 00 has no more
        "01" + good.substr(2) + ".more", // a later one has it behind a '-'
        "ff" + good.substr(2),           // is no version
        "0g" + good.substr(2),
        good + ", " + good, // two headers
        "00-" + zeros + good.substr(35),
        good.substr(0, 36) + zeros.substr(16) + "-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736" + good.substr(35),
        good.substr(0, 53) + "0x",
        "00_" + good.substr(3),
        good.substr(0, 35) + "_" + good.substr(36),
        good.substr(0, 52) + "_01",
    };
    for (const std::string &text : bad)
        if (trace_parent_is_good(text))
            fail_msg("is not good: \"%s\"", text.c_str());
}

static void trace_parent__new__is_good(void **)
{
    unsigned char random[TRACE_RANDOM_SIZE] = {};
    assert_string_equal(trace_parent_new(random).c_str(),
                        "00-01000000000000000000000000000000-0100000000000000-00");
    memset(random, 0xfe, sizeof random);
    const std::string text = trace_parent_new(random);
    assert_true(trace_parent_is_good(text));
    assert_string_equal(text.c_str(), "00-fffefefefefefefefefefefefefefefe-fffefefefefefefe-00");
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trace_parent__good__is_passed_on),
        cmocka_unit_test(trace_parent__bad__is_not),
        cmocka_unit_test(trace_parent__new__is_good),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
