// Problem documents (RFC 9457), the body of every reply that is an error. Pure.
#pragma once
#include <string>
#include <string_view>

struct http_response;

// Makes `out`, which must be fresh, the reply with this status and a problem document of type
// about:blank with the status's title. `detail` is a sentence for people.
void problem_response(struct http_response *out, int status, std::string_view detail);

// The same in steps, for documents with more members: problem_begin appends the object up to and with
// "detail", the caller appends ",\"name\":value" as often as it likes, problem_end closes it.
void problem_begin(std::string *out, int status, std::string_view detail);
void problem_end(std::string *out);

// Adds to a reply that is a problem document whose request it is of: the members "request-id" and "trace-id".
// Does nothing to other replies.
void problem_add_request(struct http_response *out, std::string_view request_id,
                         std::string_view trace_id);

// Makes `out` the reply with this status and the finished `document`.
void problem_response_from(struct http_response *out, int status, std::string_view document);
