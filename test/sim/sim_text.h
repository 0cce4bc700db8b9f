// Text helpers of the simulator: JSON strings as Go writes them, URLs, wild cards, dates. Pure but
// for the clock.
#pragma once
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

// Appends `text` as Go's encoding/json does: < > & are escaped too.
void text_append_json(std::string *out, std::string_view text);

// Appends as printf would.
[[gnu::format(printf, 2, 3)]] void text_append(std::string *out, const char *format, ...);

// Undoes %41, and + as a space where `plus` is set. A broken escape stays as it is.
[[nodiscard]] std::string text_unescape(std::string_view text, bool plus);

// The decoded value of `name` in a query string; false where it is absent.
[[nodiscard]] bool text_query(std::string_view query, std::string_view name, std::string *value);

// As text_query, but `fallback` where absent, empty or no number.
[[nodiscard]] uint64_t text_query_number(std::string_view query, std::string_view name,
                                         uint64_t fallback);

// True if `text` matches `pattern`, in which * stands for any bytes and ? for any one.
[[nodiscard]] bool text_matches(std::string_view pattern, std::string_view text);

// True if `path` has `part` somewhere; a part that ends in $, at its end.
[[nodiscard]] bool text_has_part(std::string_view path, std::string_view part);

// True if equal but for the case of ASCII letters.
[[nodiscard]] bool text_equal_fold(std::string_view a, std::string_view b);

// The next word of `*rest` up to `separator`; takes it and the separator off.
std::string_view text_next(std::string_view *rest, char separator);

// The words between commas; none in an empty text.
[[nodiscard]] std::vector<std::string> text_split(std::string_view text);

// All of `text` as a decimal number. False where it is none or too large.
[[nodiscard]] bool text_number(std::string_view text, uint64_t *value);

// "Mon, 23 Nov 2026 03:01:48 GMT": always 29 bytes, made once a second. Borrowed until the next
// call.
constexpr size_t TEXT_DATE_SIZE = 29;
[[nodiscard]] const char *text_http_date();

// "2026-11-23T03:01:48Z".
[[nodiscard]] std::string text_iso_date(time_t when);

// Milliseconds of a clock that never goes back.
[[nodiscard]] uint64_t text_now_ms();
