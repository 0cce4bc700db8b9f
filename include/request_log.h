// What the log says of a client's request: one line, when it is answered.
//
// What changes something, fails (a status of 500 or more) or is slow is always in the log, everything else
// with --verbose.
#pragma once
#include <cstdint>
#include <string>

struct http_request;
struct http_response;

// Who asks for what: the request's id, its user if known, method and the begin of the target.
[[nodiscard]] std::string request_label(const struct http_request *request);

// It is answered with that. `slow_ms`: what takes so long is slow; 0: nothing is. `request` is null where it was
// refused before it was whole.
void request_log_replied(struct http_request *request, const struct http_response *response,
                         int64_t slow_ms);

// What its client does not see any more, as it has left.
void request_log_unseen(const std::string &label, const struct http_response *response, int64_t ms);
