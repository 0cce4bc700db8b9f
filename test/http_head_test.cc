// The scanner of request heads: what it takes and what it refuses, however the bytes are cut.
#include <cstring>
#include <string>

#include "http_head.h"
#include "support/cmocka_cc.h"

static const struct http_head_limits LIMITS = {.max_header = 256, .max_body = 1000};

// The outcome of feeding `text` in pieces of `step` bytes.
static struct http_head scan(const std::string &text, size_t step)
{
    struct http_head h;
    http_head_init(&h, &LIMITS);
    for (size_t at = 0; at < text.size(); at += step)
        if (!http_head_feed(&h, text.data() + at, std::min(step, text.size() - at)))
            break;
    return h;
}

static const size_t STEPS[] = {1, 2, 3, 7, 100000};

struct taken_case {
    const char *text;
    enum http_method method;
    const char *path;
    uint64_t requests;
    enum http_head_state state;
};

#define HOST "Host: x\r\n"
#define END  "\r\n"

static const struct taken_case TAKEN[] = {
    {"GET / HTTP/1.1\r\n" HOST END, HTTP_GET, "/", 1, HTTP_HEAD_IDLE},
    {"GET /v1/pods?x=/%2F?y HTTP/1.1\r\n" HOST END, HTTP_GET, "/v1/pods", 1, HTTP_HEAD_IDLE},
    {"GET / HTTP/1.0\r\n\r\n", HTTP_GET, "/", 1, HTTP_HEAD_IDLE},
    {"HEAD /a HTTP/1.1\r\nhOST:x:80\r\n\r\n", HTTP_HEAD, "/a", 1, HTTP_HEAD_IDLE},
    {"HEAD /a HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", HTTP_HEAD, "/a", 1, HTTP_HEAD_IDLE},
    {"TRACE /a HTTP/1.1\r\n" HOST END, HTTP_TRACE, "/a", 1, HTTP_HEAD_IDLE},
    {"OPTIONS /a HTTP/1.1\r\n" HOST END, HTTP_OPTIONS, "/a", 1, HTTP_HEAD_IDLE},
    {"PATCH /a HTTP/1.1\r\n" HOST END, HTTP_PATCH, "/a", 1, HTTP_HEAD_IDLE},
    {"GET /a HTTP/1.1\r\nHost:\r\n\r\n", HTTP_GET, "/a", 1, HTTP_HEAD_IDLE},
    {"GET /a HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", HTTP_GET, "/a", 1, HTTP_HEAD_IDLE},
    {"GET /a HTTP/1.1\r\n" HOST "X: \xc3\xa4\t,\x80\r\n\r\n", HTTP_GET, "/a", 1, HTTP_HEAD_IDLE},
    {"GET /a HTTP/1.1\r\n" HOST "X:\r\n\r\n", HTTP_GET, "/a", 1, HTTP_HEAD_IDLE},
    {"POST /p HTTP/1.1\r\n" HOST "Content-Length: 003 \r\n\r\nabc", HTTP_POST, "/p", 1,
     HTTP_HEAD_IDLE},
    {"POST /p HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length:3\r\n\r\nab", HTTP_POST,
     "/p", 0, HTTP_HEAD_BODY},
    {"PUT /p HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", HTTP_PUT, "/p", 1, HTTP_HEAD_IDLE},
    {"DELETE /p HTTP/1.1\r\n" HOST END, HTTP_DELETE, "/p", 1, HTTP_HEAD_IDLE},
    {"GET / HTTP/1.1\r\n" HOST END "GET /b HTTP/1.1\r\n" HOST END, HTTP_GET, "/b", 2,
     HTTP_HEAD_IDLE},
    {"POST /p HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n\r\n\nDELETE /b HTTP/1.1\r\n" HOST END,
     HTTP_DELETE, "/b", 2, HTTP_HEAD_IDLE},
    {"GET / HTTP/1.1\r\n" HOST END "G", HTTP_UNKNOWN, "/", 1, HTTP_HEAD_PARTIAL},
    {"GET / HTTP/1.1\r\n" HOST END "GET /b HTTP/1.1\r", HTTP_UNKNOWN, "/", 1, HTTP_HEAD_PARTIAL},
};

static void head__that_is_right__is_taken(void **)
{
    for (const struct taken_case &t : TAKEN) {
        for (const size_t step : STEPS) {
            const struct http_head h = scan(t.text, step);

            if (h.state != t.state || h.requests != t.requests || h.method != t.method)
                fail_msg("step %zu: state %d, %s: %s", step, h.state,
                         h.detail ? h.detail : "no detail", t.text);
            assert_string_equal(h.path.c_str(), t.path);
        }
    }
}

struct refused_case {
    std::string text;
    int status;
};

static std::string with_header(const char *line)
{
    return std::string("GET / HTTP/1.1\r\n" HOST) + line + "\r\n\r\n";
}

static std::string with_target(const char *target)
{
    return std::string("GET ") + target + " HTTP/1.1\r\n" HOST END;
}

static std::string with_bytes(const char *text, size_t size)
{
    return std::string(text, size);
}

#define BYTES(text) with_bytes(text, sizeof text - 1)

static const struct refused_case REFUSED[] = {
    // request line
    {"\r\nGET / HTTP/1.1\r\n", 400},
    {"\nGET / HTTP/1.1\r\n", 400},
    {BYTES("\x16\x03\x01"), 400}, // a TLS client
    {BYTES("GE\0T / HTTP/1.1\r\n"), 400},
    {" GET / HTTP/1.1\r\n", 400},
    {"GET\r\n", 400},
    {"GET /\r\n", 400},
    {"GET  / HTTP/1.1\r\n", 400},
    {"GET /  HTTP/1.1\r\n", 400},
    {"GET / HTTP/1.1 \r\n", 400},
    {"GET\t/ HTTP/1.1\r\n", 400},
    {"G(T / HTTP/1.1\r\n", 400},
    {"GET / HTTP/1.1\n", 400},
    {"GET / HTTP/1.1\rHost", 400},
    {"GET / HTTP/1.1\r\r\n", 400},
    {"GET / HTTP/0.9\r\n", 505},
    {"GET / HTTP/1.9\r\n", 505},
    {"GET / HTTP/2.0\r\n", 505},
    {"PRI * HTTP/2.0\r\n", 400},
    {"GET / http/1.1\r\n", 400},
    {"GET / HTTP/1.10\r\n", 400},
    {"GET / HTTP/1.\r\n", 400},
    {"GET / FTP/1.1\r\n", 400},
    {"FOO / HTTP/1.1\r\n", 405},
    {"get / HTTP/1.1\r\n", 405},
    {"CONNECT / HTTP/1.1\r\n", 405},
    {"CONNECT a:80 HTTP/1.1\r\n", 400},
    // target
    {with_target("*"), 400},
    {with_target("x"), 400},
    {with_target("//x/y"), 400},
    {with_target("http://x/y"), 400},
    {with_target("/a b"), 400},
    {with_target("/a#b"), 400},
    {with_target("/\xc3\xa4"), 400},
    {with_target("/a\tb"), 400},
    {with_target("/%"), 400},
    {with_target("/%4"), 400},
    {with_target("/%4g"), 400},
    {with_target("/a%00"), 400},
    {with_target("/a?b=%00"), 400},
    // lines
    {with_header("X: a\nY: b"), 400},
    {with_header("X: a\rY: b"), 400},
    {with_header("X: a\r\n folded"), 400},
    {with_header("\tX: a"), 400},
    {with_header("X : a"), 400},
    {with_header("X Y: a"), 400},
    {with_header(": a"), 400},
    {with_header("X"), 400},
    {with_header("X\xc3\xa4: a"), 400},
    {with_header("X: \x01"), 400},
    {with_header("X: \x7f"), 400},
    {BYTES("GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"), 400},
    // host
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {with_header("Host: y"), 400},
    {with_header("Host: x"), 400},
    {"GET / HTTP/1.0\r\nHost: x\r\nhost: x\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@b\r\n\r\n", 400},
    // length
    {with_header("Content-Length: 3\r\nContent-Length: 3"), 400},
    {with_header("Content-Length: 3\r\ncontent-length: 4"), 400},
    {with_header("Content-Length: 3, 3"), 400},
    {with_header("Content-Length: +3"), 400},
    {with_header("Content-Length: -3"), 400},
    {with_header("Content-Length: 0x3"), 400},
    {with_header("Content-Length: 3 3"), 400},
    {with_header("Content-Length: 3.0"), 400},
    {with_header("Content-Length: "), 400},
    {with_header("Content-Length:\x0b 3"), 400},
    {with_header("Content-Length : 3"), 400},
    {with_header("Content-Length: 1001"), 413},
    {with_header("Content-Length: 18446744073709551617"), 413},
    {with_header("Content-Length: 99999999999999999999999999999999999999"), 413},
    {"HEAD / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", 400},
    {"TRACE / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", 400},
    // coding, expectation
    {with_header("Transfer-Encoding: chunked"), 411},
    {with_header("Transfer-Encoding: identity"), 411},
    {with_header("transfer-encoding:"), 411},
    {with_header("Content-Length: 3\r\nTransfer-Encoding: chunked"), 411},
    {with_header("Transfer-Encoding : chunked"), 400},
    {with_header("Expect: 200-ok"), 417},
    {with_header("Expect: "), 417},
};

static void head__that_is_wrong__is_refused(void **)
{
    for (const struct refused_case &t : REFUSED) {
        for (const size_t step : STEPS) {
            const struct http_head h = scan(t.text, step);

            if (h.state != HTTP_HEAD_REFUSED || h.status != t.status)
                fail_msg("step %zu: state %d, status %d, want %d: %s", step, h.state, h.status,
                         t.status, t.text.c_str());
            assert_int_equal(h.requests, 0);
            assert_true(strlen(h.detail) > 10);
        }
    }
}

static void header__of_exactly_the_limit__is_taken(void **)
{
    const std::string begin = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
    const std::string fits =
        begin + std::string(LIMITS.max_header - begin.size() - 4, 'a') + "\r\n\r\n";
    const std::string over =
        begin + std::string(LIMITS.max_header - begin.size() - 3, 'a') + "\r\n\r\n";

    for (const size_t step : STEPS) {
        assert_int_equal(scan(fits + fits, step).requests, 2);
        assert_int_equal(scan(fits + over, step).status, 431);
        assert_int_equal(scan(fits + over, step).requests, 1);
        assert_int_equal(scan("GET /" + std::string(1000, 'a'), step).status, 431);
    }
}

static void refusal__once_made__stays(void **)
{
    struct http_head h = scan("GET / HTTP/1.1\r\n\r\n", 100);

    assert_false(http_head_feed(&h, "GET ", 4));

    assert_int_equal(h.status, 400);
}

static void refusal__of_caller__stays(void **)
{
    struct http_head h = scan("GET / HT", 100);

    http_head_refuse(&h, 408, "too slow");

    assert_false(http_head_feed(&h, "TP/1.1\r\nHost: x\r\n\r\n", 19));
    assert_int_equal(h.status, 408);
    assert_int_equal(h.requests, 0);
}

static void body__is_not_looked_at(void **)
{
    struct http_head h = scan("PUT / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n", 100);

    assert_true(http_head_feed(&h, nullptr, 5));
    assert_int_equal(h.state, HTTP_HEAD_BODY);
    assert_true(http_head_feed(&h, nullptr, 4));

    assert_int_equal(h.state, HTTP_HEAD_IDLE);
    assert_int_equal(h.requests, 1);
}

static void fields__beyond_the_most__are_refused(void **)
{
    const struct http_head_limits wide = {.max_header = 100000, .max_body = 0};
    std::string text = "GET / HTTP/1.1\r\n" HOST;
    for (size_t i = 1; i < HTTP_HEAD_MOST_FIELDS; i++)
        text += "a:\r\n";
    struct http_head h;

    http_head_init(&h, &wide);
    assert_true(http_head_feed(&h, text.data(), text.size()));
    assert_true(http_head_feed(&h, "\r\n", 2));
    assert_int_equal(h.requests, 1);
    assert_true(http_head_feed(&h, text.data(), text.size())); // each request has its own
    assert_false(http_head_feed(&h, "a:\r\n", 4));

    assert_int_equal(h.status, 431);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields__beyond_the_most__are_refused),
        cmocka_unit_test(head__that_is_right__is_taken),
        cmocka_unit_test(head__that_is_wrong__is_refused),
        cmocka_unit_test(header__of_exactly_the_limit__is_taken),
        cmocka_unit_test(refusal__once_made__stays),
        cmocka_unit_test(refusal__of_caller__stays),
        cmocka_unit_test(body__is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
