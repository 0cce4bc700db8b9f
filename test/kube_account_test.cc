// Where the API server and our credentials for it are found.
#include "cmocka_cc.h"

#include <cstdlib>

#include <event2/event.h>

#include "http_client.h"
#include "kube_account.h"

struct fixture {
    struct event_base *base;
    struct http_client *http;
};

static int set_up(void **state)
{
    struct fixture *f = new struct fixture();
    f->base = event_base_new();
    f->http = http_client_new(f->base);
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    http_client_free(f->http);
    event_base_free(f->base);
    delete f;
    return 0;
}

static void new__server_that_was_given__needs_no_files(void **state)
{
    const struct fixture *f = static_cast<struct fixture *>(*state);
    const struct kube_account_options options = {
        .http = f->http, .server = "http://127.0.0.1:8001", .token_file = "", .ca_file = nullptr};
    std::string error;

    struct kube_account *account = kube_account_new(&options, &error);

    assert_non_null(account);
    assert_non_null(kube_account_client(account));
    assert_string_equal(kube_account_problem(account).c_str(), "");
    kube_account_free(account);
}

static void new__bad_options__are_named(void **state)
{
    const struct fixture *f = static_cast<struct fixture *>(*state);
    const struct {
        const char *server, *token_file, *ca_file, *error;
    } table[] = {
        {"127.0.0.1:8001", nullptr, nullptr, "--kube-server: want http://"},
        {nullptr, nullptr, nullptr, "not in a Kubernetes cluster"},
        {"http://127.0.0.1:1", "/nonexistent/token", nullptr, "token file /nonexistent/token: "},
        {"http://127.0.0.1:1", nullptr, "/nonexistent/ca", "CA file /nonexistent/ca: "},
    };

    for (const auto &row : table) {
        const struct kube_account_options options = {.http = f->http,
                                                     .server = row.server,
                                                     .token_file = row.token_file,
                                                     .ca_file = row.ca_file};
        std::string error;
        assert_null(kube_account_new(&options, &error));
        assert_int_equal(error.find(row.error), 0);
    }
}

static void new__in_a_cluster_without_its_files__fails(void **state)
{
    const struct fixture *f = static_cast<struct fixture *>(*state);
    const struct kube_account_options options = {
        .http = f->http, .server = nullptr, .token_file = "/nonexistent/token", .ca_file = nullptr};
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    std::string error;

    assert_null(kube_account_new(&options, &error));

    assert_int_equal(error.find("token file /nonexistent/token: "), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(new__server_that_was_given__needs_no_files),
        TEST(new__bad_options__are_named),
        TEST(new__in_a_cluster_without_its_files__fails),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
