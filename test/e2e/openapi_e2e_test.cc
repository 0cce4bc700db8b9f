// The description of the API beside the daemon: every operation is driven into every status that is
// described, each reply has to be described, and nothing that is described may be left without a reply.
#include <cstdlib>
#include <cstring>
#include <unistd.h>

#include "api_doc.h"
#include "certificates.h"
#include "cmocka_cc.h"
#include "e2e.h"

constexpr const char *NODES = "12"; // more than are named in a header
constexpr const char *ALL_BUT_ONE = "worker-1,worker-2,worker-3,worker-4,worker-5,worker-6,"
                                    "worker-7,worker-8,worker-9,worker-10,worker-11";
constexpr const char *TO_CREATE = R"({"pod":"web-12-*","container":"*","trace-hook":"ticker"})";

static struct cluster the_cluster;
static struct api_doc *the_doc;

static int start_all(void **)
{
    the_cluster = cluster_start({"--nodes", NODES});
    struct svc s = svc_start({"--nodes", the_cluster.nodes, "--drain-delay", "0"});
    the_doc = api_doc_new(http_get(s.url + "/openapi.json").body);
    svc_stop(&s);
    return 0;
}

static int stop_all(void **)
{
    api_doc_free(the_doc);
    cluster_stop(&the_cluster);
    return 0;
}

static int heal(void **)
{
    cluster_do(&the_cluster, "DELETE", "/fault?node=*");
    cluster_do(&the_cluster, "DELETE", "/api-fault");
    http_trust("");
    return 0;
}

// ---- requests

static std::string with_id(const std::string &path, const std::string &id)
{
    const size_t brace = path.find("{id}");
    return brace == std::string::npos ? path : path.substr(0, brace) + id;
}

static std::string body_of(const std::string &method)
{
    if (method == "POST")
        return TO_CREATE;
    return method == "PUT" ? R"({"Run":true})" : "";
}

// Asks, checks the reply against the description, and returns it.
static struct reply ask(const struct svc *s, const std::string &method, const std::string &target,
                        const std::vector<std::string> &headers = {})
{
    const struct reply r = http(method.c_str(), s->url + target, body_of(method), headers);
    api_doc_check(the_doc, method, target, r);
    return r;
}

// The same for an operation, which must be answered so; 0: however.
static void ask_for(const struct svc *s, const struct api_operation &op, const std::string &id,
                    const std::string &query, int status)
{
    const struct reply r = ask(s, op.method, with_id(op.path, id) + query);
    if (status != 0 && r.status != status)
        fail_msg("%s %s%s: %d, not %d: %s", op.method.c_str(), op.path.c_str(), query.c_str(),
                 r.status, status, r.body.c_str());
}

static struct reply reply_of(const std::string &bytes)
{
    const size_t end = bytes.find("\r\n\r\n");
    if (end == std::string::npos)
        fail_msg("no reply: %s", bytes.c_str());
    return {.status = atoi(bytes.c_str() + strlen("HTTP/1.1 ")),
            .head = bytes.substr(0, end + 4),
            .body = bytes.substr(end + 4),
            .seconds = 0,
            .connects = 0};
}

static struct svc start()
{
    return svc_start_for(&the_cluster, 12);
}

static std::string new_session(const struct svc *s)
{
    const struct reply r = ask(s, "POST", "/v1/trace-session");
    assert_int_equal(r.status, 200);
    return r.body.substr(2, r.body.find('"', 2) - 2);
}

// Those that are no operation: what x-other-requests is about.
static const struct api_operation OTHERS[] = {
    {"GET", "/nothing", false}, {"PATCH", "/v1/pods", false}, {"OPTIONS", "/version", false}};

static std::vector<struct api_operation> operations_and_others()
{
    std::vector<struct api_operation> all = api_doc_operations(the_doc);
    all.insert(all.end(), std::begin(OTHERS), std::end(OTHERS));
    return all;
}

static bool is_other(const struct api_operation &op)
{
    return op.path == "/nothing" || op.method == "PATCH" || op.method == "OPTIONS";
}

// ---- tests

static void examples__of_the_document__are_as_their_schemas_say(void **)
{
    api_doc_check_examples(the_doc);
}

static void version__of_the_document__is_the_programs(void **)
{
    struct svc s = start();
    const std::string version = http_get(s.url + "/version").body;

    assert_has(version, "\"version\":\"");
    const std::string number = version.substr(version.find("\"version\":\"") + 11);
    assert_has(http_get(s.url + "/openapi.json").body,
               "\"version\": \"" + number.substr(0, number.find('"')) + "\"");
    svc_stop(&s);
}

static void methods__of_each_path__are_those_that_are_described(void **)
{
    struct svc s = start();
    std::string path, methods;

    for (const struct api_operation &op : operations_and_others()) {
        if (is_other(op))
            break;
        methods = op.path == path ? methods + ", " + op.method : op.method;
        path = op.path;
        const std::string allow = reply_header(ask(&s, "PATCH", with_id(path, "5")), "Allow");
        assert_has(allow, op.method);
        // that of one session has those of all, and PUT
        if (!has(allow, "PUT") && allow.size() < methods.size())
            fail_msg("%s: %s, not %s", path.c_str(), allow.c_str(), methods.c_str());
    }
    for (const struct api_operation &op : OTHERS)
        assert_int_equal(ask(&s, op.method, op.path).status, op.path == "/nothing" ? 404 : 405);
    svc_stop(&s);
}

static void operations__with_good_nodes__are_200(void **)
{
    cluster_do(&the_cluster, "POST", "/node-pods?name=worker-2&pods=web-1-a");
    cluster_do(&the_cluster, "POST", "/node-hooks?name=worker-2&hooks=fail");
    struct svc s = start();

    for (const struct api_operation &op : api_doc_operations(the_doc)) {
        ask_for(&s, op, new_session(&s), "", 200);
        if (op.asks_nodes)
            ask_for(&s, op, new_session(&s), "?view=nodes&n=1", 200);
    }
    const std::string id = new_session(&s);
    ask(&s, "PUT", "/v1/trace-session/" + id);
    ask(&s, "GET", "/v1/trace-session/" + id);
    assert_int_equal(ask(&s, "PUT", "/v1/trace-session/" + id).status, 404); // it runs already
    svc_stop(&s);
}

static void operations__that_nodes_do_not_have__are_400_or_404(void **)
{
    struct svc s = start();

    for (const struct api_operation &op : api_doc_operations(the_doc)) {
        if (!op.asks_nodes)
            continue;
        ask_for(&s, op, "5", "?view=all", 400);
        ask_for(&s, op, "5", "?node=worker-1", 0); // has no session 5, and no pod web-12
    }
    svc_stop(&s);
}

// `nodes` have it; the operations that ask nodes are answered with `status`, 0: however.
static void ask_with_fault(const std::string &nodes, const std::string &kind,
                           const std::string &query, int status)
{
    struct svc s = start();
    const std::string id = new_session(&s);
    cluster_do(&the_cluster, "POST", "/fault?node=" + nodes + "&kind=" + kind);
    for (const struct api_operation &op : api_doc_operations(the_doc))
        if (op.asks_nodes || op.path == "/v1/tracer-nodes")
            ask_for(&s, op, id, query, op.asks_nodes ? status : 200);
    heal(nullptr);
    svc_stop(&s);
}

static void operations__with_nodes_that_all_fail__are_what_the_nodes_say(void **)
{
    ask_with_fault("*", "refuse", "", 503);
    for (const int status : {400, 404, 418, 500, 502, 503})
        ask_with_fault("*", "status&status=" + std::to_string(status), "", status);
}

static void operations__with_one_good_node__name_the_others(void **)
{
    for (const char *kind : {"refuse", "status&status=418", "error-data", "bad-json"}) {
        ask_with_fault(ALL_BUT_ONE, kind, "", 0);
        ask_with_fault(ALL_BUT_ONE, kind, "?view=nodes", 200);
        ask_with_fault(ALL_BUT_ONE, kind, "?partial=deny", 0);
    }
}

static void operations__without_identity_or_right__are_401_403_or_503(void **)
{
    cluster_do(&the_cluster, "POST", "/user?token=eve&name=eve&audiences=tracer-svc");
    struct svc s = svc_start({"--nodes", the_cluster.nodes, "--auth", "kubernetes", "--kube-server",
                              the_cluster.api, "--drain-delay", "0"});

    for (const struct api_operation &op : operations_and_others()) {
        const std::string target = with_id(op.path, "5");
        ask(&s, op.method, target);
        ask(&s, op.method, target, {"Authorization: Bearer wrong"});
        const struct reply denied = ask(&s, op.method, target, {"Authorization: Bearer eve"});
        assert_true(is_other(op) || !api_doc_has(the_doc, &op, "401") || denied.status == 403);
    }
    cluster_do(&the_cluster, "POST", "/api-fault?kind=down");
    for (const struct api_operation &op : operations_and_others())
        ask(&s, op.method, with_id(op.path, "5"), {"Authorization: Bearer new"});
    svc_stop(&s);
}

static void operations__without_certificate__are_403(void **)
{
    struct authority authority = authority_new();
    const std::string folder = folder_new();
    const struct certificate pair = authority_issue_server(&authority);
    const std::string ca = folder_put(folder, "ca.crt", authority.pem);
    struct svc s = svc_start({"--nodes", the_cluster.nodes, "--certfile",
                              folder_put(folder, "tls.crt", pair.cert), "--keyfile",
                              folder_put(folder, "tls.key", pair.key), "--client-ca", ca,
                              "--drain-delay", "0"});
    http_trust(ca);

    for (const struct api_operation &op : operations_and_others()) {
        const struct reply r = ask(&s, op.method, with_id(op.path, "5"));
        const bool described = is_other(op) || api_doc_has(the_doc, &op, "403");
        assert_int_equal(r.status == 403, described);
    }
    http_trust("");
    svc_stop(&s);
    folder_remove(folder);
    authority_free(&authority);
}

static void operations__while_all_places_are_taken__are_503(void **)
{
    struct svc s = svc_start_for(&the_cluster, 12, {"--max-connections", "4"});
    cluster_do(&the_cluster, "POST", "/fault?node=worker-1&kind=hang");
    cluster_do(&the_cluster, "DELETE", "/stats");
    std::vector<int> waiting;
    for (const char *n : {"1", "2", "3", "4"})
        waiting.push_back(raw_open(s.url, std::string("GET /v1/pods?timeout=30s&n=") + n +
                                              " HTTP/1.1\r\nHost: x\r\n\r\n"));
    cluster_wait_for(&the_cluster, "/stats?node=worker-1", "\"GET\":4");

    for (const struct api_operation &op : operations_and_others()) {
        const struct reply r = ask(&s, op.method, with_id(op.path, "5"));
        const bool described = is_other(op) || api_doc_has(the_doc, &op, "503");
        assert_true(described == (r.status == 503) || op.path == "/readyz");
    }
    for (const int fd : waiting)
        close(fd);
    svc_stop(&s);
}

static void readiness__before_the_first_list__is_503(void **)
{
    struct svc s = svc_start({"--kube-server", "http://127.0.0.1:1", "--drain-delay", "0"});

    for (const char *method : {"GET", "HEAD"}) {
        assert_int_equal(ask(&s, method, "/readyz").status, 503);
        assert_int_equal(ask(&s, method, "/v1/tracer-nodes").status, 200);
        assert_int_equal(ask(&s, method, "/v1/pods").status, 503);
    }
    svc_stop(&s);
}

// ---- what is refused before it is a request

// A request line, and what comes behind it.
static const struct broken {
    int status;
    const char *version, *rest;
} BROKEN[] = {
    {400, "1.1", "\r\n"},
    {400, "1.1", "Host: x\r\nA header without a colon\r\n\r\n"},
    {408, "1.1", "Host: x\r\nX-"},
    {411, "1.1", "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {413, "1.1", "Host: x\r\nContent-Length: 99999999999\r\n\r\n"},
    {417, "1.1", "Host: x\r\nExpect: much\r\n\r\n"},
    {505, "2.0", "Host: x\r\n\r\n"},
};

static void check_refused(const std::string &method, const std::string &target, int status, int fd)
{
    const struct reply r = reply_of(raw_read(fd, nullptr));
    close(fd);
    if (r.status != status)
        fail_msg("%s %s: %d, not %d", method.c_str(), target.c_str(), r.status, status);
    api_doc_check(the_doc, method, target, r);
}

static void operations__with_broken_requests__are_refused(void **)
{
    struct svc s =
        svc_start({"--nodes", "a=127.0.0.1:1", "--request-timeout", "2s", "--drain-delay", "0"});
    const std::string long_line = "Host: x\r\nX-Long: " + std::string(20000, 'x') + "\r\n\r\n";

    for (const struct broken &b : BROKEN) {
        std::vector<int> sockets; // all at once, as those that are slow take two seconds
        for (const struct api_operation &op : operations_and_others())
            sockets.push_back(raw_open(s.url, op.method + " " + with_id(op.path, "5") + " HTTP/" +
                                                  b.version + "\r\n" + b.rest));
        size_t i = 0;
        for (const struct api_operation &op : operations_and_others())
            check_refused(op.method, with_id(op.path, "5"), b.status, sockets[i++]);
    }
    for (const struct api_operation &op : operations_and_others()) {
        const std::string line = op.method + " " + with_id(op.path, "5") + " HTTP/1.1\r\n";
        check_refused(op.method, with_id(op.path, "5"), 431, raw_open(s.url, line + long_line));
    }
    check_refused("FROB", "/livez", 405, raw_open(s.url, "FROB /livez HTTP/1.1\r\n"));
    check_refused("FROB", "/nothing", 404, raw_open(s.url, "FROB /nothing HTTP/1.1\r\n"));
    svc_stop(&s);
}

// The last test: it needs what the others have seen.
static void document__after_all_of_this__has_nothing_unseen(void **)
{
    assert_text(api_doc_unseen(the_doc), "");
}

#define TEST(name) cmocka_unit_test_teardown(name, heal)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(examples__of_the_document__are_as_their_schemas_say),
        TEST(version__of_the_document__is_the_programs),
        TEST(methods__of_each_path__are_those_that_are_described),
        TEST(operations__with_good_nodes__are_200),
        TEST(operations__that_nodes_do_not_have__are_400_or_404),
        TEST(operations__with_nodes_that_all_fail__are_what_the_nodes_say),
        TEST(operations__with_one_good_node__name_the_others),
        TEST(operations__without_identity_or_right__are_401_403_or_503),
        TEST(operations__without_certificate__are_403),
        TEST(operations__while_all_places_are_taken__are_503),
        TEST(readiness__before_the_first_list__is_503),
        TEST(operations__with_broken_requests__are_refused),
        TEST(document__after_all_of_this__has_nothing_unseen),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
