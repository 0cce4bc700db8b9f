// Which trace a request belongs to: the header traceparent (W3C Trace Context, level 1, section 3.2). Pure.
//
// This daemon makes no spans of its own: it passes on what it gets, and begins a trace where there is none.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

constexpr size_t TRACE_RANDOM_SIZE = 24; // bytes of randomness that a new trace takes

// Whether that is one that has to be passed on: version, trace-id, parent-id and flags, in small hex digits,
// neither id all zeros. A version after 00 may have more behind it.
[[nodiscard]] bool trace_parent_is_good(std::string_view traceparent);

// Begins a trace that nobody has asked to record.
[[nodiscard]] std::string trace_parent_new(const unsigned char random[TRACE_RANDOM_SIZE]);

// The trace-id, 32 hex digits, of one that is good.
[[nodiscard]] std::string_view trace_id_of(std::string_view traceparent);
