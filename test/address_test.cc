// Addresses as text.
#include <string>

#include "address.h"
#include "support/cmocka_cc.h"

struct good_case {
    const char *text, *host;
    uint16_t port;
};

static const struct good_case GOOD[] = {
    {"127.0.0.1:8080", "127.0.0.1", 8080},
    {"0.0.0.0:1", "0.0.0.0", 1},
    {":8080", "", 8080},
    {":0", "", 0},
    {"[::1]:8080", "::1", 8080},
    {"[::]:65535", "::", 65535},
    {"[fd00::2]:08080", "fd00::2", 8080},
};

static void address__that_is_right__is_read(void **)
{
    for (const struct good_case &t : GOOD) {
        struct address a = {};
        std::string error;

        if (!address_parse(t.text, &a, &error))
            fail_msg("%s", error.c_str());

        assert_string_equal(a.host.c_str(), t.host);
        assert_int_equal(a.port, t.port);
    }
}

static const char *const BAD[] = {
    "",
    "nonsense",
    "127.0.0.1",
    "127.0.0.1:",
    ":",
    ":x",
    ":70000",
    ":65536",
    ":-1",
    ":+1",
    ": 80",
    ":000080",
    "localhost:80",
    "256.0.0.1:80",
    "127.1:80",
    "::1:80",
    "[::1]",
    "[::1]:",
    "[127.0.0.1]:1",
    "[]:80",
    "[::1:80",
    "::1]:80",
    "[x]:80",
    "[::1]x:80",
    " 127.0.0.1:80",
    "1.2.3.4 :",
    "http://1.2.3.4:80",
};

static void address__that_is_wrong__names_what_it_got(void **)
{
    for (const char *text : BAD) {
        struct address a = {};
        std::string error;

        if (address_parse(text, &a, &error))
            fail_msg("taken: '%s'", text);

        assert_true(error.find("'" + std::string(text) + "'") == 0);
        assert_true(error.find(":8080") != std::string::npos);
    }
}

static void address__with_nul__is_refused(void **)
{
    struct address a = {};
    std::string error;

    assert_false(address_parse(std::string_view("127.0.0.1\0:80", 13), &a, &error));
}

static void is_loopback__only_of_this_machine__is_true(void **)
{
    static const struct {
        const char *host;
        bool loopback;
    } table[] = {
        {"127.0.0.1", true},  {"127.9.9.9", true},
        {"::1", true},        {"::ffff:127.0.0.2", true},
        {"", false},          {"0.0.0.0", false},
        {"::", false},        {"10.127.0.1", false},
        {"fd00::1", false},   {"::ffff:10.0.0.1", false},
        {"128.0.0.1", false},
    };

    for (const auto &row : table)
        assert_int_equal(address_is_loopback({.host = row.host, .port = 1}), row.loopback);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address__that_is_right__is_read),
        cmocka_unit_test(address__that_is_wrong__names_what_it_got),
        cmocka_unit_test(address__with_nul__is_refused),
        cmocka_unit_test(is_loopback__only_of_this_machine__is_true),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
