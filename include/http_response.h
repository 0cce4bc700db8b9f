// One reply to a client, as data: what the pure modules make and http_server sends.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "rope.h"

struct http_header {
    std::string name;
    std::string value; // no CR, LF or NUL
};

// Content-Length, Date, Cache-Control, X-Request-Id and Connection are http_server's business.
struct http_response {
    int status = 200;
    const char *content_type = "application/json"; // static text
    std::vector<struct http_header> headers;
    struct rope body = {};
};

// The value of the first header of this name, which is compared as it is written; empty where there is none.
[[nodiscard]] std::string_view http_response_header(const struct http_response *response,
                                                    std::string_view name);

// The reason phrase of RFC 9110, section 15, such as "Not Found"; "Unknown" for other codes.
[[nodiscard]] const char *http_status_text(int status);
