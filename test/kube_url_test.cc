// Addresses of lists, servers and selectors.
#include "cmocka_cc.h"

#include "kube_url.h"

static void list_path__all_parameters__are_encoded(void **)
{
    const struct kube_list_query query = {
        .resource = KUBE_SLICES,
        .ns = "contrace",
        .label_selector = "kubernetes.io/service-name=a,b in (c d)",
        .field_selector = "metadata.name!=x",
        .limit = 500,
        .next = "a+/b==",
        .resource_version = "12",
        .version_match = "NotOlderThan",
    };

    const std::string url = kube_list_path(&query);

    assert_string_equal(url.c_str(),
                        "/apis/discovery.k8s.io/v1/namespaces/contrace/endpointslices"
                        "?labelSelector=kubernetes.io%2Fservice-name%3Da%2Cb%20in%20%28c%20d%29"
                        "&fieldSelector=metadata.name%21%3Dx&limit=500&continue=a%2B%2Fb%3D%3D"
                        "&resourceVersion=12&resourceVersionMatch=NotOlderThan");
}

static void list_path__nothing_given__has_no_query(void **)
{
    struct kube_list_query query;

    assert_string_equal(kube_list_path(&query).c_str(), "/api/v1/pods");
    query.resource = KUBE_ENDPOINTS;
    assert_string_equal(kube_list_path(&query).c_str(), "/api/v1/endpoints");
}

static void list_path__watch__says_how_long(void **)
{
    struct kube_list_query query;
    query.resource_version = "7";
    query.watch_s = 300;

    assert_string_equal(kube_list_path(&query).c_str(),
                        "/api/v1/pods?resourceVersion=7&watch=1&allowWatchBookmarks=true"
                        "&timeoutSeconds=300");
}

static void server_of__environment__brackets_ipv6(void **)
{
    assert_string_equal(kube_server_of("10.0.0.1", "443").c_str(), "https://10.0.0.1:443");
    assert_string_equal(kube_server_of("fd00::1", "443").c_str(), "https://[fd00::1]:443");
    assert_string_equal(kube_server_of("[fd00::1]", "443").c_str(), "https://[fd00::1]:443");
}

static void server_parse__table__takes_http_and_https_only(void **)
{
    static const struct {
        const char *text, *server; // null: refused
    } table[] = {
        {"http://127.0.0.1:8001", "http://127.0.0.1:8001"},
        {"https://[fd00::1]:6443/", "https://[fd00::1]:6443"},
        {"https://host/k8s/clusters/c1//", "https://host/k8s/clusters/c1"},
        {"", nullptr},
        {"127.0.0.1:8001", nullptr},
        {"ftp://host", nullptr},
        {"https://", nullptr},
        {"https:///path", nullptr},
        {"https://:443", nullptr},
        {"https://user@host", nullptr},
        {"https://host?x=1", nullptr},
        {"https://host#x", nullptr},
        {"https://ho st", nullptr},
        {"https://host\r\nX: y", nullptr},
    };

    for (const auto &row : table) {
        std::string server, error;
        const bool ok = kube_server_parse(row.text, &server, &error);
        assert_int_equal(ok, row.server != nullptr);
        assert_string_equal(server.c_str(), ok ? row.server : "");
        assert_int_equal(error.empty(), ok);
    }
}

static void server_is_private__table__takes_https_and_this_machine(void **)
{
    static const struct {
        const char *server;
        bool is_private;
    } table[] = {
        {"https://10.0.0.1:6443", true},    {"https://host/k8s", true},
        {"http://127.0.0.1:8001", true},    {"http://127.0.0.1", true},
        {"http://[::1]:8001/k8s", true},    {"http://localhost:8001", true},
        {"http://10.0.0.1:8001", false},    {"http://[fd00::1]", false},
        {"http://localhost.a:8001", false}, {"http://host/127.0.0.1:80", false},
    };

    for (const auto &row : table)
        assert_int_equal(kube_server_is_private(row.server), row.is_private);
}

static void selector_parse__table__gives_labels_and_fields(void **)
{
    static const struct {
        const char *text, *labels, *fields, *ns;
    } table[] = {
        {"metadata.name=x", "kubernetes.io/service-name=x", "metadata.name=x", ""},
        {"metadata.name==x", "kubernetes.io/service-name=x", "metadata.name=x", ""},
        {"metadata.name=x,metadata.namespace=y", "kubernetes.io/service-name=x",
         "metadata.name=x,metadata.namespace=y", "y"},
        {"metadata.name!=x", "kubernetes.io/service-name", "metadata.name!=x", ""},
        {"metadata.namespace!=x,", "kubernetes.io/service-name", "metadata.namespace!=x", ""},
        {"", "kubernetes.io/service-name", "", ""},
        // what no label can be must not become a part of a label selector
        {"metadata.name=a\\,b\\=c\\\\d", "kubernetes.io/service-name",
         "metadata.name=a\\,b\\=c\\\\d", ""},
    };

    for (const auto &row : table) {
        struct kube_selector selector;
        std::string error;
        assert_true(kube_selector_parse(row.text, &selector, &error));
        assert_string_equal(kube_selector_labels(selector).c_str(), row.labels);
        assert_string_equal(kube_selector_fields(selector).c_str(), row.fields);
        assert_string_equal(kube_selector_namespace(selector).c_str(), row.ns);
    }
}

static void selector_parse__bad_term__is_named(void **)
{
    static const char *const table[] = {
        "spec.x=1",          "metadata.name",     "metadata.name!x",      "=x",
        "metadata.name=",    "metadata.name=a=b", "metadata.name===b",    "metadata.name=a\\",
        "metadata.name=\\a", "metadata.labels=x", "metadata.name in (a)", " metadata.name=x",
    };

    for (const char *text : table) {
        struct kube_selector selector;
        std::string error;
        assert_false(kube_selector_parse(text, &selector, &error));
        assert_int_equal(error.find("'" + std::string(text) + "'"), 0);
    }
}

static void selector_matches__table__holds_all_terms(void **)
{
    static const struct {
        const char *text, *ns, *name;
        bool matches;
    } table[] = {
        {"", "a", "b", true},
        {"metadata.name=b", "a", "b", true},
        {"metadata.name=b", "a", "c", false},
        {"metadata.name!=b", "a", "b", false},
        {"metadata.name!=b", "a", "c", true},
        {"metadata.name=b,metadata.namespace!=a", "a", "b", false},
        {"metadata.name=b,metadata.name=c", "a", "b", false},
    };

    for (const auto &row : table) {
        struct kube_selector selector;
        std::string error;
        assert_true(kube_selector_parse(row.text, &selector, &error));
        assert_int_equal(kube_selector_matches(selector, row.ns, row.name), row.matches);
    }
}

static void labels_check__table__knows_the_grammar(void **)
{
    static const struct {
        const char *text;
        bool good;
    } table[] = {
        {"", true},
        {"app=container-tracer-backend", true},
        {"app==x,tier!=y", true},
        {"app, !old", true},
        {"example.com/role in (a, b),x notin (c)", true},
        {"n>5,n<9", true},
        {"app=", true},
        {"!!", false},
        {"=x", false},
        {"app=x,", false},
        {"app=x y", false},
        {"app in a", false},
        {"app in (a", false},
        {"app of (a)", false},
        {"/x=1", false},
        {"a/b/c=1", false},
        {"app=-x", false},
        {"app=x&limit=1", false},
    };

    for (const auto &row : table) {
        std::string error;
        assert_int_equal(kube_labels_check(row.text, &error), row.good);
        assert_int_equal(error.empty(), row.good);
    }
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_path__all_parameters__are_encoded),
        cmocka_unit_test(list_path__nothing_given__has_no_query),
        cmocka_unit_test(list_path__watch__says_how_long),
        cmocka_unit_test(server_of__environment__brackets_ipv6),
        cmocka_unit_test(server_parse__table__takes_http_and_https_only),
        cmocka_unit_test(server_is_private__table__takes_https_and_this_machine),
        cmocka_unit_test(selector_parse__table__gives_labels_and_fields),
        cmocka_unit_test(selector_parse__bad_term__is_named),
        cmocka_unit_test(selector_matches__table__holds_all_terms),
        cmocka_unit_test(labels_check__table__knows_the_grammar),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
