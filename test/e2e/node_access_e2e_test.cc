// The daemon and nodes that speak https: certificates, the token that nodes get, and what they never get.
#include <csignal>

#include "certificates.h"
#include "cmocka_cc.h"
#include "e2e.h"

static const char ALL[] = "total=2, ok=2, miss=0, error=0, failed=0";

// Two nodes that speak https and want a token, and the files that the daemon is given.
struct world {
    std::string folder;
    struct cluster cluster;
};

static std::string file(const struct world *w, const char *name)
{
    return w->folder + "/" + name;
}

static struct world begin(const std::vector<std::string> &more = {})
{
    struct world w = {};
    w.folder = folder_new();
    std::vector<std::string> args = {"--nodes", "2", "--node-ca", file(&w, "ca.crt")};
    args.insert(args.end(), more.begin(), more.end());
    w.cluster = cluster_start(args);
    folder_put(w.folder, "token", "secret-1");
    cluster_do(&w.cluster, "POST", "/node-token?node=*&value=secret-1");
    return w;
}

static void end(struct world *w, struct svc *s)
{
    assert_false(has(http_get(s->url + "/v1/tracer-nodes").body, "secret-"));
    assert_false(has(program_log(&s->daemon), "secret-"));
    svc_stop(s);
    cluster_stop(&w->cluster);
    folder_remove(w->folder);
}

static std::vector<std::string> files_of(const struct world *w)
{
    return {"--node-ca", file(w, "ca.crt"), "--node-token-file", file(w, "token"), "--verbose"};
}

// With the nodes in a list.
static struct svc start(const struct world *w, const std::string &nodes)
{
    std::vector<std::string> args = files_of(w);
    args.insert(args.end(), {"--nodes", nodes, "--timeout", "4s", "--drain-delay", "0"});
    return svc_start(args);
}

static struct reply pods(const struct svc *s)
{
    return http_get(s->url + "/v1/pods");
}

static std::string stats(const struct world *w, const char *node)
{
    return cluster_do(&w->cluster, "GET", std::string("/stats?node=") + node);
}

static void assert_all_ok(const struct svc *s)
{
    assert_text(reply_header(pods(s), "Tracer-Nodes"), ALL);
}

static void nodes__given_with_https__are_checked_and_get_the_token(void **)
{
    struct world w = begin();
    struct svc s = start(&w, w.cluster.nodes);

    for (int i = 0; i < 5; i++)
        assert_all_ok(&s);

    assert_int_equal(count_of(stats(&w, "*"), "\"accepted\":1,"), 2); // one connection each
    assert_int_equal(count_of(stats(&w, "*"), "\"authorizations\":5,"), 2);
    const std::string session = s.url + "/v1/trace-session/" + svc_create_session(&s, "web-1-a");
    assert_int_equal(http("PUT", session, R"({"Run":true})").status, 200);
    assert_int_equal(http_get(session).status, 200);
    assert_int_equal(http("DELETE", session).status, 200);
    end(&w, &s);
}

static void connections__that_nodes_close__cost_nothing(void **)
{
    struct world w = begin();
    struct svc s = start(&w, w.cluster.nodes);
    for (const char *kind : {"close-idle", "close-after"}) {
        cluster_do(&w.cluster, "POST", std::string("/fault?node=*&kind=") + kind);
        for (int i = 0; i < 4; i++)
            assert_all_ok(&s);
        cluster_do(&w.cluster, "DELETE", "/fault?node=*");
    }
    end(&w, &s);
}

static void token__that_rotates__is_followed(void **)
{
    struct world w = begin();
    struct svc s = start(&w, w.cluster.nodes);
    assert_all_ok(&s);

    folder_put(w.folder, "token", "secret-2");
    kill(s.daemon.pid, SIGHUP);
    program_wait_for(&s.daemon, "--node-token-file: the new one is in use");
    cluster_do(&w.cluster, "POST", "/node-token?node=*&value=secret-2");
    assert_all_ok(&s);

    // without a signal, the nodes' refusal tells
    folder_put(w.folder, "token", "secret-3");
    cluster_do(&w.cluster, "POST", "/node-token?node=*&value=secret-3");
    const struct reply refused = pods(&s);
    assert_text(reply_header(refused, "Tracer-Nodes"), "total=2, ok=0, miss=0, error=2, failed=0");
    assert_has(reply_header(refused, "Tracer-Failed-Nodes"), "reason=node-error;status=401");
    assert_all_ok(&s);
    end(&w, &s);
}

static void token__of_a_file_of_no_use__stays_and_is_told_once(void **)
{
    struct world w = begin();
    struct svc s = start(&w, w.cluster.nodes);

    folder_put(w.folder, "token", "");
    kill(s.daemon.pid, SIGHUP);
    program_wait_for(&s.daemon, "--node-token-file: token file ");
    assert_has(program_log(&s.daemon), "/token: empty; what was good last stays in use");
    kill(s.daemon.pid, SIGHUP);
    assert_all_ok(&s);
    folder_put(w.folder, "token", "secret-1");
    kill(s.daemon.pid, SIGHUP);
    program_wait_for(&s.daemon, "--node-token-file: good again");

    assert_int_equal(count_of(program_log(&s.daemon), "stays in use"), 1);
    assert_all_ok(&s);
    end(&w, &s);
}

static void authority__that_rotates__is_followed(void **)
{
    struct world w = begin();
    struct svc s = start(&w, w.cluster.nodes);
    assert_all_ok(&s);

    cluster_do(&w.cluster, "POST", "/node-ca-rotate");
    assert_all_ok(&s); // on the connections that there are
    kill(s.daemon.pid, SIGHUP);
    program_wait_for(&s.daemon, "--node-ca: the new one is in use");
    assert_all_ok(&s);
    assert_int_equal(count_of(stats(&w, "*"), "\"accepted\":2,"), 2);

    // without a signal, the handshake that fails tells
    cluster_do(&w.cluster, "POST", "/node-ca-rotate?reset=true");
    assert_has(reply_header(pods(&s), "Tracer-Failed-Nodes"), "reason=tls");
    assert_all_ok(&s);
    end(&w, &s);
}

static void certificate__of_nobody_who_is_trusted__is_failed(void **)
{
    struct world w = begin();
    struct authority other = authority_new();
    folder_put(w.folder, "other.crt", other.pem);
    const std::vector<std::vector<std::string>> trusts = {{"--node-ca", file(&w, "other.crt")}, {}};
    for (const std::vector<std::string> &trust : trusts) {
        std::vector<std::string> args = {"--nodes", w.cluster.nodes, "--drain-delay", "0"};
        args.insert(args.end(), trust.begin(), trust.end());
        struct svc s = svc_start(args);

        const struct reply r = pods(&s);
        const struct reply made = http("POST", s.url + "/v1/trace-session",
                                       R"({"pod":"*","container":"*","trace-hook":"ticker"})");

        assert_int_equal(r.status, 503);
        assert_text(reply_header(r, "Tracer-Nodes"), "total=2, ok=0, miss=0, error=0, failed=2");
        assert_int_equal(count_of(reply_header(r, "Tracer-Failed-Nodes"), "reason=tls"), 2);
        assert_has(r.body, "certificate");
        assert_int_equal(count_of(reply_header(made, "Tracer-Failed-Nodes"), "effect=not-sent"), 2);
        svc_stop(&s);
    }
    assert_int_equal(count_of(stats(&w, "*"), "\"requests\":{}"), 2);
    authority_free(&other);
    cluster_stop(&w.cluster);
    folder_remove(w.folder);
}

static void certificate__of_another_name__is_failed(void **)
{
    struct world w = begin();
    cluster_do(&w.cluster, "POST", "/node-names?name=worker-1&names=DNS:worker-1,IP:127.0.0.1");
    struct svc s = start(&w, w.cluster.nodes);

    const struct reply r = pods(&s);

    assert_text(reply_header(r, "Tracer-Nodes"), "total=2, ok=1, miss=0, error=0, failed=1");
    assert_has(reply_header(r, "Tracer-Failed-Nodes"), "\"worker-1\";reason=tls");
    assert_has(stats(&w, "worker-1"), "\"requests\":{}");
    end(&w, &s);
}

// A node that waits for the end of a plain request never answers the handshake.
static void node__that_speaks_no_tls__is_failed(void **)
{
    struct world w = begin();
    cluster_do(&w.cluster, "POST", "/node?name=plain&https=false");
    const std::string nodes = cluster_do(&w.cluster, "GET", "/nodes");
    const size_t at = nodes.find("plain=") + 6;
    const std::string address = nodes.substr(at, nodes.find('\n', at) - at);
    struct svc s = start(&w, w.cluster.nodes + ",plain=https://" + address);

    const struct reply r = pods(&s);

    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=2, miss=0, error=0, failed=1");
    assert_has(reply_header(r, "Tracer-Failed-Nodes"), "\"plain\";reason=connect;ms=");
    assert_has(cluster_do(&w.cluster, "GET", "/stats?node=plain"), "\"accepted\":1,");
    assert_has(stats(&w, "plain"), "\"requests\":{}");
    end(&w, &s);
}

// Nodes of both kinds, as slices or Endpoints tell.
static void check_mixed(const std::vector<std::string> &more)
{
    struct world w = begin(more);
    struct svc s = svc_start_for(&w.cluster, 2, files_of(&w));
    cluster_do(&w.cluster, "POST", "/node?name=plain&https=false");
    svc_wait_for(&s, "/v1/tracer-nodes", "\"name\":\"plain\"");

    for (int i = 0; i < 3; i++) {
        const struct reply r = http(
            "GET", s.url + "/v1/pods", "",
            {"Authorization: Bearer callers", "Cookie: a=callers", "Proxy-Authorization: callers"});
        assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=3, miss=0, error=0, failed=0");
    }

    const std::string all = stats(&w, "*");
    assert_int_equal(count_of(all, "callers"), 0);
    assert_int_equal(count_of(all, "Cookie"), 0);
    assert_int_equal(count_of(all, "Authorization: Bearer secret-1"), 2);
    assert_has(stats(&w, "plain"), "\"authorizations\":0,");
    assert_has(stats(&w, "plain"), "\"GET\":3");
    assert_int_equal(count_of(program_log(&s.daemon), "the token is sent over https only"), 1);
    end(&w, &s);
}

static void nodes__of_slices_of_both_protocols__are_asked_each_as_told(void **)
{
    check_mixed({});
}

static void nodes__of_endpoints_of_both_protocols__are_asked_each_as_told(void **)
{
    check_mixed({"--no-slices"});
}

static void probe__of_a_node_with_https__carries_the_token(void **)
{
    struct world w = begin();
    struct svc s = start(&w, w.cluster.nodes);
    cluster_do(&w.cluster, "POST", "/fault?node=worker-2&kind=hang");
    for (int i = 0; i < 3; i++)
        assert_has(reply_header(http_get(s.url + "/v1/pods?timeout=300ms"), "Tracer-Failed-Nodes"),
                   "\"worker-2\";reason=timeout");
    program_wait_for(&s.daemon, "node worker-2 did not answer");
    cluster_do(&w.cluster, "DELETE", "/stats");

    cluster_do(&w.cluster, "DELETE", "/fault?node=*");
    program_wait_for(&s.daemon, "node worker-2 is back");

    const std::string seen = stats(&w, "worker-2");
    assert_has(seen, "Authorization: Bearer secret-1");
    assert_all_ok(&s);
    end(&w, &s);
}

static void file__of_no_use_at_the_start__is_exit_2(void **)
{
    const std::string folder = folder_new();
    const std::string nothing = folder + "/nothing", empty = folder_put(folder, "empty", "");
    const struct {
        const char *option;
        std::string path, says;
    } cases[] = {
        {"--node-token-file", nothing, "nothing: No such file or directory"},
        {"--node-token-file", empty, "empty: empty"},
        {"--node-ca", nothing, "nothing: No such file or directory"},
        {"--node-ca", empty, "empty: empty"},
    };
    for (const auto &t : cases) {
        std::string log;
        struct program p = program_start("tracer-svc", {"--address", "127.0.0.1:0", "--nodes",
                                                        "a=https://127.0.0.1:1", t.option, t.path});
        assert_int_equal(program_wait(&p, &log), 2);
        assert_has(log, std::string(t.option) + ": ");
        assert_has(log, t.says);
    }
    folder_remove(folder);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes__given_with_https__are_checked_and_get_the_token),
        cmocka_unit_test(connections__that_nodes_close__cost_nothing),
        cmocka_unit_test(token__that_rotates__is_followed),
        cmocka_unit_test(token__of_a_file_of_no_use__stays_and_is_told_once),
        cmocka_unit_test(authority__that_rotates__is_followed),
        cmocka_unit_test(certificate__of_nobody_who_is_trusted__is_failed),
        cmocka_unit_test(certificate__of_another_name__is_failed),
        cmocka_unit_test(node__that_speaks_no_tls__is_failed),
        cmocka_unit_test(nodes__of_slices_of_both_protocols__are_asked_each_as_told),
        cmocka_unit_test(nodes__of_endpoints_of_both_protocols__are_asked_each_as_told),
        cmocka_unit_test(probe__of_a_node_with_https__carries_the_token),
        cmocka_unit_test(file__of_no_use_at_the_start__is_exit_2),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
