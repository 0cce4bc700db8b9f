// What clients ask for in trace sessions' requests, and what every tracer-node would refuse. Pure.
//
// Nodes read ids as decimal unsigned 64-bit numbers and bodies with Go's encoding/json: names of members
// in any letter case, unknown ones ignored, null as if absent, the last of several counts, bytes in
// strings that are no UTF-8 pass, and so does whatever follows the first value. All that is right here,
// too: refused is only what no node would take.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// What the path of every request for sessions begins with.
constexpr const char *SESSIONS_PATH = "/v1/trace-session";

// The number that is a session's id, in decimal digits. False: it is none.
[[nodiscard]] bool session_number(std::string_view text, uint64_t *number);

// An id as decoded from a path. False: `error` says what it takes.
[[nodiscard]] bool session_check_id(std::string_view id, bool may_be_all, std::string *error);

// The body of a POST: an object of strings with trace-hook and container. False: `error` names the
// member and what it takes, or the place where it is no JSON.
[[nodiscard]] bool session_check_post(const char *body, size_t size, std::string *error);

// The body of a PUT, {"Run": true|false}.
[[nodiscard]] bool session_check_put(const char *body, size_t size, std::string *error);

// Whether a node takes the body of a PUT for {"Run": false}, as it does where Run is not there.
[[nodiscard]] bool session_put_stops(const char *body, size_t size);
