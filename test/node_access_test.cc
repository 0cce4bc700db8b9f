// What requests to nodes carry as token and certificates change. On a scripted http_client.
#include "node_access.h"

#include <event2/event.h>

#include "certificates.h"
#include "cmocka_cc.h"
#include "fake_http_client.h"

struct fixture {
    struct event_base *base;
    struct http_client *http;
    std::string folder, token_file, ca_file;
    struct authority authority;
    struct node_access *access;
};

static void open_access(struct fixture *f)
{
    const struct node_access_options options = {.token_file = f->token_file, .ca_file = f->ca_file};
    std::string error;
    f->access = node_access_new(&options, &error);
    assert_string_equal(error.c_str(), "");
    assert_non_null(f->access);
}

static int begin(void **state)
{
    struct fixture *f = new struct fixture();
    f->base = event_base_new();
    f->http = http_client_new(f->base);
    f->authority = authority_new();
    f->folder = folder_new();
    f->token_file = folder_put(f->folder, "token", "first\n");
    f->ca_file = folder_put(f->folder, "ca.crt", f->authority.pem);
    open_access(f);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    node_access_free(f->access);
    http_client_free(f->http);
    event_base_free(f->base);
    authority_free(&f->authority);
    folder_remove(f->folder);
    delete f;
    return 0;
}

// A GET that carries what `pass` says.
static struct fake_request request_with(struct fixture *f, struct node_pass *pass, const char *url)
{
    struct fetch_options options = {};
    options.method = "GET";
    options.url = url;
    options.shard = FETCH_SHARD_KUBERNETES + 1; // where nodes begin
    options.done = [](void *, const struct fetch_result *) {};
    node_pass_apply(pass, &options);
    struct fetch *fetch = fetch_start(f->http, &options);
    const struct fake_request request = fake_http_client_script(f->http)->requests.back();
    fetch_cancel(fetch);
    return request;
}

static struct fake_request request_to(struct fixture *f, const char *url)
{
    struct node_pass *pass = node_pass_new(f->access, {"X-Request-Id: 7"});
    const struct fake_request request = request_with(f, pass, url);
    node_pass_free(pass);
    return request;
}

static bool has_line(const struct fake_request &r, const char *line)
{
    for (const std::string &header : r.headers)
        if (header == line)
            return true;
    return false;
}

static bool has_token(const struct fake_request &r)
{
    for (const std::string &header : r.headers)
        if (header.starts_with("Authorization"))
            return true;
    return false;
}

// As it is kept: without the newline at its end.
static std::string trimmed(const struct authority &a)
{
    return a.pem.substr(0, a.pem.find_last_not_of('\n') + 1);
}

static void put_authority(struct fixture *f, struct authority *other)
{
    *other = authority_new();
    folder_put(f->folder, "ca.crt", other->pem);
}

static void pass__for_https__carries_token_and_certificates(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);

    const struct fake_request r = request_to(f, "https://10.0.0.1:8443/v1/pods");

    assert_true(has_line(r, "Authorization: Bearer first"));
    assert_true(has_line(r, "X-Request-Id: 7"));
    assert_string_equal(r.ca.c_str(), trimmed(f->authority).c_str());
}

static void pass__for_plain_http__carries_neither(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);

    const struct fake_request r = request_to(f, "http://10.0.0.1:8443/v1/pods?https://");

    assert_false(has_token(r));
    assert_true(has_line(r, "X-Request-Id: 7"));
    assert_string_equal(r.ca.c_str(), "");
}

static void pass__without_access_or_files__carries_only_its_lines(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    const struct node_access_options nothing = {};
    std::string error;
    struct node_access *empty = node_access_new(&nothing, &error);
    assert_non_null(empty);

    for (struct node_access *a : {empty, static_cast<struct node_access *>(nullptr)}) {
        struct node_pass *pass = node_pass_new(a, {"X-Request-Id: 8"});
        const struct fake_request r = request_with(f, pass, "https://10.0.0.1:8443/");
        node_pass_free(pass);
        assert_false(has_token(r));
        assert_true(has_line(r, "X-Request-Id: 8"));
        assert_string_equal(r.ca.c_str(), "");
    }
    node_access_reread(empty);
    node_access_free(empty);
}

static void reread__changed_files__are_taken_by_the_next_pass(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    struct node_pass *old = node_pass_new(f->access, {});
    struct authority other;
    folder_put(f->folder, "token", "second");
    put_authority(f, &other);

    assert_true(has_line(request_to(f, "https://a:1/"), "Authorization: Bearer first"));
    node_access_reread(f->access);

    const struct fake_request r = request_to(f, "https://a:1/");
    assert_true(has_line(r, "Authorization: Bearer second"));
    assert_string_equal(r.ca.c_str(), trimmed(other).c_str());
    // one that is under way keeps what it began with
    const struct fake_request before = request_with(f, old, "https://a:1/");
    assert_true(has_line(before, "Authorization: Bearer first"));
    assert_string_equal(before.ca.c_str(), trimmed(f->authority).c_str());
    node_pass_free(old);
    authority_free(&other);
}

static void reread__files_of_no_use__keep_what_was_good(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    const char *const damaged = "-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n";

    for (const char *text : {"", "two words", "no\nline"}) {
        folder_put(f->folder, "token", text);
        folder_put(f->folder, "ca.crt", *text == '\0' ? damaged : text);
        node_access_reread(f->access);
        const struct fake_request r = request_to(f, "https://a:1/");
        assert_true(has_line(r, "Authorization: Bearer first"));
        assert_string_equal(r.ca.c_str(), trimmed(f->authority).c_str());
    }
    folder_put(f->folder, "ca.crt", f->authority.pem + damaged);
    node_access_reread(f->access);
    assert_string_equal(request_to(f, "https://a:1/").ca.c_str(), trimmed(f->authority).c_str());
}

static void learn__of_a_refusal__reads_again_but_not_all_the_time(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    struct fetch_result result = {};
    result.status = FETCH_DONE;
    folder_put(f->folder, "token", "second");

    for (const int status : {200, 400, 403, 404, 500}) {
        result.http_status = status;
        node_access_learn(f->access, &result);
    }
    result.http_status = 0;
    for (const enum fetch_status status : {FETCH_CONNECT, FETCH_TIMEOUT, FETCH_RESET}) {
        result.status = status;
        node_access_learn(f->access, &result);
    }
    assert_true(has_line(request_to(f, "https://a:1/"), "Authorization: Bearer first"));

    result.status = FETCH_DONE;
    result.http_status = 401;
    node_access_learn(f->access, &result);
    assert_true(has_line(request_to(f, "https://a:1/"), "Authorization: Bearer second"));

    folder_put(f->folder, "token", "third");
    node_access_learn(f->access, &result);
    assert_true(has_line(request_to(f, "https://a:1/"), "Authorization: Bearer second"));
    node_access_learn(nullptr, &result);
}

static void learn__of_a_failed_handshake__reads_the_certificates_again(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    struct fetch_result result = {};
    struct authority other;
    put_authority(f, &other);

    result.status = FETCH_TLS;
    node_access_learn(f->access, &result);

    assert_string_equal(request_to(f, "https://a:1/").ca.c_str(), trimmed(other).c_str());
    authority_free(&other);
}

static void new__file_of_no_use__names_the_option(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    const std::string empty = folder_put(f->folder, "empty", "\n");
    const std::string damaged = folder_put(
        f->folder, "damaged", "-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n");
    const struct {
        struct node_access_options options;
        std::string says;
    } cases[] = {
        {{.token_file = "/nowhere/token", .ca_file = ""},
         "--node-token-file: token file /nowhere/token: No such file or directory"},
        {{.token_file = empty, .ca_file = ""},
         "--node-token-file: token file " + empty + ": empty"},
        {{.token_file = f->token_file, .ca_file = "/nowhere/ca"},
         "--node-ca: CA file /nowhere/ca: No such file or directory"},
        {{.token_file = "", .ca_file = f->token_file},
         "--node-ca: CA file " + f->token_file + ": no PEM certificates"},
        {{.token_file = "", .ca_file = damaged},
         "--node-ca: CA file " + damaged + ": a certificate in it is damaged"},
    };

    for (const auto &t : cases) {
        std::string error;
        assert_null(node_access_new(&t.options, &error));
        assert_string_equal(error.c_str(), t.says.c_str());
    }
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pass__for_https__carries_token_and_certificates, begin,
                                        end),
        cmocka_unit_test_setup_teardown(pass__for_plain_http__carries_neither, begin, end),
        cmocka_unit_test_setup_teardown(pass__without_access_or_files__carries_only_its_lines,
                                        begin, end),
        cmocka_unit_test_setup_teardown(reread__changed_files__are_taken_by_the_next_pass, begin,
                                        end),
        cmocka_unit_test_setup_teardown(reread__files_of_no_use__keep_what_was_good, begin, end),
        cmocka_unit_test_setup_teardown(learn__of_a_refusal__reads_again_but_not_all_the_time,
                                        begin, end),
        cmocka_unit_test_setup_teardown(learn__of_a_failed_handshake__reads_the_certificates_again,
                                        begin, end),
        cmocka_unit_test_setup_teardown(new__file_of_no_use__names_the_option, begin, end),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
