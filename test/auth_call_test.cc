// One review and its repetitions on a scripted HTTP client.
#include "cmocka_cc.h"

#include <event2/event.h>

#include "auth_call.h"
#include "credentials.h"
#include "fake_http_client.h"
#include "kube_client.h"
#include "log.h"

struct fixture {
    struct event_base *base;
    struct http_client *http;
    struct fake_script *script;
    struct credentials *credentials;
    struct kube_client *client;
    unsigned answers;
    bool good;
    std::string text; // of the answer, or the problem
};

static int set_up(void **state)
{
    struct fixture *f = new struct fixture();
    log_configure(LOG_AS_TEXT, LOG_AT_ERROR);
    f->base = event_base_new();
    f->http = http_client_new(f->base);
    f->script = fake_http_client_script(f->http);
    std::string error;
    f->credentials = credentials_new(nullptr, nullptr, 0, &error);
    f->client = kube_client_new(f->http, f->credentials, "https://api");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    kube_client_free(f->client);
    credentials_free(f->credentials);
    http_client_free(f->http);
    event_base_free(f->base);
    delete f;
    return 0;
}

static void add(struct fixture *f, int http_status, const char *body,
                enum fetch_status status = FETCH_DONE, long retry_after_s = -1)
{
    struct fake_reply reply;
    reply.http_status = http_status;
    reply.body = body;
    reply.status = status;
    reply.retry_after_s = retry_after_s;
    f->script->replies.push_back(reply);
}

static void on_done(void *arg, const struct auth_reply *reply)
{
    struct fixture *f = static_cast<struct fixture *>(arg);
    f->answers++;
    f->good = reply->data != nullptr;
    f->text = f->good ? std::string(reply->data, reply->size) : reply->problem;
    event_base_loopbreak(f->base);
}

static struct auth_call *start(struct fixture *f)
{
    struct auth_call_options options = {.base = f->base,
                                        .client = f->client,
                                        .path = "/r",
                                        .body = "{}",
                                        .done = on_done,
                                        .arg = f};
    f->answers = 0;
    return auth_call_start(&options);
}

static void run(struct fixture *f)
{
    assert_non_null(start(f));
    event_base_dispatch(f->base);
    assert_int_equal(f->answers, 1);
}

static void start__passing_failures__are_tried_again(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, 0, "", FETCH_RESET);
    add(f, 504, "slow");
    add(f, 201, "yes");

    run(f);

    assert_true(f->good);
    assert_string_equal(f->text.c_str(), "yes");
    assert_int_equal(f->script->requests.size(), 3);
    const int64_t first_ms = f->script->requests[1].at_ms - f->script->requests[0].at_ms;
    const int64_t second_ms = f->script->requests[2].at_ms - f->script->requests[1].at_ms;
    assert_true(first_ms >= AUTH_CALL_PAUSE_MS);
    assert_true(second_ms >= AUTH_CALL_PAUSE_MS * 3 / 2);
    // by clocks that may tick between the time-out and the request
    assert_true(f->script->requests[2].timeout_ms <= AUTH_CALL_MS - first_ms - second_ms + 1);
    for (const struct fake_request &r : f->script->requests)
        assert_string_equal(r.body.c_str(), "{}");
}

static void start__retry_after__is_obeyed(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, 429, "busy", FETCH_DONE, 1);
    add(f, 201, "yes");

    run(f);

    assert_true(f->good);
    assert_true(f->script->requests[1].at_ms - f->script->requests[0].at_ms >= 1000);
}

static void start__failures_that_last__are_told_at_once(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    static const struct {
        int http_status;
        enum fetch_status status;
        long retry_after_s;
        const char *problem;
    } table[] = {
        {0, FETCH_CONNECT, -1, "no-reply: scripted"},
        {0, FETCH_TLS, -1, "tls: scripted"},
        {401, FETCH_DONE, -1, "HTTP 401: words"},
        {403, FETCH_DONE, -1,
         "HTTP 403: words; this program's account wants the ClusterRole system:auth-delegator"},
        {404, FETCH_DONE, -1, "HTTP 404: words"},
        {503, FETCH_DONE, -1, "HTTP 503: words"},
        {503, FETCH_DONE, 30, "HTTP 503: words"}, // longer than all may take
    };

    for (const auto &row : table) {
        f->script->replies.clear();
        f->script->requests.clear();
        add(f, row.http_status, R"({"kind":"Status","message":"words"})", row.status,
            row.retry_after_s);
        run(f);
        assert_false(f->good);
        assert_string_equal(f->text.c_str(), row.problem);
        assert_int_equal(f->script->requests.size(), 1);
    }
}

static void start__reply_that_may_repeat_the_token__is_not_told(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, 400, R"({"kind":"TokenReview","spec":{"token":"secret"}})");

    run(f);

    assert_false(f->good);
    assert_string_equal(f->text.c_str(), "HTTP 400");
}

static void cancel__in_a_pause__ends_it(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, 500, "");
    struct auth_call *call = start(f);
    while (f->script->under_way > 0)
        event_base_loop(f->base, EVLOOP_ONCE);

    auth_call_cancel(call);
    event_base_dispatch(f->base);

    assert_int_equal(f->answers, 0);
    assert_int_equal(f->script->requests.size(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(start__passing_failures__are_tried_again),
        TEST(start__retry_after__is_obeyed),
        TEST(start__failures_that_last__are_told_at_once),
        TEST(start__reply_that_may_repeat_the_token__is_not_told),
        TEST(cancel__in_a_pause__ends_it),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
