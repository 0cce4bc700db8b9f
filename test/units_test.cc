// Durations, sizes and counts.
#include "units.h"

#include "cmocka_cc.h"

static void duration__written_as_people_do__is_read(void **)
{
    const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"10", 10000},   {"250ms", 250}, {"10s", 10000}, {"1m", 60000},
                 {"2h", 7200000}, {"0", 0},       {"1.5s", 1500}, {"0.25", 250},
                 {"007", 7000},   {"0.001s", 1},  {"1.5m", 90000}};

    for (const auto &c : cases) {
        int64_t ms = -1;
        assert_true(units_parse_duration(c.text, &ms));
        assert_int_equal(ms, c.ms);
    }
}

static void duration__not_one__is_refused(void **)
{
    for (const char *text :
         {"",         "s",    "ms",  "-1",     "+1",    "1 s", " 1",    "1S",
          "1d",       "1.",   ".5",  "1.0001", "0.5ms", "1e3", "1.2.3", "99999999999999999999",
          "9999999h", "0x10", "nan", "1s1"}) {
        int64_t ms = -1;
        if (units_parse_duration(text, &ms))
            fail_msg("taken: %s", text);
        assert_int_equal(ms, -1);
    }
}

static void size__written_as_people_do__is_read(void **)
{
    const struct {
        const char *text;
        int64_t bytes;
    } cases[] = {{"0", 0},         {"4096", 4096},    {"12B", 12},
                 {"64KiB", 65536}, {"1MiB", 1048576}, {"1GiB", 1073741824}};

    for (const auto &c : cases) {
        int64_t bytes = -1;
        assert_true(units_parse_size(c.text, &bytes));
        assert_int_equal(bytes, c.bytes);
    }
}

static void size__not_one__is_refused(void **)
{
    for (const char *text : {"", "KiB", "1K", "1MB", "1.5MiB", "-1", "1 MiB", "1mib",
                             "999999999999999GiB", "99999999999999999999"}) {
        int64_t bytes = -1;
        if (units_parse_size(text, &bytes))
            fail_msg("taken: %s", text);
    }
}

static void text__of_a_value__is_read_back_as_it(void **)
{
    for (const int64_t value : {int64_t{0}, int64_t{1}, int64_t{250}, int64_t{1000}, int64_t{1500},
                                int64_t{60000}, int64_t{90000}, int64_t{3600000}}) {
        int64_t back = -1;
        assert_true(units_parse_duration(units_duration_text(value), &back));
        assert_int_equal(back, value);
    }
    assert_string_equal(units_duration_text(10000).c_str(), "10s");
    assert_string_equal(units_duration_text(250).c_str(), "250ms");
    assert_string_equal(units_size_text(1048576).c_str(), "1MiB");
    assert_string_equal(units_size_text(1000).c_str(), "1000");
    assert_string_equal(units_size_text(0).c_str(), "0");
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duration__written_as_people_do__is_read),
        cmocka_unit_test(duration__not_one__is_refused),
        cmocka_unit_test(size__written_as_people_do__is_read),
        cmocka_unit_test(size__not_one__is_refused),
        cmocka_unit_test(text__of_a_value__is_read_back_as_it),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
