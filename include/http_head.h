// Reads the head of HTTP/1 requests byte by byte and refuses what two parsers could read in two ways.
//
// It looks at the bytes of a connection before the HTTP library does, follows where one request ends
// and the next begins, and so decides what that library ever sees. Pure. RFC 9112, RFC 9110.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_PATCH,
    HTTP_TRACE,
    HTTP_CONNECT,
    HTTP_UNKNOWN,
};
[[nodiscard]] const char *http_method_name(enum http_method m);

enum http_head_state {
    HTTP_HEAD_IDLE,    // between requests: nothing of the next one has come
    HTTP_HEAD_PARTIAL, // within a request line or header
    HTTP_HEAD_BODY,    // within a body
    HTTP_HEAD_REFUSED, // the bytes are no request that can be taken; see status and detail
};

// Header fields of one request. Each costs more memory than its bytes as soon as it is kept as a field.
constexpr size_t HTTP_HEAD_MOST_FIELDS = 100;

struct http_head_limits {
    size_t max_header; // bytes of request line and header, CRLFs included
    size_t max_body;   // bytes
};

struct http_head {
    enum http_head_state state;
    int status;              // of the refusal: 400, 405, 411, 413, 417, 431, 505, or the caller's
    const char *detail;      // of the refusal: a sentence for people, static
    std::string path;        // of the last request line, without the query (for the Allow of a 405)
    enum http_method method; // of the last request line, as soon as it is known
    uint64_t requests;       // whole requests (head and body) seen so far
    // the rest is the scanner's own
    struct http_head_limits limits;
    std::string line; // the part of the present line that has come, without its CRLF
    size_t header_bytes, fields;
    uint64_t body_left;
    bool after_cr, version_1_1, seen_request_line, seen_host, seen_length;
};

void http_head_init(struct http_head *h, const struct http_head_limits *limits);

// The next bytes of the connection. False: refused; the state stays so. Within a body `data` is not
// looked at: where `size` is at most `body_left` it may be null.
[[nodiscard]] bool http_head_feed(struct http_head *h, const char *data, size_t size);

// Refuses for a reason of the caller's, such as time.
void http_head_refuse(struct http_head *h, int status, const char *detail);
