// The log: lines for people and for machines, and those that repeat.
#include "log.h"

#include <string>

#include "support/captured_log.h"
#include "support/cmocka_cc.h"

static int setup(void **state)
{
    *state = new captured_log(captured_log_begin());
    return 0;
}

static int teardown(void **state)
{
    struct captured_log *log = static_cast<struct captured_log *>(*state);
    captured_log_end(log);
    delete log;
    log_configure(LOG_AS_TEXT, LOG_AT_INFO);
    return 0;
}

// What was written, without the times, which differ.
static std::string written(void **state)
{
    std::string text = captured_log_text(static_cast<struct captured_log *>(*state));
    const size_t time = sizeof "2026-11-29T10:00:00.000Z" - 1;
    for (size_t at = 0; (at = text.find("202", at)) != std::string::npos; at++)
        text.erase(at, time).insert(at, 1, 'T');
    return text;
}

static void event__as_text__is_its_message(void **state)
{
    const struct log_field fields[] = {{.name = "ms", .text = nullptr, .number = 3}};

    log_event(LOG_AT_INFO, "done in 3 ms", fields, 1);
    log_event(LOG_AT_DEBUG, "not wanted", fields, 1);

    assert_string_equal(written(state).c_str(), "T info done in 3 ms\n");
}

static void event__as_json__has_its_fields(void **state)
{
    const struct log_field fields[] = {{.name = "user", .text = "a\"b\nc", .number = 0},
                                       {.name = "ms", .text = nullptr, .number = -3}};
    log_configure(LOG_AS_JSON, LOG_AT_DEBUG);

    log_event(LOG_AT_DEBUG, "done", fields, 2);

    assert_string_equal(written(state).c_str(),
                        "{\"time\":\"T\",\"level\":\"debug\",\"msg\":\"done\","
                        "\"user\":\"a\\\"b\\nc\",\"ms\":-3}\n");
}

static void message__again_and_again__is_counted(void **state)
{
    for (int i = 0; i < 1000; i++)
        log_warn("no room for %d", 7);
    log_info("no room for 7"); // another level: another line
    log_info("all is well");
    log_info("all is well");

    assert_string_equal(written(state).c_str(), "T warn no room for 7\n"
                                                "T warn 999 times more the line before\n"
                                                "T info no room for 7\n"
                                                "T info all is well\n");
    log_info("end");
}

static void message__of_a_stranger__stays_on_its_line(void **state)
{
    log_info("id %s", "x\n2026 error forged \x1b[31m");

    const std::string text = written(state);
    assert_int_equal(text.find('\n'), text.size() - 1);
    assert_int_equal(text.find('\x1b'), std::string::npos);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(event__as_text__is_its_message, setup, teardown),
        cmocka_unit_test_setup_teardown(event__as_json__has_its_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(message__again_and_again__is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(message__of_a_stranger__stays_on_its_line, setup, teardown),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
