// The daemon's token and certificates as they rotate under its open watches.
#include <cstdlib>
#include <unistd.h>

#include "cmocka_cc.h"
#include "e2e.h"
#include "watching.h"

static std::string make_folder()
{
    char path[] = "/tmp/tracer-sa-XXXXXX";
    assert_non_null(mkdtemp(path));
    return path;
}

static std::vector<std::string> trusting(const std::string &folder)
{
    return {"--kube-token-file", folder + "/token", "--kube-ca-file", folder + "/ca.crt",
            "--verbose"};
}

// Whatever was done to the API server, the nodes are served.
static void assert_two_nodes(const struct svc *s)
{
    assert_int_equal(http_get(s->url + "/readyz").status, 200);
    assert_text(reply_header(http_get(s->url + "/v1/pods"), "Tracer-Nodes"),
                "total=2, ok=2, miss=0, error=0, failed=0");
}

static void token__that_rotates__is_followed_and_told_to_nobody(void **)
{
    const std::string folder = make_folder();
    struct cluster c = cluster_start({"--nodes", "2", "--tls", folder, "--token", "secret-1"});
    struct svc s = svc_watching(&c, 2, trusting(folder));

    cluster_do(&c, "POST", "/token?value=secret-2&write=true"); // the old one is refused
    cluster_wait_for(&c, "/stats", "Authorization: Bearer secret-2");
    assert_int_equal(count_in(&c, "pods", "watches"), 1); // as it was
    cluster_do(&c, "POST", "/watch-end");
    wait_for_count(&c, "pods", "watches", 2);
    wait_for_count(&c, "endpointslices", "watches", 2);
    assert_int_equal(number_of(&s, "failures"), 0);

    cluster_do(&c, "POST", "/account-files?token=");
    cluster_do(&c, "POST", "/token?value=secret-3");
    cluster_do(&c, "POST", "/watch-end?path=pods");
    svc_wait_for(&s, "/v1/tracer-nodes", "\"last-error\":\"watch pods: HTTP 401");
    program_wait_for(&s.daemon, "stays in use: token file ");
    assert_two_nodes(&s);
    cluster_do(&c, "POST", "/account-files?token=secret-3");
    wait_for_count(&c, "pods", "openWatches", 1);
    svc_wait_for(&s, "/v1/tracer-nodes", "\"last-error\":null");
    program_wait_for(&s.daemon, "the token and CA files are good again");

    assert_two_nodes(&s);
    assert_false(has(program_log(&s.daemon), "secret-"));
    assert_false(has(http_get(s.url + "/v1/tracer-nodes").body, "secret-"));
    const std::string stats = cluster_do(&c, "GET", "/stats");
    assert_false(has(stats.substr(0, stats.find("\"api\":")), "secret-"));
    svc_stop(&s);
    cluster_stop(&c);
    assert_int_equal(rmdir(folder.c_str()), 0);
}

static void authority__that_rotates__is_trusted_by_its_file(void **)
{
    const std::string folder = make_folder();
    struct cluster c = cluster_start({"--nodes", "2", "--tls", folder});
    struct svc s = svc_watching(&c, 2, trusting(folder));

    cluster_do(&c, "POST", "/ca-rotate");
    ready(&c, "worker-1", false); // by the watch that is open
    wait_for_node(&s, "worker-1", "\"ready\":false");
    assert_int_equal(number_of(&s, "failures"), 0);
    ready(&c, "worker-1", true);
    wait_for_node(&s, "worker-1", "\"ready\":true");
    cluster_do(&c, "POST", "/watch-end?reset=true");
    wait_for_count(&c, "pods", "watches", 2);
    wait_for_count(&c, "endpointslices", "watches", 2);
    assert_int_equal(number_of(&s, "failures"), 2); // the resets, and no handshake

    cluster_do(&c, "POST", "/ca-rotate?write=false&reset=true");
    svc_wait_for(&s, "/v1/tracer-nodes", "certificate");
    assert_two_nodes(&s);
    const size_t watches = count_in(&c, "pods", "watches");
    cluster_do(&c, "POST", "/account-files");
    wait_for_count(&c, "pods", "watches", watches + 1);
    svc_wait_for(&s, "/v1/tracer-nodes", "\"last-error\":null");

    assert_two_nodes(&s);
    svc_stop(&s);
    cluster_stop(&c);
    assert_int_equal(rmdir(folder.c_str()), 0);
}

static void cluster__told_by_the_environment__is_found(void **)
{
    const std::string folder = make_folder();
    struct cluster c = cluster_start({"--nodes", "2", "--tls", folder, "--token", "secret-1"});
    std::vector<std::string> args = trusting(folder);
    args.insert(args.end(), {"--drain-delay", "0"});
    setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT", c.api.substr(c.api.rfind(':') + 1).c_str(), 1);
    struct svc s = svc_start(args);
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");

    wait_for_count(&c, "pods", "openWatches", 1);
    svc_wait_for(&s, "/readyz", "ok\n");

    assert_two_nodes(&s);
    svc_stop(&s);
    cluster_stop(&c);
    assert_int_equal(rmdir(folder.c_str()), 0);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token__that_rotates__is_followed_and_told_to_nobody),
        cmocka_unit_test(authority__that_rotates__is_trusted_by_its_file),
        cmocka_unit_test(cluster__told_by_the_environment__is_found),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
