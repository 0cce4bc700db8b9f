// Fuzzes what reads people's words: query, durations, sizes, addresses, PUT bodies. Oracles: what is
// forwarded has none of our parameters and is its own fixed point; what is read is written back alike.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "address.h"
#include "query.h"
#include "session.h"
#include "units.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_query(const std::string &text)
{
    struct query q, again;
    std::string error;
    if (!query_parse(text, 60000, &q, &error)) {
        check(!error.empty());
        return;
    }
    check(query_parse(q.forward, 60000, &again, &error));
    check(again.forward == q.forward && again.timeout_ms == 0 && !again.partial_deny &&
          !again.view_nodes && !again.names_nodes);
    check(q.timeout_ms >= 0 && q.timeout_ms <= 60000);
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
    check_query(text);
    check_units(text);
    check_address(text);
    (void)session_put_stops(text.data(), text.size());
    return 0;
}
