// clock: a time as text.
#include "clock.h"

#include <cstdlib>
#include <ctime>
#include <string>

#include "cmocka_cc.h"

static void text__of_a_time__is_iso_8601_in_utc_with_milliseconds(void **)
{
    static const struct {
        int64_t ms;
        const char *text;
    } samples[] = {
        {-1, "1969-12-31T23:59:59.999Z"},
        {-1000, "1969-12-31T23:59:59.000Z"},
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {951827696789, "2000-02-29T12:34:56.789Z"},
        {1767225599999, "2025-12-31T23:59:59.999Z"},
        {253402300799099, "9999-12-31T23:59:59.099Z"},
    };
    for (const auto &sample : samples)
        assert_string_equal(clock_text(sample.ms).c_str(), sample.text);
}

// No time zone changes it.
static void text__with_a_time_zone__is_the_same(void **)
{
    setenv("TZ", "Asia/Kolkata", 1);
    tzset();
    assert_string_equal(clock_text(1767225599999).c_str(), "2025-12-31T23:59:59.999Z");
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text__of_a_time__is_iso_8601_in_utc_with_milliseconds),
        cmocka_unit_test(text__with_a_time_zone__is_the_same),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
