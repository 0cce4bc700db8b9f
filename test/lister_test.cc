// Lists of one resource, on a scripted HTTP client.
#include "cmocka_cc.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

#include <event2/event.h>

#include "credentials.h"
#include "fake_http_client.h"
#include "kube_json.h"
#include "lister.h"

struct fixture {
    struct event_base *base;
    struct http_client *http;
    struct fake_script *script;
    std::string token_file, ca_file;
    struct credentials *credentials;
    struct kube_client *client;
    struct lister *lister;
    unsigned syncs, errors;
    std::vector<struct kube_item> items;
    std::string version;
    enum kube_failure failure;
    int64_t retry_after_ms;
    std::string message;
};

static void put(const std::string &path, const char *text)
{
    FILE *f = fopen(path.c_str(), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

static std::string pem(const char *inside)
{
    return std::string("-----BEGIN CERTIFICATE-----\n") + inside + "\n-----END CERTIFICATE-----";
}

static std::string make_file(const char *text)
{
    char path[] = "/tmp/lister_test.XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    put(path, text);
    return path;
}

static void on_list(void *arg, std::vector<struct kube_item> *items, const std::string &version)
{
    struct fixture *f = static_cast<struct fixture *>(arg);
    f->syncs++;
    f->items = std::move(*items);
    f->version = version;
    event_base_loopbreak(f->base);
}

static void on_error(void *arg, const struct kube_answer *error)
{
    struct fixture *f = static_cast<struct fixture *>(arg);
    f->errors++;
    f->failure = error->failure;
    f->retry_after_ms = error->retry_after_ms;
    f->message = error->message;
    event_base_loopbreak(f->base);
}

static void use(struct fixture *f, enum kube_resource resource, const char *server,
                int64_t timeout_ms)
{
    lister_free(f->lister);
    kube_client_free(f->client);
    f->client = kube_client_new(f->http, f->credentials, server);
    struct lister_options options = {
        .base = f->base,
        .client = f->client,
        .query = {},
        .timeout_ms = timeout_ms,
        .on_list = on_list,
        .on_error = on_error,
        .arg = f,
    };
    options.query.resource = resource;
    options.query.label_selector = "app=x";
    f->lister = lister_new(&options);
}

static int set_up(void **state)
{
    struct fixture *f = new struct fixture();
    f->base = event_base_new();
    f->http = http_client_new(f->base);
    f->script = fake_http_client_script(f->http);
    f->token_file = make_file("first");
    f->ca_file = make_file(pem("QUFB").c_str());
    std::string error;
    f->credentials = credentials_new(f->token_file.c_str(), f->ca_file.c_str(), 0, &error);
    assert_non_null(f->credentials);
    use(f, KUBE_PODS, "https://api", 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    lister_free(f->lister);
    kube_client_free(f->client);
    credentials_free(f->credentials);
    http_client_free(f->http);
    event_base_free(f->base);
    unlink(f->token_file.c_str());
    unlink(f->ca_file.c_str());
    delete f;
    return 0;
}

static void add(struct fixture *f, int status, const std::string &body)
{
    struct fake_reply reply;
    reply.http_status = status;
    reply.body = body;
    f->script->replies.push_back(reply);
}

// One list, until its callback.
static void run(struct fixture *f)
{
    lister_start(f->lister, f->version);
    event_base_dispatch(f->base);
}

static const char *url(const struct fixture *f, size_t i)
{
    assert_true(i < f->script->requests.size());
    return f->script->requests[i].url.c_str();
}

static bool has_header(const struct fixture *f, size_t i, const char *start)
{
    for (const std::string &line : f->script->requests[i].headers)
        if (line.starts_with(start))
            return true;
    return false;
}

static void list__two_pages_and_an_empty_one__are_handed_on_as_one(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, 200, kube_json_pods(0, 2, "a+/="));
    add(f, 200, kube_json_pods(2, 2, "b"));
    add(f, 200, kube_json_pods(2, 3, ""));

    run(f);

    assert_int_equal(f->syncs, 1);
    assert_int_equal(f->items.size(), 3);
    assert_string_equal(f->version.c_str(), "284");
    assert_string_equal(url(f, 0), "https://api/api/v1/pods?labelSelector=app%3Dx&limit=250");
    assert_string_equal(
        url(f, 1), "https://api/api/v1/pods?labelSelector=app%3Dx&limit=250&continue=a%2B%2F%3D");
    assert_string_equal(url(f, 2),
                        "https://api/api/v1/pods?labelSelector=app%3Dx&limit=250&continue=b");
}

static void list__headers__are_those_of_the_protocol(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, 200, kube_json_pods(0, 1, ""));

    run(f);

    assert_true(has_header(f, 0, "User-Agent: tracer-svc/"));
    assert_true(has_header(f, 0, "Accept: application/json"));
    assert_true(has_header(f, 0, "Authorization: Bearer first"));
    assert_false(has_header(f, 0, "Accept-Encoding"));
    assert_string_equal(f->script->requests[0].ca.c_str(), pem("QUFB").c_str());
}

static void list__plain_http__carries_no_token(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    use(f, KUBE_PODS, "http://127.0.0.1:8001", 0);
    add(f, 200, kube_json_pods(0, 1, ""));

    run(f);

    assert_int_equal(f->syncs, 1);
    assert_false(has_header(f, 0, "Authorization"));
}

static void list__slices_again__come_from_the_cache(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    use(f, KUBE_SLICES, "https://api", 0);
    add(f, 200, kube_json_slices(0, 1, 80, ""));
    add(f, 200, kube_json_slices(0, 2, 80, "next"));
    add(f, 200, kube_json_slices(2, 3, 80, ""));

    run(f);
    run(f);

    assert_int_equal(f->syncs, 2);
    assert_int_equal(f->items.size(), 2);
    assert_non_null(strstr(url(f, 0), "limit=500"));
    assert_null(strstr(url(f, 0), "resourceVersion"));
    assert_non_null(strstr(url(f, 1), "&resourceVersion=284&resourceVersionMatch=NotOlderThan"));
    assert_null(strstr(url(f, 1), "limit"));
    assert_non_null(strstr(url(f, 2), "continue=next"));
    assert_null(strstr(url(f, 2), "resourceVersion"));
}

static void list__cached_version_unknown__is_asked_for_afresh(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    use(f, KUBE_SLICES, "https://api", 0);
    const struct {
        int code;
        const char *message;
    } table[] = {{410, "expired"}, {504, "Too large resource version: 9, current: 1"}};

    for (const auto &row : table) {
        add(f, 200, kube_json_slices(0, 1, 80, ""));
        run(f);
        f->script->requests.clear();
        add(f, row.code, kube_json_status(row.code, "x", row.message));
        add(f, 200, kube_json_slices(0, 2, 80, ""));
        run(f);
        assert_int_equal(f->script->requests.size(), 2);
        assert_non_null(strstr(url(f, 0), "NotOlderThan"));
        assert_null(strstr(url(f, 1), "resourceVersion"));
        f->script->requests.clear();
    }
    add(f, 200, kube_json_slices(0, 2, 80, ""));
    run(f);
    assert_null(strstr(url(f, 0), "resourceVersion")); // it would have to wait each time
    assert_int_equal(f->errors, 0);
}

static void list__page_2_expires__begins_again(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, 200, kube_json_pods(0, 2, "a"));
    add(f, 410, kube_json_status(410, "Expired", "too old"));
    add(f, 200, kube_json_pods(0, 1, "b"));
    add(f, 200, kube_json_pods(1, 2, ""));

    run(f);

    assert_int_equal(f->syncs, 1);
    assert_int_equal(f->items.size(), 2);
    assert_null(strstr(url(f, 2), "continue"));
    assert_non_null(strstr(url(f, 3), "continue=b"));
}

static void list__page_2_expires_three_times__is_asked_for_in_one(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    for (int i = 0; i < 3; i++) {
        add(f, 200, kube_json_pods(0, 2, "a"));
        add(f, 410, kube_json_status(410, "Gone", "too old"));
    }
    add(f, 200, kube_json_pods(0, 3, ""));

    run(f);

    assert_int_equal(f->syncs, 1);
    assert_int_equal(f->items.size(), 3);
    assert_string_equal(url(f, 6),
                        "https://api/api/v1/pods?labelSelector=app%3Dx&resourceVersion=0");
}

struct change {
    const char *path;
    std::string text;
};

static void change_file(void *arg)
{
    const struct change *c = static_cast<const struct change *>(arg);
    put(c->path, c->text.c_str());
}

static void list__401_and_another_token__is_tried_again_once(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    struct change change = {f->token_file.c_str(), "second"};
    add(f, 401, kube_json_status(401, "Unauthorized", "Unauthorized"));
    f->script->replies.back().before = change_file;
    f->script->replies.back().arg = &change;
    add(f, 200, kube_json_pods(0, 1, ""));

    run(f);

    assert_int_equal(f->syncs, 1);
    assert_true(has_header(f, 0, "Authorization: Bearer first"));
    assert_true(has_header(f, 1, "Authorization: Bearer second"));
}

static void list__401_and_the_same_token__fails(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, 401, kube_json_status(401, "Unauthorized", "Unauthorized"));

    run(f);

    assert_int_equal(f->errors, 1);
    assert_int_equal(f->failure, KUBE_DENIED);
    assert_int_equal(f->script->requests.size(), 1);
    assert_int_equal(f->message.find("first"), std::string::npos);
}

static void list__tls_fails_and_other_certificates__is_tried_again_once(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    struct change change = {f->ca_file.c_str(), pem("QkJC")};
    struct fake_reply reply;
    reply.status = FETCH_TLS;
    reply.before = change_file;
    reply.arg = &change;
    f->script->replies = {reply};
    add(f, 200, kube_json_pods(0, 1, ""));
    run(f);
    assert_int_equal(f->syncs, 1);
    assert_string_equal(f->script->requests[1].ca.c_str(), pem("QkJC").c_str());
    assert_int_equal(f->script->forgets, 1);

    reply.before = nullptr;
    f->script->replies = {reply};
    run(f);
    assert_int_equal(f->errors, 1);
    assert_int_equal(f->failure, KUBE_UNREACHABLE);
    assert_int_equal(f->script->requests.size(), 3);
}

static void list__no_list__is_an_error_by_its_kind(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    const struct {
        int status; // 0: no reply
        std::string body;
        long retry_after_s;
        enum kube_failure failure;
        int64_t retry_after_ms;
        const char *message;
    } table[] = {
        {403, kube_json_status(403, "Forbidden", "cannot list"), -1, KUBE_FORBIDDEN, 0,
         "list pods: HTTP 403: cannot list"},
        {404, "404 page not found\n", -1, KUBE_ABSENT, 0,
         "list pods: HTTP 404: 404 page not found\n"},
        {429, "slow down", 7, KUBE_BUSY, 7000, "list pods: HTTP 429: slow down"},
        {503, "", 3600, KUBE_BUSY, 60000, "list pods: HTTP 503"},
        {504, R"({"kind":"Status","details":{"retryAfterSeconds":2}})", 1, KUBE_BUSY, 2000,
         "list pods: HTTP 504"},
        {400, kube_json_status(400, "BadRequest", "bad"), -1, KUBE_REFUSED, 0,
         "list pods: HTTP 400: bad"},
        {410, kube_json_status(410, "Gone", "gone"), -1, KUBE_EXPIRED, 0,
         "list pods: HTTP 410: gone"},
        {302, "", -1, KUBE_REFUSED, 0, "list pods: HTTP 302"},
        {200, "{\"kind\":\"PodList\",", -1, KUBE_BAD_REPLY, 0, "list pods: no valid JSON"},
        {200, kube_json_status(200, "x", "text"), -1, KUBE_BAD_REPLY, 0,
         "list pods: want a PodList, not 'Status': text"},
        {0, "", -1, KUBE_UNREACHABLE, 0, "list pods: no-reply: scripted"},
    };

    for (const auto &row : table) {
        add(f, row.status, row.body);
        f->script->replies.back().retry_after_s = row.retry_after_s;
        if (row.status == 0)
            f->script->replies.back().status = FETCH_RESET;
        run(f);
        assert_int_equal(f->failure, row.failure);
        assert_int_equal(f->retry_after_ms, row.retry_after_ms);
        assert_string_equal(f->message.c_str(), row.message);
        assert_true(f->script->replies.empty());
    }
    assert_int_equal(f->syncs, 0);
}

static void list__pages_without_end__stop_at_the_deadline(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    use(f, KUBE_PODS, "https://api", 20);
    add(f, 200, kube_json_pods(0, 1, "again"));
    f->script->replies.back().repeat = true;

    run(f);

    assert_int_equal(f->errors, 1);
    assert_int_equal(f->failure, KUBE_UNREACHABLE);
    assert_int_equal(f->script->under_way, 0);
}

static void stop__list_under_way__calls_nothing(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, 200, kube_json_pods(0, 1, ""));
    lister_start(f->lister, "");

    lister_stop(f->lister);
    event_base_dispatch(f->base);

    assert_int_equal(f->syncs + f->errors, 0);
    assert_int_equal(f->script->under_way, 0);
    lister_start(f->lister, "");
    lister_free(f->lister);
    f->lister = nullptr;
    assert_int_equal(f->script->under_way, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(list__two_pages_and_an_empty_one__are_handed_on_as_one),
        TEST(list__headers__are_those_of_the_protocol),
        TEST(list__plain_http__carries_no_token),
        TEST(list__slices_again__come_from_the_cache),
        TEST(list__cached_version_unknown__is_asked_for_afresh),
        TEST(list__page_2_expires__begins_again),
        TEST(list__page_2_expires_three_times__is_asked_for_in_one),
        TEST(list__401_and_another_token__is_tried_again_once),
        TEST(list__401_and_the_same_token__fails),
        TEST(list__tls_fails_and_other_certificates__is_tried_again_once),
        TEST(list__no_list__is_an_error_by_its_kind),
        TEST(list__pages_without_end__stop_at_the_deadline),
        TEST(stop__list_under_way__calls_nothing),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
