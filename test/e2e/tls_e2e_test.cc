// The daemon with TLS: requests, certificates that change under load, and whom it answers.
#include <csignal>
#include <unistd.h>

#include "certificates.h"
#include "clock.h"
#include "cmocka_cc.h"
#include "e2e.h"

static struct cluster the_cluster;
static struct authority the_authority;
static std::string the_folder; // ca.crt is of the_authority

static int start_all(void **)
{
    the_cluster = cluster_start({"--nodes", "3"});
    the_authority = authority_new();
    the_folder = folder_new();
    folder_put(the_folder, "ca.crt", the_authority.pem);
    return 0;
}

static int stop_all(void **)
{
    folder_remove(the_folder);
    authority_free(&the_authority);
    cluster_stop(&the_cluster);
    return 0;
}

static std::string file(const char *name)
{
    return the_folder + "/" + name;
}

static void put_pair(const struct certificate &pair)
{
    folder_put(the_folder, "tls.crt", pair.cert);
    folder_put(the_folder, "tls.key", pair.key);
}

static int setup(void **)
{
    cluster_do(&the_cluster, "DELETE", "/fault?node=*");
    cluster_do(&the_cluster, "DELETE", "/stats");
    put_pair(authority_issue_server(&the_authority));
    http_trust(file("ca.crt"));
    return 0;
}

static struct svc start(const std::vector<std::string> &more)
{
    std::vector<std::string> args = {
        "--nodes",   the_cluster.nodes, "--certfile",    file("tls.crt"),
        "--keyfile", file("tls.key"),   "--drain-delay", "0"};
    args.insert(args.end(), more.begin(), more.end());
    return svc_start(args);
}

// Nagle's algorithm and delayed acknowledgements would make it 40 ms for each.
static void requests__on_a_kept_connection__are_answered_at_once(void **)
{
    struct svc s = start({});
    assert_has(s.url, "https://");
    assert_int_equal(http_get(s.url + "/v1/pods").connects, 1);
    const int64_t begin_ms = clock_monotonic_ms();

    for (int i = 0; i < 200; i++) {
        const struct reply r = http_get(s.url + "/v1/pods");
        assert_int_equal(r.status, 200);
        assert_int_equal(r.connects, 0);
        assert_has(r.head, "HTTP/1.1 200");
    }

    assert_true(clock_monotonic_ms() - begin_ms < 200 * 30);
    svc_stop(&s);
}

static void plain_http__to_the_port__gets_a_400_and_no_other_loses(void **)
{
    struct svc s = start({});

    const std::string got = raw_exchange(s.url, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");

    assert_has(got, "HTTP/1.1 400 Bad Request");
    assert_has(got, "use https://");
    assert_int_equal(http_get(s.url + "/livez").status, 200);
    svc_stop(&s);
}

static void certificates__swapped_under_load__cost_no_request(void **)
{
    struct svc s = start({"--verbose"}); // requests stand between the lines that are counted
    constexpr size_t AT_ONCE = 8, SWAPS = 20;
    std::vector<struct pending *> under_way;
    size_t answered = 0;

    for (size_t swap = 0; swap < SWAPS; swap++) {
        put_pair(authority_issue_server(&the_authority));
        kill(s.daemon.pid, SIGHUP);
        for (size_t i = 0; i < 5 * AT_ONCE; i++) {
            under_way.push_back(http_start("GET", s.url + "/v1/pods?n=" + std::to_string(i)));
            if (under_way.size() < AT_ONCE)
                continue;
            assert_int_equal(http_finish(under_way.front()).status, 200);
            under_way.erase(under_way.begin());
            answered++;
            // so that there are handshakes all the time
            const struct reply r = http("GET", s.url + "/livez", "", {"Connection: close"});
            assert_int_equal(r.status, 200);
        }
    }
    for (struct pending *p : under_way)
        assert_int_equal(http_finish(p).status, 200);

    assert_true(answered > SWAPS * AT_ONCE);
    const std::string log = program_log(&s.daemon);
    assert_int_equal(count_of(log, "the new certificate is in use"), SWAPS);
    assert_int_equal(count_of(log, "--keyfile"), 0);
    svc_stop(&s);
}

static void certificate__of_another_authority__is_seen_by_new_connections(void **)
{
    struct svc s = start({});
    struct authority other = authority_new();
    folder_put(the_folder, "other.crt", other.pem);
    const struct certificate good = authority_issue_server(&other);
    assert_int_equal(http_get(s.url + "/livez").status, 200);

    folder_put(the_folder, "tls.crt", good.cert);
    kill(s.daemon.pid, SIGHUP);
    program_wait_for(&s.daemon, "not the key of the certificate");
    const struct reply old = http("GET", s.url + "/livez", "", {"Connection: close"});
    folder_put(the_folder, "tls.key", good.key);
    kill(s.daemon.pid, SIGHUP);
    program_wait_for(&s.daemon, "the new certificate is in use");

    assert_int_equal(old.status, 200);
    assert_int_equal(http_get(s.url + "/livez").status, 0);
    http_trust(file("other.crt"));
    assert_int_equal(http_get(s.url + "/livez").status, 200);
    assert_int_equal(count_of(program_log(&s.daemon), "not the key"), 1);
    authority_free(&other);
    svc_stop(&s);
}

static void handshake__that_does_not_come__ends_by_the_deadline(void **)
{
    struct svc s = start({"--request-timeout", "500ms"});
    const int64_t begin_ms = clock_monotonic_ms();

    const int silent = raw_open(s.url, ""), half = raw_open(s.url, "\x16\x03\x01");

    assert_text(raw_read(silent, nullptr), "");
    assert_text(raw_read(half, nullptr), "");
    const int64_t took_ms = clock_monotonic_ms() - begin_ms;
    assert_true(took_ms >= 450 && took_ms < 5000);
    close(silent);
    close(half);
    svc_stop(&s);
}

static void put_client(const char *cert, const char *key, const struct certificate &pair)
{
    folder_put(the_folder, cert, pair.cert);
    folder_put(the_folder, key, pair.key);
}

static void clients__by_their_certificates__are_answered_or_not(void **)
{
    struct authority other = authority_new();
    put_client("alice.crt", "alice.key", authority_issue(&the_authority, "x", "DNS:alice"));
    put_client("bob.crt", "bob.key", authority_issue(&the_authority, "bob", nullptr));
    put_client("eve.crt", "eve.key", authority_issue(&other, "alice", nullptr));
    struct svc any = start({"--client-ca", file("ca.crt")});
    struct svc some = start({"--client-ca", file("ca.crt"), "--client-names", "carol,Alice"});
    const struct {
        const char *cert, *key;
        int health, any, some;
    } cases[] = {
        {nullptr, nullptr, 200, 403, 403},
        {"alice.crt", "alice.key", 200, 200, 200},
        {"bob.crt", "bob.key", 200, 200, 403},
        {"eve.crt", "eve.key", 0, 0, 0},
    };

    for (const auto &c : cases) {
        http_trust(file("ca.crt"), c.cert ? file(c.cert) : "", c.key ? file(c.key) : "");
        for (const char *path : {"/livez", "/readyz"})
            assert_int_equal(http_get(some.url + path).status, c.health);
        assert_int_equal(http_get(any.url + "/v1/pods").status, c.any);
        assert_int_equal(http_get(some.url + "/v1/pods").status, c.some);
        assert_int_equal(http("DELETE", some.url + "/v1/trace-session/5").status,
                         c.some == 200 ? 404 : c.some);
    }

    http_trust(file("ca.crt"), file("bob.crt"), file("bob.key"));
    const struct reply r = http_get(some.url + "/v1/pods");
    assert_text(reply_header(r, "Content-Type"), "application/problem+json");
    assert_has(r.body, "The client certificate is of bob, which is none of those who may ask.");
    authority_free(&other);
    svc_stop(&any);
    svc_stop(&some);
}

static void sigterm__with_a_request_under_way__lets_it_finish(void **)
{
    struct svc s = start({});
    cluster_slow_down(&the_cluster, "worker-2", "700");
    struct pending *p = http_start("GET", s.url + "/v1/pods");
    // the handshake takes steps of the client's
    struct pending *other = http_start("GET", s.url + "/v1/pods?node=worker-1");
    assert_int_equal(http_finish(other).status, 200);
    cluster_wait_for(&the_cluster, "/stats?node=worker-2", "\"GET\":1");

    kill(s.daemon.pid, SIGTERM);
    const struct reply r = http_finish(p);

    assert_int_equal(r.status, 200);
    assert_text(reply_header(r, "Tracer-Nodes"), "total=3, ok=3, miss=0, error=0, failed=0");
    assert_int_equal(program_wait(&s.daemon), 0);
}

int main()
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(requests__on_a_kept_connection__are_answered_at_once),
        TEST(plain_http__to_the_port__gets_a_400_and_no_other_loses),
        TEST(certificates__swapped_under_load__cost_no_request),
        TEST(certificate__of_another_authority__is_seen_by_new_connections),
        TEST(handshake__that_does_not_come__ends_by_the_deadline),
        TEST(clients__by_their_certificates__are_answered_or_not),
        TEST(sigterm__with_a_request_under_way__lets_it_finish),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
