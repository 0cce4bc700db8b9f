// The scanner of request heads: bytes in, "go on" or a refusal out. Pure.
//
// Everything is decided by one byte or one whole line at a time, never by how the bytes were cut into
// pieces. What it lets pass, evhttp (libevent 2.1.12) reads in the same way; what evhttp would read
// otherwise than others do, is refused.
#include "http_head.h"

#include <algorithm>
#include <string_view>
#include <strings.h>

static const char *const METHOD_NAMES[] = {"GET",     "HEAD",  "POST",  "PUT",     "DELETE",
                                           "OPTIONS", "PATCH", "TRACE", "CONNECT", "UNKNOWN"};

const char *http_method_name(enum http_method m)
{
    return METHOD_NAMES[m];
}

void http_head_init(struct http_head *h, const struct http_head_limits *limits)
{
    *h = {};
    h->state = HTTP_HEAD_IDLE;
    h->limits = *limits;
}

void http_head_refuse(struct http_head *h, int status, const char *detail)
{
    h->state = HTTP_HEAD_REFUSED;
    h->status = status;
    h->detail = detail;
}

static bool refuse(struct http_head *h, int status, const char *detail)
{
    http_head_refuse(h, status, detail);
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// RFC 9110, section 5.6.2
static bool is_token(std::string_view text)
{
    for (const char c : text)
        if (!is_digit(c) && !is_letter(c) &&
            std::string_view("!#$%&'*+-.^_`|~").find(c) == std::string_view::npos)
            return false;
    return !text.empty();
}

// What may be in a Host value: names, addresses, a port (RFC 3986, section 3.2.2), but no user.
static bool is_host(std::string_view text)
{
    for (const char c : text)
        if (!is_digit(c) && !is_letter(c) &&
            std::string_view("-._~!$&'()*+,;=:[]%").find(c) == std::string_view::npos)
            return false;
    return true;
}

static bool is_name(std::string_view text, const char *name)
{
    const std::string_view want(name);
    return text.size() == want.size() && strncasecmp(text.data(), name, want.size()) == 0;
}

static enum http_method find_method(std::string_view name)
{
    for (int m = HTTP_GET; m < HTTP_CONNECT; m++)
        if (name == METHOD_NAMES[m])
            return static_cast<enum http_method>(m);
    return name == "CONNECT" ? HTTP_CONNECT : HTTP_UNKNOWN;
}

// Why `target` can not be taken, or null.
static const char *target_fault(std::string_view target)
{
    if (target.empty() || target[0] != '/' || target.substr(0, 2) == "//")
        return "The request target must begin with exactly one '/', such as /v1/pods.";
    for (size_t i = 0; i < target.size(); i++) {
        const char c = target[i];
        if (c < 0x21 || c > 0x7e || c == '#')
            return "The request target has a byte that must be written as %XX.";
        if (c != '%')
            continue;
        if (target.size() - i < 3 || !is_hex(target[i + 1]) || !is_hex(target[i + 2]))
            return "In the request target, '%' must be followed by two hexadecimal digits.";
        if (target[i + 1] == '0' && target[i + 2] == '0')
            return "The request target must not contain %00.";
    }
    return nullptr;
}

// The version at the end of the request line; false after a refusal.
static bool take_version(struct http_head *h, std::string_view version)
{
    if (version == "HTTP/1.1" || version == "HTTP/1.0") {
        h->version_1_1 = version.back() == '1';
        return true;
    }
    if (version.size() == 8 && version.substr(0, 5) == "HTTP/" && is_digit(version[5]) &&
        version[6] == '.' && is_digit(version[7]))
        return refuse(h, 505, "This HTTP version is not spoken here; use HTTP/1.1 or HTTP/1.0.");
    return refuse(h, 400, "The request line must end with HTTP/1.1 or HTTP/1.0.");
}

static bool take_request_line(struct http_head *h)
{
    const std::string_view line = h->line;
    if (line.empty())
        return refuse(h, 400,
                      "The request begins with an empty line; it must begin with a method.");
    const size_t first = line.find(' '), last = line.rfind(' ');
    const std::string_view method = line.substr(0, first);
    if (!is_token(method))
        return refuse(h, 400, "The request must begin with a method, such as GET.");
    h->method = find_method(method);
    if (first == last)
        return refuse(h, 400, "The request line must be a method, a target and a version.");
    const std::string_view target = line.substr(first + 1, last - first - 1);
    const char *fault = target_fault(target);
    if (fault)
        return refuse(h, 400, fault);
    if (!take_version(h, line.substr(last + 1)))
        return false;
    h->path = target.substr(0, target.find('?'));
    if (h->method == HTTP_CONNECT || h->method == HTTP_UNKNOWN)
        return refuse(h, 405, "This method is not known here.");
    h->seen_request_line = true;
    return true;
}

static bool take_host(struct http_head *h, std::string_view value)
{
    if (h->seen_host)
        return refuse(h, 400, "There must be one Host header, not two.");
    if (!is_host(value))
        return refuse(h, 400, "The Host header must be a name or an address, and a port or none.");
    h->seen_host = true;
    return true;
}

static bool take_length(struct http_head *h, std::string_view value)
{
    if (h->seen_length)
        return refuse(h, 400, "There must be one Content-Length header, not two.");
    if (value.empty())
        return refuse(h, 400, "The Content-Length must be a number in decimal digits.");
    h->seen_length = true;
    uint64_t length = 0;
    for (const char c : value) {
        if (!is_digit(c))
            return refuse(h, 400, "The Content-Length must be a number in decimal digits.");
        const uint64_t digit = static_cast<uint64_t>(c - '0');
        length = length > (UINT64_MAX - digit) / 10 ? UINT64_MAX : length * 10 + digit;
    }
    if (length > h->limits.max_body)
        return refuse(h, 413, "The request body is larger than this server takes.");
    h->body_left = length;
    return true;
}

static std::string_view trimmed(std::string_view text)
{
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

static bool take_header_line(struct http_head *h)
{
    const std::string_view line = h->line;
    if (++h->fields > HTTP_HEAD_MOST_FIELDS)
        return refuse(h, 431, "The header has more fields than this server takes, which is 100.");
    if (line[0] == ' ' || line[0] == '\t')
        return refuse(h, 400, "A header must be one line; continued lines are obsolete.");
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos)
        return refuse(h, 400, "A header line must be a name, a colon and a value.");
    const std::string_view name = line.substr(0, colon);
    if (!is_token(name))
        return refuse(h, 400, "A header name must be a token, right before its colon.");
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (is_name(name, "Host"))
        return take_host(h, value);
    if (is_name(name, "Content-Length"))
        return take_length(h, value);
    if (is_name(name, "Transfer-Encoding"))
        return refuse(h, 411, "Send the body with a Content-Length, not with Transfer-Encoding.");
    // evhttp takes a tab for a part of the value
    const bool has_tab = line.find('\t') != std::string_view::npos;
    if (is_name(name, "Expect") && (has_tab || !is_name(value, "100-continue")))
        return refuse(h, 417, "The only expectation that can be met is 100-continue.");
    return true;
}

// The whole request has come.
static void finish_request(struct http_head *h)
{
    h->requests++;
    h->state = HTTP_HEAD_IDLE;
}

static bool finish_header(struct http_head *h)
{
    if (h->version_1_1 && !h->seen_host)
        return refuse(h, 400, "An HTTP/1.1 request must have a Host header.");
    // evhttp reads no body after these two methods: it would be taken as the next request
    if (h->body_left > 0 && (h->method == HTTP_HEAD || h->method == HTTP_TRACE))
        return refuse(h, 400, "A HEAD or TRACE request must not have a body.");
    if (h->body_left > 0)
        h->state = HTTP_HEAD_BODY;
    else
        finish_request(h);
    return true;
}

static bool take_line(struct http_head *h)
{
    bool ok;
    if (!h->seen_request_line)
        ok = take_request_line(h);
    else if (h->line.empty())
        ok = finish_header(h);
    else
        ok = take_header_line(h);
    h->line.clear();
    return ok;
}

static bool is_control(char c)
{
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

// One byte of the head that is special, or may be.
static bool take_byte(struct http_head *h, char c)
{
    if (++h->header_bytes > h->limits.max_header)
        return refuse(h, 431, "The request line and header are larger than this server takes.");
    if (h->after_cr) {
        h->after_cr = false;
        return c == '\n' ? take_line(h) : refuse(h, 400, "A CR must be followed by LF.");
    }
    if (c == '\r') {
        h->after_cr = true;
        return true;
    }
    if (c == '\n')
        return refuse(h, 400, "Lines must end with CR and LF, not with LF alone.");
    if (is_control(c))
        return refuse(h, 400, "The request line and header must not contain control characters.");
    h->line += c;
    return true;
}

// How many bytes from `data` on belong to the present line for certain.
static size_t plain_run(const struct http_head *h, const char *data, size_t size)
{
    const size_t most = std::min(size, h->limits.max_header - h->header_bytes);
    size_t run = 0;
    while (run < most && !h->after_cr && !is_control(data[run]))
        run++;
    return run;
}

static void begin_request(struct http_head *h)
{
    h->state = HTTP_HEAD_PARTIAL;
    h->line.clear();
    h->header_bytes = h->fields = 0;
    h->body_left = 0;
    h->method = HTTP_UNKNOWN;
    h->after_cr = h->version_1_1 = false;
    h->seen_request_line = h->seen_host = h->seen_length = false;
}

bool http_head_feed(struct http_head *h, const char *data, size_t size)
{
    for (size_t at = 0; at < size && h->state != HTTP_HEAD_REFUSED;) {
        if (h->state == HTTP_HEAD_BODY) {
            const uint64_t some = std::min<uint64_t>(size - at, h->body_left);
            at += some;
            h->body_left -= some;
            if (h->body_left == 0)
                finish_request(h);
            continue;
        }
        if (h->state == HTTP_HEAD_IDLE)
            begin_request(h);
        const size_t run = plain_run(h, data + at, size - at);
        h->line.append(data + at, run);
        h->header_bytes += run;
        at += run;
        if (at < size && !take_byte(h, data[at++]))
            return false;
    }
    return h->state != HTTP_HEAD_REFUSED;
}
