// What the log says of requests, which trace they belong to, and what their problem documents say of both.
#include <csignal>
#include <string>

#include "cmocka_cc.h"
#include "e2e.h"

static const char PARENT[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

struct fixture {
    struct cluster cluster;
    struct svc svc;
};

static struct fixture start(std::vector<std::string> args)
{
    struct fixture f = {.cluster = cluster_start({"--nodes", "3"}), .svc = {}};
    args.insert(args.end(), {"--nodes", f.cluster.nodes, "--drain-delay", "0"});
    f.svc = svc_start(args);
    return f;
}

static void stop(struct fixture *f)
{
    svc_stop(&f->svc);
    cluster_stop(&f->cluster);
}

// A request with this id and, if there is one, this traceparent.
static struct reply ask(const struct fixture *f, const char *method, const char *target,
                        const char *id, const char *parent = nullptr)
{
    std::vector<std::string> headers = {std::string("X-Request-Id: ") + id};
    if (parent)
        headers.insert(headers.end(), {std::string("traceparent: ") + parent, "tracestate: a=1"});
    return http(method, f->svc.url + target, "", headers);
}

static void log__brief__has_changes_failures_and_slow_ones(void **)
{
    struct fixture f = start({"--slow-request", "200ms"});
    ask(&f, "GET", "/v1/pods", "first"); // under valgrind a program's first request is a slow one
    ask(&f, "GET", "/v1/pods", "plain");
    ask(&f, "DELETE", "/v1/trace-session/all", "change");
    for (const char *node : {"worker-1", "worker-2", "worker-3"})
        cluster_do(&f.cluster, "POST", std::string("/fault?kind=hang&node=") + node);
    ask(&f, "GET", "/v1/pods?timeout=50ms", "failure");
    ask(&f, "GET", "/v1/pods?view=nodes&node=worker-1&timeout=250ms", "slow-failure");
    cluster_do(&f.cluster, "POST", "/fault?node=worker-1&kind=none");
    ask(&f, "GET", "/v1/pods?node=worker-1,worker-2&timeout=250ms", "slow");
    ask(&f, "POST", "/v1/pods", "refused");

    program_wait_for(&f.svc.daemon, "request refused ");
    const std::string log = program_log(&f.svc.daemon);

    assert_has(log, " info request change DELETE /v1/trace-session/all: 200 in ");
    assert_has(log, " ms, nodes total=3, ok=3, miss=0, error=0, failed=0\n");
    assert_has(log, " info request failure GET /v1/pods?timeout=50ms: 503 in ");
    assert_has(log,
               " info request slow GET /v1/pods?node=worker-1,worker-2&timeout=250ms: 200 in ");
    assert_has(log, " info request refused POST /v1/pods: 405 in ");
    assert_int_equal(count_of(log, "request plain "), 0);
    stop(&f);
}

static void log__as_json__has_fields(void **)
{
    struct fixture f = start({"--log-format", "json", "--verbose"});
    ask(&f, "GET", "/v1/pods?node=worker-2", "one\"two", PARENT);
    ask(&f, "GET", "/v1/trace-session/7", "other", PARENT);
    ask(&f, "GET", "/nothing", "third");

    program_wait_for(&f.svc.daemon, "request third ");
    const std::string log = program_log(&f.svc.daemon);

    assert_has(log, "\"request-id\":\"one\\\"two\","
                    "\"trace-id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"user\":\"\","
                    "\"method\":\"GET\",\"target\":\"/v1/pods?node=worker-2\","
                    "\"route\":\"/v1/pods\",\"status\":200,\"ms\":");
    assert_has(log, ",\"nodes-total\":1,\"nodes-ok\":1,\"nodes-miss\":0,\"nodes-error\":0,"
                    "\"nodes-failed\":0}\n");
    assert_has(log, "\"route\":\"/v1/trace-session/{id}\",\"status\":");
    assert_has(log, "\"target\":\"/nothing\",\"route\":\"\",\"status\":404,\"ms\":");
    stop(&f);
}

static void sigusr1__sent__makes_the_log_verbose_and_brief_again(void **)
{
    struct fixture f = start({});
    ask(&f, "GET", "/v1/pods", "before");
    kill(f.svc.daemon.pid, SIGUSR1);
    program_wait_for(&f.svc.daemon, "the log is verbose from now on");
    ask(&f, "GET", "/v1/pods", "between");
    program_wait_for(&f.svc.daemon, "request between ");
    kill(f.svc.daemon.pid, SIGUSR1);
    program_wait_for(&f.svc.daemon, "the log is brief from now on");
    ask(&f, "GET", "/v1/pods", "after");
    ask(&f, "DELETE", "/v1/trace-session/all", "last");
    program_wait_for(&f.svc.daemon, "request last ");

    const std::string log = program_log(&f.svc.daemon);

    assert_int_equal(count_of(log, "request before "), 0);
    assert_int_equal(count_of(log, "request after "), 0);
    stop(&f);
}

static void trace__of_the_client__is_passed_on(void **)
{
    struct fixture f = start({});

    ask(&f, "GET", "/v1/pods", "id", PARENT);

    const std::string stats = cluster_do(&f.cluster, "GET", "/stats");
    assert_int_equal(count_of(stats, std::string("traceparent: ") + PARENT), 3);
    assert_int_equal(count_of(stats, "tracestate: a=1"), 3);
    stop(&f);
}

// Also where there is one that is not good, whose state means nothing then.
static void trace__that_is_missing__is_begun(void **)
{
    struct fixture f = start({});
    for (const char *parent : {static_cast<const char *>(nullptr), "00-aa-bb-01"}) {
        ask(&f, "GET", "/v1/pods", "id", parent);

        const std::string stats = cluster_do(&f.cluster, "GET", "/stats");
        const size_t at = stats.find("traceparent: 00-");
        assert_int_not_equal(at, std::string::npos);
        const size_t size = sizeof "traceparent: " - 1 + sizeof PARENT - 1;
        assert_int_equal(count_of(stats, stats.substr(at, size)), 3); // the same for all nodes
        assert_text(stats.substr(at + size - 3, 3), "-00");
        assert_int_equal(count_of(stats, "tracestate: "), 0);
    }
    stop(&f);
}

static void problem__of_any_kind__names_request_and_trace(void **)
{
    struct fixture f = start({});
    const char members[] =
        ",\"request-id\":\"my-id\",\"trace-id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}";
    for (const char *target : {"/nothing", "/v1/pods?timeout=x", "/v1/trace-session/77"})
        assert_has(ask(&f, "GET", target, "my-id", PARENT).body, members);

    const int fd = raw_open(f.svc.url, "GET / HTTP/9.9\r\nHost: x\r\n\r\n");
    const std::string refused = raw_read(fd, nullptr);
    assert_has(refused, ",\"trace-id\":\"");
    const size_t at = refused.find("X-Request-Id: ") + sizeof "X-Request-Id: " - 1;
    assert_has(refused, (",\"request-id\":\"" + refused.substr(at, 36) + "\"").c_str());
    stop(&f);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log__brief__has_changes_failures_and_slow_ones),
        cmocka_unit_test(log__as_json__has_fields),
        cmocka_unit_test(sigusr1__sent__makes_the_log_verbose_and_brief_again),
        cmocka_unit_test(trace__of_the_client__is_passed_on),
        cmocka_unit_test(trace__that_is_missing__is_begun),
        cmocka_unit_test(problem__of_any_kind__names_request_and_trace),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
