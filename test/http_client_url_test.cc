// http_client: a handle goes from one URL to the next, and each request to where its URL says, with nothing
// of the one before.
#include "http_client.h"

#include <string>

#include "cmocka_cc.h"
#include "fetching.h"
#include "tcp_server.h"

static const std::vector<struct tcp_reply> SCRIPT = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", TCP_KEEP}};

// Three servers on the same port of addresses of their own.
struct servers {
    struct fetching fetching; // the first
    struct tcp_server *all[3];
    std::string port;
};

static struct servers servers_begin()
{
    struct servers s = {.fetching = fetching_begin(SCRIPT), .all = {}, .port = ""};
    const uint16_t port = tcp_server_port(s.fetching.server);
    s.all[0] = s.fetching.server;
    s.all[1] = tcp_server_new(s.fetching.base, "127.0.0.2", port, SCRIPT);
    s.all[2] = tcp_server_new(s.fetching.base, "127.0.0.3", port, SCRIPT);
    s.port = std::to_string(port);
    return s;
}

static void servers_end(struct servers *s)
{
    tcp_server_free(s->all[1]);
    tcp_server_free(s->all[2]);
    fetching_end(&s->fetching);
}

// Fetches, and looks whether the nth server got a request for this target and host, and nobody else any.
static void assert_goes_to(struct servers *s, const std::string &host, size_t server,
                           const std::string &target, const char *as_host)
{
    size_t before[3], after[3];
    for (size_t i = 0; i < 3; i++)
        before[i] = tcp_server_requests(s->all[i]).size();
    const struct outcome o = fetching_get(&s->fetching, "http://" + host + ":" + s->port + target);
    assert_int_equal(o.status, FETCH_DONE);
    for (size_t i = 0; i < 3; i++) {
        after[i] = tcp_server_requests(s->all[i]).size();
        assert_int_equal(after[i] - before[i], i == server ? 1 : 0);
    }
    const std::string &head = tcp_server_requests(s->all[server]).back();
    assert_true(head.starts_with("GET " + target + " HTTP/1.1\r\n"));
    assert_true(head.find("\r\nHost: " + std::string(as_host) + ":" + s->port + "\r\n") !=
                head.npos);
}

static void fetch__one_address_after_the_other__each_gets_its_own(void **)
{
    struct servers s = servers_begin();
    assert_goes_to(&s, "127.0.0.1", 0, "/v1/pods", "127.0.0.1");
    assert_goes_to(&s, "127.0.0.2", 1, "/v1/pods", "127.0.0.2");
    assert_goes_to(&s, "127.0.0.3", 2, "/v1/pods", "127.0.0.3");
    assert_goes_to(&s, "127.0.0.1", 0, "/v1/pods", "127.0.0.1");
    servers_end(&s);
}

static void fetch__another_target__is_asked_for(void **)
{
    struct servers s = servers_begin();
    assert_goes_to(&s, "127.0.0.1", 0, "/a", "127.0.0.1");
    assert_goes_to(&s, "127.0.0.1", 0, "/b", "127.0.0.1");
    assert_goes_to(&s, "127.0.0.2", 1, "/b?c=%2F&d=127.0.0.1", "127.0.0.2");
    assert_goes_to(&s, "127.0.0.3", 2, "/b?c=%2F&d=127.0.0.1", "127.0.0.3");
    assert_goes_to(&s, "127.0.0.2", 1, "/b", "127.0.0.2");
    assert_goes_to(&s, "127.0.0.3", 2, "/a/../%2e%2E/b", "127.0.0.3");
    assert_goes_to(&s, "127.0.0.1", 0, "/a/../%2e%2E/b", "127.0.0.1");
    servers_end(&s);
}

// Names, and addresses that are written in another way, which curl puts right.
static void fetch__names_in_between__go_where_they_say(void **)
{
    struct servers s = servers_begin();
    assert_goes_to(&s, "127.0.0.2", 1, "/a", "127.0.0.2");
    assert_goes_to(&s, "localhost", 0, "/a", "localhost");
    assert_goes_to(&s, "127.0.0.3", 2, "/a", "127.0.0.3");
    assert_goes_to(&s, "127.1", 0, "/a", "127.0.0.1");
    assert_goes_to(&s, "127.0.0.2", 1, "/a", "127.0.0.2");
    assert_goes_to(&s, "0177.0.0.03", 2, "/a", "127.0.0.3");
    assert_goes_to(&s, "2130706433", 0, "/a", "127.0.0.1");
    servers_end(&s);
}

// What stands before an @ is no host, whatever it looks like.
static void fetch__user_that_looks_like_an_address__is_none(void **)
{
    struct servers s = servers_begin();
    assert_goes_to(&s, "127.0.0.1", 0, "/a", "127.0.0.1");
    assert_goes_to(&s, "127.0.0.1:pw@127.0.0.2", 1, "/a", "127.0.0.2");
    assert_goes_to(&s, "127.0.0.3:pw@127.0.0.2", 1, "/a", "127.0.0.2");
    assert_goes_to(&s, "127.0.0.3", 2, "/a", "127.0.0.3");
    servers_end(&s);
}

static void fetch__after_a_url_that_is_refused__goes_where_it_says(void **)
{
    struct servers s = servers_begin();
    assert_goes_to(&s, "127.0.0.2", 1, "/a", "127.0.0.2");
    for (const char *bad : {"http://127.0.0.1:99999/a", "http://127.0.0.1:1/a\x01", "127.0.0.1",
                            "http://127.0.0.1", "http:///a", "http://127.0.0.1.:x/a", "",
                            "127.0.0.1/b?c=http://127.0.0.3/", "/a", "file:///etc/hostname"})
        assert_int_not_equal(fetching_get(&s.fetching, bad).status, FETCH_DONE);
    assert_goes_to(&s, "127.0.0.3", 2, "/a", "127.0.0.3");
    assert_goes_to(&s, "127.0.0.1", 0, "/a", "127.0.0.1");
    servers_end(&s);
}

// As many bytes, and the same end: the address alone would not do. Nobody listens there.
static void fetch__another_scheme__is_not_taken_for_the_one_before(void **)
{
    struct fetching s = fetching_begin({});

    const struct outcome http = fetching_get(&s, "http://127.77.0.9//a");
    const struct outcome https = fetching_get(&s, "https://127.77.0.9/a");

    assert_true(http.error.find(" port 80 ") != http.error.npos);
    assert_true(https.error.find(" port 443 ") != https.error.npos);
    fetching_end(&s);
}

// curl refuses so large a text, when some of what the request wants has been set.
static void fetch__after_one_that_curl_refuses__is_as_told(void **)
{
    struct fetching s = fetching_begin(SCRIPT);
    const std::string too_large(9 << 20, 'x');
    struct fetch_options options = fetching_options(s.url.c_str(), nullptr);
    options.once = true;
    options.ca_pem = &too_large;

    const struct outcome first = fetching_get(&s, s.url);
    const struct outcome refused = fetching_do(&s, &options);
    const struct outcome again = fetching_get(&s, s.url);

    assert_int_equal(first.status, FETCH_DONE);
    assert_int_equal(refused.status, FETCH_CONNECT);
    assert_false(refused.sent);
    assert_int_equal(again.status, FETCH_DONE);
    assert_int_equal(again.connects, 0);
    fetching_end(&s);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fetch__one_address_after_the_other__each_gets_its_own),
        cmocka_unit_test(fetch__another_target__is_asked_for),
        cmocka_unit_test(fetch__names_in_between__go_where_they_say),
        cmocka_unit_test(fetch__user_that_looks_like_an_address__is_none),
        cmocka_unit_test(fetch__after_a_url_that_is_refused__goes_where_it_says),
        cmocka_unit_test(fetch__another_scheme__is_not_taken_for_the_one_before),
        cmocka_unit_test(fetch__after_one_that_curl_refuses__is_as_told),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
