// Fuzzes what reads people's words: durations, sizes, addresses. Oracle: what is read is written back
// alike.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "address.h"
#include "units.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_units(const std::string &text)
{
    int64_t value = 0, back = -1;
    if (units_parse_duration(text, &value))
        check(units_parse_duration(units_duration_text(value), &back) && back == value);
    if (units_parse_size(text, &value))
        check(units_parse_size(units_size_text(value), &back) && back == value);
}

static void check_address(const std::string &text)
{
    struct address a = {};
    std::string error;
    check(address_parse(text, &a, &error) || !error.empty());
    if (address_parse_named(text, &a))
        check(!a.host.empty() && a.port != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const std::string text(reinterpret_cast<const char *>(data), size);
    check_units(text);
    check_address(text);
    return 0;
}
