// Durations, sizes and counts as people write them. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

// "10" (seconds), "250ms", "1.5s", "1m", "1h" to milliseconds. False: not a duration, or finer than a
// millisecond, or more than a year.
[[nodiscard]] bool units_parse_duration(std::string_view text, int64_t *ms);

// "1048576" (bytes), "64KiB", "1MiB", "1GiB" to bytes. False: not a size.
[[nodiscard]] bool units_parse_size(std::string_view text, int64_t *bytes);

// Digits only.
[[nodiscard]] bool units_parse_count(std::string_view text, int64_t *count);

// The shortest way to write it that the parsers above read: "250ms", "10s", "1MiB".
[[nodiscard]] std::string units_duration_text(int64_t ms);
[[nodiscard]] std::string units_size_text(int64_t bytes);
