// JSON strings as text: writing one from any bytes, reading one that was checked before (RFC 8259).
#pragma once
#include <string>
#include <string_view>

// Appends `text` to `out` as a JSON string, quotes included. Always valid JSON: control characters
// are escaped, and bytes that are no UTF-8 become U+FFFD.
void json_append_string(std::string *out, std::string_view text);

// Decodes the inside of a JSON string (without its quotes) that is known to be valid. A lone
// surrogate escape becomes its own three bytes, which are no UTF-8: what differs stays different.
[[nodiscard]] std::string json_decode_string(std::string_view inside);
