// The REST listener with TLS, over real sockets: what is different from plain HTTP.
#include <csignal>
#include <string>

#include <event2/event.h>

#include "clock.h"
#include "support/certificates.h"
#include "support/cmocka_cc.h"
#include "support/raw_client.h"
#include "support/server_fixture.h"
#include "support/tls_client.h"
#include "tls.h"

static struct authority the_authority;
static std::string the_folder;
static struct tls *the_tls;

// A client with its socket.
struct client {
    struct raw_client raw;
    struct tls_client tls;
};

// Sends what there is to send, and turns the loop for a moment.
static void turn(struct client *c)
{
    const std::string out = tls_client_out(&c->tls);
    if (!out.empty())
        raw_client_send(&c->raw, out);
    raw_client_wait_bytes(&c->raw, 1, 5);
    tls_client_take(&c->tls, c->raw.in);
    c->raw.in.clear();
}

// A callback's answer to whether it is time to go on.
typedef bool (*is_so_fn)(const struct client *c);

static bool turn_until(struct client *c, is_so_fn is_so, int ms = LONG_MS)
{
    const int64_t end_ms = clock_monotonic_ms() + ms;
    while (!is_so(c) && clock_monotonic_ms() < end_ms)
        turn(c);
    return is_so(c);
}

static bool is_open(const struct client *c)
{
    return tls_client_is_open(&c->tls);
}

static bool has_ended(const struct client *c)
{
    return c->raw.ended;
}

static struct client client_open(const struct server_fixture *f)
{
    struct client c = {};
    raw_client_init(&c.raw, f->base, f->port);
    const struct tls_client_options options = {.trusted = &the_authority};
    tls_client_init(&c.tls, &options);
    if (!turn_until(&c, is_open))
        fail_msg("no handshake");
    return c;
}

static void client_fini(struct client *c)
{
    tls_client_fini(&c->tls);
    raw_client_fini(&c->raw);
}

static bool has_contents(const struct client *c)
{
    const std::string &got = c->tls.plain;
    const size_t head = got.find("\r\n\r\n"), length = got.find("Content-Length: ");
    return head != std::string::npos && length < head &&
           got.size() >= head + 4 + std::stoul(got.substr(length + 16));
}

// The next reply, whole; empty: none came.
static std::string take_reply(struct client *c)
{
    if (!turn_until(c, has_contents))
        return "";
    const std::string &got = c->tls.plain;
    const size_t size =
        got.find("\r\n\r\n") + 4 + std::stoul(got.substr(got.find("Content-Length: ") + 16));
    const std::string reply = got.substr(0, size);
    c->tls.plain.erase(0, size);
    return reply;
}

static void assert_part(const std::string &text, const char *part)
{
    if (text.find(part) == std::string::npos)
        fail_msg("no \"%s\" in \"%s\"", part, text.substr(0, 2000).c_str());
}

static struct http_server_options options_of(struct server_fixture *f)
{
    struct http_server_options options = server_fixture_options(f);
    options.tls = the_tls;
    return options;
}

static int setup(void **state)
{
    server_fixture_setup(state);
    struct server_fixture *f = server_fixture_of(state);
    const struct http_server_options options = options_of(f);
    server_fixture_restart(f, &options);
    return 0;
}

static void requests__on_a_kept_connection__are_answered(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct client c = client_open(f);

    for (int i = 0; i < 3; i++) {
        tls_client_write(&c.tls, make_get("/now"));
        assert_part(take_reply(&c), "{\"a\":1}");
    }
    tls_client_write(&c.tls, make_get("/now") + make_get("/now?2"));
    assert_part(take_reply(&c), "{\"a\":1}");
    assert_part(take_reply(&c), "{\"a\":1}");

    assert_int_equal(f->seen.size(), 5);
    client_fini(&c);
}

// A record of TLS holds more than libevent reads at once: the rest waits in OpenSSL, where no event of
// the socket tells of it.
static void body__of_whole_records__comes_whole(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct client c = client_open(f);
    const std::string head = "POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: 819145\r\n\r\n";
    const std::string body(819145, 'b');
    assert_int_equal(head.size() + body.size(), 50 * 16384);

    tls_client_write(&c.tls, head + body);

    assert_part(take_reply(&c), "200 OK");
    assert_true(f->body == body);
    client_fini(&c);
}

static void reply__of_8_mebibytes__comes_whole_and_leaves_turns_to_others(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct client c = client_open(f), other = client_open(f);

    tls_client_write(&c.tls, make_get("/big"));
    turn(&c);
    tls_client_write(&other.tls, make_get("/now"));
    assert_part(take_reply(&other), "{\"a\":1}");
    assert_true(c.tls.plain.size() < f->reply_size);
    const std::string reply = take_reply(&c);

    assert_int_equal(reply.size() - reply.find("\r\n\r\n") - 4, f->reply_size);
    client_fini(&c);
    client_fini(&other);
}

static void last_reply__sent__ends_with_a_close_notify(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct client c = client_open(f), bad = client_open(f);

    tls_client_write(&c.tls, "GET /now HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    tls_client_write(&bad.tls, "nonsense\r\n\r\n");

    assert_part(take_reply(&c), "{\"a\":1}");
    assert_true(turn_until(&c, has_ended));
    assert_true(c.tls.ended);
    assert_part(take_reply(&bad), "400 Bad Request");
    assert_true(turn_until(&bad, has_ended));
    assert_true(bad.tls.ended);
    client_fini(&c);
    client_fini(&bad);
}

static void idle__for_too_long__ends_with_a_close_notify(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct http_server_options options = options_of(f);
    options.idle_timeout_ms = 300;
    server_fixture_restart(f, &options);
    struct client c = client_open(f);

    tls_client_write(&c.tls, make_get("/now"));
    assert_part(take_reply(&c), "{\"a\":1}");

    assert_true(turn_until(&c, has_ended, 2000));
    assert_true(c.tls.ended);
    client_fini(&c);
}

// Half of the client's connection is closed behind what is wrong: it may still read why.
static void refusal__with_the_end_right_behind__is_still_sent(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct client polite = client_open(f), rude = client_open(f);

    tls_client_write(&polite.tls, "nonsense\r\n\r\n");
    tls_client_close(&polite.tls);
    tls_client_write(&rude.tls, "nonsense\r\n\r\n");
    for (struct client *c : {&polite, &rude}) {
        raw_client_send(&c->raw, tls_client_out(&c->tls));
        raw_client_end(&c->raw);
    }

    assert_part(take_reply(&polite), "400 Bad Request");
    assert_part(take_reply(&rude), "400 Bad Request");
    client_fini(&polite);
    client_fini(&rude);
}

static void client__that_leaves_before_its_reply__is_noticed(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct client polite = client_open(f), rude = client_open(f);
    for (struct client *c : {&polite, &rude}) {
        tls_client_write(&c->tls, make_get("/held"));
        turn(c);
    }
    assert_true(server_fixture_wait_seen(f, 2));

    tls_client_close(&polite.tls);
    turn(&polite);
    raw_client_end(&polite.raw);
    raw_client_reset(&rude.raw);

    assert_true(server_fixture_wait_gone(f, 2));
    assert_true(server_fixture_wait_connections(f, 0));
    client_fini(&polite);
    client_fini(&rude);
}

static void handshake__silent_or_dripping__ends_by_the_deadline(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct http_server_options options = options_of(f);
    options.header_timeout_ms = 500;
    server_fixture_restart(f, &options);
    struct raw_client silent, drip;
    raw_client_init(&silent, f->base, f->port);
    raw_client_init(&drip, f->base, f->port);
    struct tls_client hello;
    const struct tls_client_options client = {.trusted = nullptr};
    tls_client_init(&hello, &client);
    const std::string bytes = tls_client_out(&hello);
    const int64_t begin_ms = clock_monotonic_ms();

    for (size_t i = 0; i < bytes.size() && !drip.ended; i++) {
        raw_client_send(&drip, bytes.substr(i, 1));
        raw_client_wait_end(&drip, 20);
    }

    assert_true(drip.ended);
    assert_true(raw_client_wait_end(&silent, LONG_MS));
    const int64_t took_ms = clock_monotonic_ms() - begin_ms;
    assert_true(took_ms >= 450 && took_ms < 2000);
    assert_true(server_fixture_wait_connections(f, 0));
    tls_client_fini(&hello);
    raw_client_fini(&silent);
    raw_client_fini(&drip);
}

static void request__that_drips__is_answered_408(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct http_server_options options = options_of(f);
    options.header_timeout_ms = 400;
    server_fixture_restart(f, &options);
    struct client c = client_open(f);

    tls_client_write(&c.tls, "GET /now HTT");

    assert_part(take_reply(&c), "408 Request Timeout");
    assert_true(turn_until(&c, has_ended));
    client_fini(&c);
}

static void reader__that_does_not_read__ends_by_the_deadline(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct http_server_options options = options_of(f);
    options.reply_timeout_ms = 500;
    server_fixture_restart(f, &options);
    f->reply_size = 64 << 20; // more than the kernel takes
    struct client c = client_open(f);

    const int64_t begin_ms = clock_monotonic_ms();

    tls_client_write(&c.tls, make_get("/big"));
    raw_client_send(&c.raw, tls_client_out(&c.tls));

    assert_true(server_fixture_wait_connections(f, 0));
    assert_true(clock_monotonic_ms() - begin_ms >= 500);
    client_fini(&c);
}

static void plain_http__on_the_port__is_told_what_is_wrong(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct raw_client c;
    raw_client_init(&c, f->base, f->port);

    raw_client_send(&c, make_get("/now"));
    const struct raw_reply reply = raw_client_reply(&c, LONG_MS);

    assert_int_equal(reply.status, 400);
    assert_part(reply.body, "use https://");
    assert_string_equal(raw_reply_header(&reply, "Content-Length").c_str(),
                        std::to_string(reply.body.size()).c_str());
    assert_true(raw_client_wait_end(&c, LONG_MS));
    assert_int_equal(f->seen.size(), 0);
    raw_client_fini(&c);
}

static void garbage__instead_of_a_handshake__is_ended(void **state)
{
    struct server_fixture *f = server_fixture_of(state);

    for (const char *bytes : {"\x16\x03\x01\xff\xff garbage", "SSH-2.0-x\r\n", "\x80\x2e\x01"}) {
        struct raw_client c;
        raw_client_init(&c, f->base, f->port);
        raw_client_send(&c, bytes);
        raw_client_end(&c);
        assert_true(raw_client_wait_end(&c, LONG_MS));
        raw_client_fini(&c);
    }

    assert_true(server_fixture_wait_connections(f, 0));
}

// Silent connections that hold every place end for one that comes and shakes hands.
static void places__all_taken_by_silent_connections__are_made_free(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct http_server_options options = options_of(f);
    options.max_connections = 8;
    server_fixture_restart(f, &options);
    struct raw_client silent[40];
    for (struct raw_client &c : silent)
        raw_client_init(&c, f->base, f->port);

    struct client c = client_open(f);
    tls_client_write(&c.tls, make_get("/now"));

    assert_part(take_reply(&c), "{\"a\":1}");
    assert_true(http_server_connections(f->server) <= 16);
    client_fini(&c);
    for (struct raw_client &one : silent)
        raw_client_fini(&one);
}

static void server__freed_in_the_middle__leaves_nothing(void **state)
{
    struct server_fixture *f = server_fixture_of(state);
    struct client idle = client_open(f), held = client_open(f), big = client_open(f);
    struct raw_client half;
    raw_client_init(&half, f->base, f->port);
    raw_client_send(&half, "\x16\x03\x01");
    tls_client_write(&held.tls, make_get("/held"));
    turn(&held);
    tls_client_write(&big.tls, make_get("/big"));
    turn(&big);
    assert_true(server_fixture_wait_seen(f, 2));

    const struct http_server_options options = options_of(f);
    server_fixture_restart(f, &options);

    assert_true(turn_until(&idle, has_ended));
    assert_true(turn_until(&held, has_ended));
    struct client next = client_open(f);
    tls_client_write(&next.tls, make_get("/now"));
    assert_part(take_reply(&next), "{\"a\":1}");
    for (struct client *c : {&idle, &held, &big, &next})
        client_fini(c);
    raw_client_fini(&half);
}

static int make_certificate(void **)
{
    the_authority = authority_new();
    the_folder = folder_new();
    const struct certificate pair = authority_issue_server(&the_authority);
    const struct tls_options options = {
        .cert_file = folder_put(the_folder, "tls.crt", pair.cert),
        .key_file = folder_put(the_folder, "tls.key", pair.key),
        .client_ca = "",
        .client_names = {},
    };
    std::string error;
    the_tls = tls_new(&options, &error);
    return the_tls ? 0 : -1;
}

static int remove_certificate(void **)
{
    tls_free(the_tls);
    folder_remove(the_folder);
    authority_free(&the_authority);
    return 0;
}

int main()
{
    signal(SIGPIPE, SIG_IGN);
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, server_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(requests__on_a_kept_connection__are_answered),
        TEST(body__of_whole_records__comes_whole),
        TEST(reply__of_8_mebibytes__comes_whole_and_leaves_turns_to_others),
        TEST(last_reply__sent__ends_with_a_close_notify),
        TEST(idle__for_too_long__ends_with_a_close_notify),
        TEST(refusal__with_the_end_right_behind__is_still_sent),
        TEST(client__that_leaves_before_its_reply__is_noticed),
        TEST(handshake__silent_or_dripping__ends_by_the_deadline),
        TEST(request__that_drips__is_answered_408),
        TEST(reader__that_does_not_read__ends_by_the_deadline),
        TEST(plain_http__on_the_port__is_told_what_is_wrong),
        TEST(garbage__instead_of_a_handshake__is_ended),
        TEST(places__all_taken_by_silent_connections__are_made_free),
        TEST(server__freed_in_the_middle__leaves_nothing),
    };
    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
