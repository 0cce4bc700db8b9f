// Problem documents.
#include "problem.h"

#include "http_response.h"
#include "json_text.h"

static const char PROBLEM_TYPE[] = "application/problem+json";

void problem_begin(std::string *out, int status, std::string_view detail)
{
    *out += "{\"type\":\"about:blank\",\"title\":";
    json_append_string(out, http_status_text(status));
    *out += ",\"status\":" + std::to_string(status) + ",\"detail\":";
    json_append_string(out, detail);
}

void problem_end(std::string *out)
{
    *out += "}";
}

void problem_add_request(struct http_response *out, std::string_view request_id,
                         std::string_view trace_id)
{
    if (std::string_view(out->content_type) != PROBLEM_TYPE)
        return;
    std::string members = ",\"request-id\":";
    json_append_string(&members, request_id);
    members += ",\"trace-id\":";
    json_append_string(&members, trace_id);
    problem_end(&members);
    rope_drop(&out->body, 1); // the brace
    rope_add_text(&out->body, members);
}

void problem_response_from(struct http_response *out, int status, std::string_view document)
{
    out->status = status;
    out->content_type = PROBLEM_TYPE;
    rope_add_text(&out->body, document);
}

void problem_response(struct http_response *out, int status, std::string_view detail)
{
    std::string document;
    problem_begin(&document, status, detail);
    problem_end(&document);
    problem_response_from(out, status, document);
}
