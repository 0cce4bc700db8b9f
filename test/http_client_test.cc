// http_client: what replies and failures of a single server come to.
#include "http_client.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "cmocka_cc.h"
#include "fetching.h"
#include "tcp_server.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
#define OK      OK_HEAD "\r\nhello"

static const std::string &request(const struct fetching *s, size_t number)
{
    return tcp_server_requests(s->server).at(number);
}

static bool contains(const std::string &text, const char *part)
{
    return text.find(part) != std::string::npos;
}

struct reply_case {
    const char *reply;
    enum tcp_then then;
    enum fetch_status status;
    int http_status;
    const char *body;
};

static const struct reply_case reply_cases[] = {
    {OK, TCP_KEEP, FETCH_DONE, 200, "hello"},
    {"HTTP/1.0 200 OK\r\n\r\nuntil the end", TCP_CLOSE, FETCH_DONE, 200, "until the end"},
    {"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", TCP_KEEP, FETCH_DONE, 404, "no"},
    {"HTTP/1.1 204 None\r\n\r\n", TCP_KEEP, FETCH_DONE, 204, ""},
    {"HTTP/1.1 302 Go\r\nLocation: /c\r\nContent-Length: 0\r\n\r\n", TCP_KEEP, FETCH_DONE, 302, ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
     TCP_KEEP, FETCH_DONE, 200, "abcdefg"},
    {"HTTP/1.1 100 Continue\r\n\r\n" OK, TCP_KEEP, FETCH_DONE, 200, "hello"},
    {"HTTP/1.1 103 Early\r\nWarning: early\r\nRetry-After: 1\r\n\r\n" OK, TCP_KEEP, FETCH_DONE, 200,
     "hello"},
    {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nraw", TCP_KEEP,
     FETCH_DONE, 200, "raw"},
    // the trailer is no header
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nWarning: late\r\nHTTP/1.1 500 x: "
     "y\r\n\r\n",
     TCP_KEEP, FETCH_DONE, 200, ""},
    {"", TCP_CLOSE, FETCH_RESET, 0, ""},
    {"", TCP_RESET, FETCH_RESET, 0, ""},
    {"HTTP/1.1 200 OK\r\nContent-Le", TCP_CLOSE, FETCH_RESET, 200, ""},
    {OK_HEAD, TCP_CLOSE, FETCH_RESET, 200, ""},
    {"HTTP/1.1 100 Continue\r\n\r\n", TCP_CLOSE, FETCH_RESET, 100, ""},
    {OK_HEAD "\r\nhel", TCP_CLOSE, FETCH_RESET, 200, "hel"},
    {OK_HEAD "\r\nhel", TCP_RESET, FETCH_RESET, 200, nullptr},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", TCP_CLOSE, FETCH_RESET,
     200, "abc"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", TCP_KEEP, FETCH_RESET,
     200, ""},
    {"hello", TCP_CLOSE, FETCH_GARBAGE, 0, ""},
    {"SSH-2.0-OpenSSH_9.2\r\n", TCP_KEEP, FETCH_GARBAGE, 0, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n", TCP_KEEP, FETCH_GARBAGE, 200, ""},
    {"HTTP/3.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", TCP_CLOSE, FETCH_GARBAGE, 0, nullptr},
};

static void fetch__scripted_replies__status_and_body(void **)
{
    for (const struct reply_case &c : reply_cases) {
        struct fetching s = fetching_begin({{c.reply, c.then}});

        const struct outcome o = fetching_get(&s, s.url);

        if (o.status != c.status || o.http_status != c.http_status || (c.body && o.body != c.body))
            fail_msg("%s: %s %d '%s' (%s)", c.reply, fetch_status_name(o.status), o.http_status,
                     o.body.c_str(), o.error.c_str());
        assert_int_equal(o.error.empty(), o.status == FETCH_DONE);
        assert_string_equal(o.warning.c_str(), "");
        assert_int_equal(o.retry_after_s, -1);
        assert_true(o.sent);
        assert_int_equal(o.tries, 1);
        assert_int_equal(tcp_server_requests(s.server).size(), 1);
        fetching_end(&s);
    }
}

static void fetch__second_on_a_server__reuses_the_connection(void **)
{
    struct fetching s = fetching_begin({{OK, TCP_KEEP}});

    const struct outcome first = fetching_get(&s, s.url);
    const struct outcome second = fetching_get(&s, s.url);

    assert_int_equal(first.connects, 1);
    assert_int_equal(second.connects, 0);
    assert_int_equal(second.status, FETCH_DONE);
    assert_int_equal(tcp_server_connections(s.server), 1);
    fetching_end(&s);
}

static void fetch__get__sends_the_request_as_told_and_no_more(void **)
{
    struct fetching s = fetching_begin({{OK, TCP_KEEP}});
    struct fetch_headers *h =
        fetch_headers_new({"X-Id: 7", "Accept:", "Expect: x", "Bad: a\r\nb: c"});
    struct fetch_options options = fetching_options(s.url.c_str(), nullptr);
    options.headers = h;

    struct outcome o = fetching_do(&s, &options);
    const std::string host = s.url.substr(7, s.url.find('/', 7) - 7);
    const std::string want = "GET /a/../b?c=%2f HTTP/1.1\r\nHost: " + host + "\r\nX-Id: 7\r\n\r\n";

    assert_int_equal(o.status, FETCH_DONE);
    assert_string_equal(request(&s, 0).c_str(), want.c_str());
    fetch_headers_free(h);
    fetching_end(&s);
}

// One client, one easy handle: nothing of a request may stay for the next.
static void fetch__methods_in_turn__each_as_told(void **)
{
    static const char *const turns[][3] = {
        // method, body, the request's head begins and has
        {"PUT", "{\"a\":1}", "Content-Length: 7\r\n"},
        {"GET", nullptr, nullptr},
        {"POST", nullptr, "Content-Length: 0\r\n"},
        {"DELETE", nullptr, nullptr},
        {"HEAD", nullptr, nullptr},
        {"POST", "x", "Content-Length: 1\r\n"},
        {"DELETE", "yy", "Content-Length: 2\r\n"},
        {"HEAD", nullptr, nullptr},
        {"GET", nullptr, nullptr},
        {"HEAD", nullptr, nullptr},
        {"PUT", nullptr, "Content-Length: 0\r\n"},
        {"GET", "zzz", "Content-Length: 3\r\n"},
        {"GET", nullptr, nullptr},
        {"GET", "zzz", "Content-Length: 3\r\n"},
    };
    struct fetching s = fetching_begin({{OK, TCP_CLOSE}});
    size_t number = 0;
    for (const char *const *turn : turns) {
        struct fetch_options options = fetching_options(s.url.c_str(), nullptr);
        options.method = turn[0];
        options.body = turn[1];
        options.body_size = turn[1] ? strlen(turn[1]) : 0;

        const struct outcome o = fetching_do(&s, &options);
        const std::string &seen = request(&s, number++);

        assert_int_equal(o.status, FETCH_DONE);
        assert_string_equal(o.body.c_str(), strcmp(turn[0], "HEAD") == 0 ? "" : "hello");
        assert_int_equal(seen.find(std::string(turn[0]) + " /a/../b?c=%2f HTTP/1.1\r\n"), 0);
        assert_int_equal(contains(seen, "Content-Length"), turn[2] != nullptr);
        assert_true(!turn[2] || contains(seen, turn[2]));
        assert_string_equal(seen.substr(seen.find("\r\n\r\n") + 4).c_str(), turn[1] ? turn[1] : "");
        assert_false(contains(seen, "Expect"));
        assert_false(contains(seen, "Accept-Encoding"));
        assert_false(contains(seen, "Content-Type"));
        assert_true(contains(seen, "Accept: */*\r\n"));
    }
    fetching_end(&s);
}

static void fetch__put_of_over_a_megabyte__sends_all_without_expect(void **)
{
    struct fetching s = fetching_begin({{OK, TCP_KEEP}});
    const std::string body(1100000, 'x');
    struct fetch_headers *h = fetch_headers_new({"Content-Type: a/b", "User-Agent: me"});
    struct fetch_options options = fetching_options(s.url.c_str(), nullptr);
    options.method = "PUT";
    options.headers = h;
    options.body = body.data();
    options.body_size = body.size();
    options.once = true;

    const struct outcome o = fetching_do(&s, &options);

    assert_int_equal(o.status, FETCH_DONE);
    assert_true(request(&s, 0).ends_with(body));
    assert_false(contains(request(&s, 0), "Expect"));
    assert_true(contains(request(&s, 0), "Content-Type: a/b\r\n"));
    assert_true(contains(request(&s, 0), "User-Agent: me\r\n"));
    fetch_headers_free(h);
    fetching_end(&s);
}

static void fetch__reply_with_warning_and_retry_after__tells_them(void **)
{
    static const struct {
        const char *line;
        long seconds;
    } cases[] = {
        {"Retry-After: 17\r\n", 17},
        {"retry-after:0  \r\n", 0},
        {"Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n", -1},
        {"Retry-After: 99999999999999999999\r\n", -1},
        {"Retry-After:\r\n", -1},
        {"Retry-Afterwards: 3\r\n", -1},
    };
    for (const auto &c : cases) {
        struct fetching s =
            fetching_begin({{std::string("HTTP/1.1 429 Slow\r\nWARNING:  299 - \"a b\" \r\n") +
                                 c.line + "Warning: second\r\nContent-Length: 0\r\n\r\n",
                             TCP_KEEP}});

        const struct outcome o = fetching_get(&s, s.url);

        assert_int_equal(o.http_status, 429);
        assert_string_equal(o.warning.c_str(), "299 - \"a b\"");
        assert_int_equal(o.retry_after_s, c.seconds);
        fetching_end(&s);
    }
}

static void fetch__body_over_the_limit__is_too_large(void **)
{
    static const struct {
        const char *head;
        size_t limit;
        enum fetch_status status;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n", 39, FETCH_TOO_LARGE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n", 40, FETCH_DONE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\n", 40, FETCH_TOO_LARGE},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 39, FETCH_TOO_LARGE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n", 39, FETCH_TOO_LARGE},
    };
    for (const auto &c : cases) {
        struct fetching s = fetching_begin({{c.head + std::string(40, 'x'), TCP_CLOSE}});
        struct fetch_options options = fetching_options(s.url.c_str(), nullptr);
        options.max_body = c.limit;

        const struct outcome o = fetching_do(&s, &options);

        assert_int_equal(o.status, c.status);
        assert_int_equal(o.http_status, 200);
        assert_true(o.body.size() <= c.limit);
        fetching_end(&s);
    }
}

static bool on_piece(void *arg, const char *data, size_t size)
{
    struct outcome *o = static_cast<struct outcome *>(arg);
    o->warning.append(data, size); // free until the end
    return o->warning.size() < 4;
}

static void fetch__receiver_says_stop__is_stopped(void **)
{
    for (const bool discard : {false, true}) {
        struct fetching s = fetching_begin(
            {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n",
              TCP_KEEP}});
        struct outcome o = {};
        struct fetch_options options = fetching_options(s.url.c_str(), &o);
        options.on_data = on_piece;
        options.discard = discard;

        struct fetch *f = fetch_start(s.client, &options);
        fetching_wait(&s, &o);

        assert_non_null(f);
        assert_int_equal(o.status, FETCH_STOPPED);
        assert_string_equal(o.body.c_str(), discard ? "" : "abcdefg");
        fetching_end(&s);
    }
}

static void fetch__server_refuses__is_connect(void **)
{
    struct fetching s = fetching_begin({{OK, TCP_KEEP}});
    const std::string url = s.url;
    tcp_server_free(s.server);
    s.server = tcp_server_new(s.base, "127.0.0.1", 0, {{OK, TCP_KEEP}});

    const struct outcome o = fetching_get(&s, url);

    assert_int_equal(o.status, FETCH_CONNECT);
    assert_false(o.sent);
    assert_int_equal(o.tries, 0);
    assert_int_equal(o.http_status, 0);
    assert_string_not_equal(o.error.c_str(), "");
    fetching_end(&s);
}

static void fetch__url_of_no_use__is_connect_later(void **)
{
    const std::string huge = "http://127.0.0.1/" + std::string(9000000, 'x');
    for (const char *url : {huge.c_str(), "http://", "ftp://127.0.0.1/", "http://127.0.0.1:99999/",
                            "http://127.0.0.1/a b"}) {
        struct fetching f = fetching_begin({});

        const struct outcome o = fetching_get(&f, url);

        assert_int_equal(o.status, FETCH_CONNECT);
        assert_false(o.sent);
        assert_string_not_equal(o.error.c_str(), "");
        fetching_end(&f);
    }
}

static void fetch__name_instead_of_an_address__is_resolved(void **)
{
    struct fetching s = fetching_begin({{OK, TCP_KEEP}});
    const std::string port = std::to_string(tcp_server_port(s.server));

    for (unsigned i = 0; i < 3; i++) {
        const struct outcome o = fetching_get(&s, "http://localhost:" + port + "/");
        const struct outcome unknown =
            fetching_get(&s, "http://no-such-name.invalid:" + port + "/");
        assert_int_equal(o.status, FETCH_DONE);
        assert_int_equal(unknown.status, FETCH_CONNECT);
    }

    fetching_end(&s);
}

static void on_readable(evutil_socket_t, short, void *arg)
{
    ++*static_cast<unsigned *>(arg);
}

// How many of some new sockets, which have the lowest free descriptors, the loop sees readable.
static unsigned readable_of(struct event_base *base, unsigned pairs)
{
    unsigned seen = 0;
    std::vector<struct event *> events;
    std::vector<int> fds;
    for (unsigned i = 0; i < pairs; i++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        for (const int side : {0, 1}) {
            assert_int_equal(write(pair[side], "x", 1), 1);
            events.push_back(event_new(base, pair[!side], EV_READ, on_readable, &seen));
            event_add(events.back(), nullptr);
            fds.push_back(pair[side]);
        }
    }
    for (unsigned i = 0; i < 3; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    for (struct event *e : events)
        event_free(e);
    for (const int fd : fds)
        close(fd);
    return seen;
}

// libevent keeps one registration per descriptor: one that is left behind makes the next owner
// deaf.
static void fetch__its_sockets_closed__their_descriptors_serve_others(void **)
{
    for (const char *host : {"127.0.0.1", "no-such-name.invalid"}) {
        struct fetching s = fetching_begin({{OK, TCP_KEEP}});
        const std::string url =
            std::string("http://") + host + ":" + std::to_string(tcp_server_port(s.server)) + "/";
        struct fetch_options options = fetching_options(url.c_str(), nullptr);
        options.once = true; // the connection is not kept

        const struct outcome o = fetching_do(&s, &options);

        assert_int_equal(o.calls, 1);
        assert_int_equal(readable_of(s.base, 8), 16);
        fetching_end(&s);
    }
}

static void fetch__server_hangs__times_out_in_time(void **)
{
    for (const char *bytes : {"", "HTTP/1.1 100 Continue\r\n\r\n", OK_HEAD "\r\nhel"}) {
        struct fetching s = fetching_begin({{bytes, TCP_KEEP}});
        struct fetch_options options = fetching_options(s.url.c_str(), nullptr);
        options.timeout_ms = 60;

        const struct outcome o = fetching_do(&s, &options);

        assert_int_equal(o.status, FETCH_TIMEOUT);
        assert_true(o.ms >= 60 && o.ms < 3000);
        assert_true(o.sent);
        fetching_end(&s);
    }
}

// A listener whose queue is full: connections to it neither stand nor fail.
static int full_listener(std::string *url, int *fillers, size_t filler_count)
{
    struct sockaddr_in where = {};
    socklen_t size = sizeof where;
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct sockaddr *address = reinterpret_cast<struct sockaddr *>(&where);
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, address, size), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, address, &size), 0);
    for (size_t i = 0; i < filler_count; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], address, size); // in progress, for ever
    }
    *url = "http://127.0.0.1:" + std::to_string(ntohs(where.sin_port)) + "/";
    return listener;
}

static void fetch__connection_never_stands__is_connect_or_timeout(void **)
{
    static const struct {
        int64_t connect_ms;
        int64_t timeout_ms;
        enum fetch_status status;
    } cases[] = {
        {60, 5000, FETCH_CONNECT},
        {1300, 5000, FETCH_CONNECT}, // longer than what is usual
        {60, 0, FETCH_CONNECT},
        {5000, 60, FETCH_TIMEOUT},
    };
    std::string url;
    int fillers[3];
    const int listener = full_listener(&url, fillers, 3);
    for (const auto &c : cases) {
        struct fetching f = fetching_begin({});
        struct fetch_options options = fetching_options(url.c_str(), nullptr);
        options.connect_timeout_ms = c.connect_ms;
        options.timeout_ms = c.timeout_ms;

        const struct outcome o = fetching_do(&f, &options);

        assert_int_equal(o.status, c.status);
        assert_true(o.ms >=
                    (c.timeout_ms > 0 ? std::min(c.connect_ms, c.timeout_ms) : c.connect_ms));
        assert_true(o.ms < 4000);
        assert_false(o.sent);
        fetching_end(&f);
    }
    for (const int fd : fillers)
        close(fd);
    close(listener);
}

static void fetch__proxy_in_the_environment__is_ignored(void **)
{
    struct fetching s = fetching_begin({{OK, TCP_KEEP}});
    setenv("http_proxy", "http://127.0.0.1:1/", 1);
    setenv("all_proxy", "http://127.0.0.1:1/", 1);

    const struct outcome o = fetching_get(&s, s.url);

    assert_int_equal(o.status, FETCH_DONE);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    fetching_end(&s);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fetch__scripted_replies__status_and_body),
        cmocka_unit_test(fetch__second_on_a_server__reuses_the_connection),
        cmocka_unit_test(fetch__get__sends_the_request_as_told_and_no_more),
        cmocka_unit_test(fetch__methods_in_turn__each_as_told),
        cmocka_unit_test(fetch__put_of_over_a_megabyte__sends_all_without_expect),
        cmocka_unit_test(fetch__reply_with_warning_and_retry_after__tells_them),
        cmocka_unit_test(fetch__body_over_the_limit__is_too_large),
        cmocka_unit_test(fetch__receiver_says_stop__is_stopped),
        cmocka_unit_test(fetch__server_refuses__is_connect),
        cmocka_unit_test(fetch__url_of_no_use__is_connect_later),
        cmocka_unit_test(fetch__name_instead_of_an_address__is_resolved),
        cmocka_unit_test(fetch__its_sockets_closed__their_descriptors_serve_others),
        cmocka_unit_test(fetch__server_hangs__times_out_in_time),
        cmocka_unit_test(fetch__connection_never_stands__is_connect_or_timeout),
        cmocka_unit_test(fetch__proxy_in_the_environment__is_ignored),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
