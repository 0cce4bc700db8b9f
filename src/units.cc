// Durations, sizes and counts as people write them. Pure.
#include "units.h"

#include <cstddef>

struct unit {
    const char *name;
    int64_t factor;
};

constexpr struct unit DURATIONS[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
constexpr struct unit SIZES[] = {
    {"B", 1}, {"KiB", int64_t{1} << 10}, {"MiB", int64_t{1} << 20}, {"GiB", int64_t{1} << 30}};
constexpr int64_t YEAR_MS = int64_t{366} * 24 * 3600 * 1000;
constexpr size_t MOST_DIGITS = 15; // more would not fit once multiplied

bool units_parse_count(std::string_view text, int64_t *count)
{
    if (text.empty() || text.size() > MOST_DIGITS)
        return false;
    int64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *count = value;
    return true;
}

// The part of `text` behind its digits and dot.
static std::string_view unit_of(std::string_view text)
{
    const size_t end = text.find_first_not_of("0123456789.");
    return end == std::string_view::npos ? std::string_view() : text.substr(end);
}

bool units_parse_duration(std::string_view text, int64_t *ms)
{
    std::string_view unit = unit_of(text);
    const std::string_view number = text.substr(0, text.size() - unit.size());
    if (unit.empty())
        unit = "s";
    int64_t factor = 0;
    for (const struct unit &u : DURATIONS)
        if (unit == u.name)
            factor = u.factor;
    const size_t dot = number.find('.');
    int64_t whole = 0;
    if (factor == 0 || !units_parse_count(number.substr(0, dot), &whole) || whole > YEAR_MS)
        return false;
    int64_t total = whole * factor;
    if (dot != std::string_view::npos) {
        const std::string_view digits = number.substr(dot + 1);
        int64_t fraction = 0, scale = 1;
        if (digits.size() > 6 || !units_parse_count(digits, &fraction))
            return false;
        for (size_t i = 0; i < digits.size(); i++)
            scale *= 10;
        if (fraction * factor % scale != 0)
            return false;
        total += fraction * factor / scale;
    }
    if (total > YEAR_MS)
        return false;
    *ms = total;
    return true;
}

bool units_parse_size(std::string_view text, int64_t *bytes)
{
    std::string_view unit = unit_of(text);
    int64_t number = 0;
    if (!units_parse_count(text.substr(0, text.size() - unit.size()), &number))
        return false;
    if (unit.empty())
        unit = "B";
    for (const struct unit &u : SIZES) {
        if (unit != u.name)
            continue;
        if (number > INT64_MAX / u.factor)
            return false;
        *bytes = number * u.factor;
        return true;
    }
    return false;
}

std::string units_duration_text(int64_t ms)
{
    size_t best = 0;
    for (size_t i = 1; i < sizeof DURATIONS / sizeof DURATIONS[0]; i++)
        if (ms != 0 && ms % DURATIONS[i].factor == 0)
            best = i;
    if (ms == 0)
        best = 1;
    return std::to_string(ms / DURATIONS[best].factor) + DURATIONS[best].name;
}

std::string units_size_text(int64_t bytes)
{
    size_t best = 0;
    for (size_t i = 1; i < sizeof SIZES / sizeof SIZES[0]; i++)
        if (bytes != 0 && bytes % SIZES[i].factor == 0)
            best = i;
    if (best == 0)
        return std::to_string(bytes);
    return std::to_string(bytes / SIZES[best].factor) + SIZES[best].name;
}
