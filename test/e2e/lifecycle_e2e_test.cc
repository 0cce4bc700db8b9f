// The daemon as a process: bad options, signals, draining.
#include <csignal>
#include <cstdlib>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "cmocka_cc.h"
#include "e2e.h"

// Runs the daemon to its end; its log is left in `log`.
static int run_to_end(std::vector<std::string> args, std::string *log)
{
    struct program p = program_start("tracer-svc", args);
    return program_wait(&p, log);
}

static void option__bad__ends_with_status_2_and_says_why(void **)
{
    const struct {
        std::vector<std::string> args;
        const char *says;
    } cases[] = {
        {{"--poll", "0"}, "--poll: got \"0\"; it takes a duration from 100ms"},
        {{"--address", "nonsense"}, "--address: 'nonsense'"},
        {{"--address", "127.0.0.1:70000"}, "--address: '127.0.0.1:70000'"},
        {{"--certfile", "x"}, "--certfile: HTTPS needs --keyfile"},
        {{"--keyfile", "x"}, "--keyfile: HTTPS needs --certfile"},
        {{"--certfile", "/nonexistent/tls.crt", "--keyfile", "x"},
         "--certfile: /nonexistent/tls.crt: No such file"},
        {{"--kube-server", "http://127.0.0.1:70000"}, "--kube-server: want http://HOST:PORT"},
        {{"--namespace", "My NS"}, "--namespace: got \"My NS\""},
        {{"--nope"}, "--nope: no such option"},
        {{"--svc-selector", "spec.x=1", "--kube-server", "http://127.0.0.1:1"}, "spec.x"},
    };

    for (const auto &t : cases) {
        std::string log;
        assert_int_equal(run_to_end(t.args, &log), 2);
        assert_has(log, t.says);
        assert_int_equal(count_of(log, "\n"), 1);
    }
}

static void start__without_a_cluster__fails_with_a_reason(void **)
{
    std::string log;

    assert_int_equal(run_to_end({"--address", "127.0.0.1:0"}, &log), 1);

    assert_has(log, "KUBERNETES_SERVICE_HOST");
}

static void start__with_a_token_file_that_is_not_there__fails_with_a_reason(void **)
{
    std::string log;

    assert_int_equal(run_to_end({"--address", "127.0.0.1:0", "--kube-server", "https://127.0.0.1:1",
                                 "--kube-token-file", "/nonexistent/token"},
                                &log),
                     1);

    assert_has(log, "token file /nonexistent/token: No such file");
}

// 192.0.2.1 is nobody's: nothing listens there while this is tested.
static void start__for_strangers__warns_once_of_what_is_open(void **)
{
    const std::vector<std::string> auth = {"--auth", "kubernetes", "--kube-server",
                                           "http://127.0.0.1:1"};
    const struct {
        std::vector<std::string> more;
        const char *says;
    } cases[] = {{{}, "EVERYBODY who reaches 192.0.2.1:1 may trace"},
                 {auth, "tokens of clients can be READ on their way to 192.0.2.1:1"}};

    for (const auto &t : cases) {
        std::vector<std::string> args = {"--nodes", "a=127.0.0.1:1"};
        args.insert(args.end(), t.more.begin(), t.more.end());
        struct svc s = svc_start(args);
        assert_int_equal(count_of(program_log(&s.daemon), " warn "), 0);
        program_stop(&s.daemon, SIGKILL);
        args.insert(args.end(), {"--address", "192.0.2.1:1"});
        std::string log;
        assert_int_equal(run_to_end(args, &log), 1);
        assert_int_equal(count_of(log, " warn "), 1);
        assert_has(log, t.says);
    }
}

static void start__on_an_address_in_use__fails_with_a_reason(void **)
{
    struct svc first = svc_start({"--nodes", "a=127.0.0.1:1", "--drain-delay", "0"});
    std::string log;

    const int status =
        run_to_end({"--address", first.url.substr(7), "--nodes", "a=127.0.0.1:1"}, &log);

    assert_int_equal(status, 1);
    assert_has(log, "in use");
    svc_stop(&first);
}

static void help__and_version__end_with_status_0(void **)
{
    std::string log;

    assert_int_equal(run_to_end({"--help"}, &log), 0);
    assert_has(log, "--pods-selector");
    assert_int_equal(run_to_end({"--version"}, &log), 0);
    assert_has(log, "tracer-svc ");
}

static void sigterm__with_a_drain_delay__still_serves_meanwhile(void **)
{
    struct svc s = svc_start({"--nodes", "a=127.0.0.1:1", "--drain-delay", "2s"});
    const int64_t begin_ms = clock_monotonic_ms();
    assert_int_equal(http_get(s.url + "/readyz").status, 200);

    kill(s.daemon.pid, SIGTERM);
    svc_wait_for(&s, "/readyz", "shutting down");

    assert_int_equal(http_get(s.url + "/readyz").status, 503);
    assert_int_equal(http_get(s.url + "/livez").status, 200);
    assert_int_equal(http_get(s.url + "/v1/pods").status, 503); // its node is not there
    assert_int_equal(program_wait(&s.daemon), 0);
    assert_true(clock_monotonic_ms() - begin_ms >= 2000);
    assert_int_equal(http_get(s.url + "/livez").status, 0);
}

static void sigterm__with_a_request_under_way__lets_it_finish(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    struct svc s = svc_start_for(&c, 2);
    cluster_slow_down(&c, "worker-2", "700");
    struct pending *p = http_start("GET", s.url + "/v1/pods");
    cluster_wait_for(&c, "/stats?node=worker-2", "\"GET\":1");

    kill(s.daemon.pid, SIGTERM);
    const struct reply r = http_finish(p);

    assert_int_equal(r.status, 200);
    assert_text(reply_header(r, "Tracer-Nodes"), "total=2, ok=2, miss=0, error=0, failed=0");
    assert_int_equal(program_wait(&s.daemon), 0);
    cluster_stop(&c);
}

static void sigterm__with_a_hung_node__ends_at_the_deadline(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    struct svc s = svc_start_for(&c, 2);
    cluster_do(&c, "POST", "/fault?node=worker-2&kind=hang");
    struct pending *p = http_start("GET", s.url + "/v1/pods?timeout=1s");
    cluster_wait_for(&c, "/stats?node=worker-2", "\"GET\":1");

    kill(s.daemon.pid, SIGTERM);
    const struct reply r = http_finish(p);

    assert_text(reply_header(r, "Tracer-Nodes"), "total=2, ok=1, miss=0, error=0, failed=1");
    assert_int_equal(program_wait(&s.daemon), 0);
    cluster_stop(&c);
}

// A client that asks again as soon as it has a reply, on the same connection while that is kept.
struct busy_client {
    int fd;
    std::string in;
    size_t answered, lost;
};

// Connects if need be and asks. False: nobody listens any more.
static bool busy_client_ask(struct busy_client *c, const std::string &url, size_t i)
{
    const std::string path = i % 2 ? "/v1/pods" : "/version";
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n";
    if (c->fd < 0)
        c->fd = raw_connect(url);
    if (c->fd < 0)
        return false;
    c->in.clear();
    if (send(c->fd, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size()))
        c->lost++;
    return true;
}

// Reads what has come. True: the reply is whole, or will never be.
static bool busy_client_read(struct busy_client *c)
{
    char piece[65536];
    const ssize_t size = recv(c->fd, piece, sizeof piece, MSG_DONTWAIT);
    if (size > 0)
        c->in.append(piece, static_cast<size_t>(size));
    const size_t head = c->in.find("\r\n\r\n"), at = c->in.find("Content-Length: ");
    const bool whole = head != std::string::npos && at < head &&
                       c->in.size() == head + 4 + strtoul(c->in.c_str() + at + 16, nullptr, 10);
    if (!whole && size > 0)
        return false;
    if (whole && c->in.compare(0, 15, "HTTP/1.1 200 OK") == 0)
        c->answered++;
    else
        c->lost++;
    if (!whole || has(c->in, "Connection: close")) {
        close(c->fd);
        c->fd = -1;
    }
    return true;
}

// Has all clients ask until nobody listens, and ends the daemon as soon as each had some replies.
static void busy_clients_run(std::vector<struct busy_client> *clients, const struct svc *s)
{
    const int64_t end_ms = clock_monotonic_ms() + 60000;
    bool told = false;
    size_t left = clients->size(), answered = 0;
    for (size_t i = 0; i < clients->size(); i++)
        assert_true(busy_client_ask(&(*clients)[i], s->url, i));
    while (left > 0 && clock_monotonic_ms() < end_ms) {
        std::vector<struct pollfd> sockets;
        for (const struct busy_client &c : *clients)
            sockets.push_back({.fd = c.fd, .events = POLLIN, .revents = 0});
        poll(sockets.data(), sockets.size(), 100);
        for (size_t i = 0; i < clients->size(); i++) {
            if (sockets[i].revents == 0 || !busy_client_read(&(*clients)[i]))
                continue;
            answered++;
            left -= !busy_client_ask(&(*clients)[i], s->url, i);
        }
        if (!told && answered >= 10 * clients->size())
            told = kill(s->daemon.pid, SIGTERM) == 0;
    }
    assert_int_equal(left, 0);
}

static void sigterm__under_load__loses_no_request(void **)
{
    struct cluster c = cluster_start({"--nodes", "3"});
    struct svc s = svc_start_for(&c, 3, {"--drain-delay", "500ms"});
    cluster_slow_down(&c, "worker-1", "50");
    std::vector<struct busy_client> clients(60, {.fd = -1, .in = "", .answered = 0, .lost = 0});

    busy_clients_run(&clients, &s);
    const int64_t begin_ms = clock_monotonic_ms();

    assert_int_equal(program_wait(&s.daemon), 0);
    assert_true(clock_monotonic_ms() - begin_ms < 2000);
    for (const struct busy_client &one : clients) {
        assert_int_equal(one.lost, 0);
        assert_true(one.answered > 0);
    }
    cluster_stop(&c);
}

static void sigterm__with_half_requests_and_idle_connections__ends_soon(void **)
{
    struct svc s = svc_start({"--nodes", "a=127.0.0.1:1", "--drain-delay", "0"});
    const int silent = raw_open(s.url, "");
    const int half = raw_open(s.url, "POST /v1/trace-session HTTP/1.1\r\nHost: x\r\n"
                                     "Content-Length: 20\r\n\r\n{");
    const int kept = raw_open(s.url, "GET /version HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_has(raw_read(kept, "}"), "HTTP/1.1 200 OK");
    const int64_t begin_ms = clock_monotonic_ms();

    kill(s.daemon.pid, SIGTERM);

    assert_text(raw_read(silent, nullptr), "");
    assert_has(raw_read(half, nullptr), "HTTP/1.1 408 ");
    assert_text(raw_read(kept, nullptr), "");
    for (const int fd : {silent, half, kept})
        close(fd);
    assert_int_equal(program_wait(&s.daemon), 0);
    assert_true(clock_monotonic_ms() - begin_ms < 4000); // a request may take ten seconds otherwise
}

static void signal__a_second_one__ends_at_once(void **)
{
    struct cluster c = cluster_start({"--nodes", "1"});
    struct svc s = svc_start_for(&c, 1, {"--drain-delay", "1m"});
    cluster_do(&c, "POST", "/fault?node=worker-1&kind=hang");
    struct pending *p = http_start("GET", s.url + "/v1/pods");
    cluster_wait_for(&c, "/stats?node=worker-1", "\"GET\":1");
    const int64_t begin_ms = clock_monotonic_ms();

    kill(s.daemon.pid, SIGTERM);
    program_wait_for(&s.daemon, "draining");
    kill(s.daemon.pid, SIGTERM);

    assert_int_equal(program_wait(&s.daemon), 0);
    assert_true(clock_monotonic_ms() - begin_ms < 5000);
    assert_int_equal(http_finish(p).status, 0);
    cluster_stop(&c);
}

static void sighup__sent__changes_nothing(void **)
{
    struct svc s = svc_start({"--nodes", "a=127.0.0.1:1", "--drain-delay", "0"});

    kill(s.daemon.pid, SIGHUP);

    assert_int_equal(http_get(s.url + "/readyz").status, 200);
    svc_stop(&s);
}

static void log__as_json__has_one_object_a_line(void **)
{
    struct svc s = svc_start(
        {"--nodes", "a=127.0.0.1:1", "--drain-delay", "0", "--log-format", "json", "--verbose"});
    (void)http("GET", s.url + "/v1/pods?x=%22", "", {"X-Request-Id: one\"two"});
    program_wait_for(&s.daemon, "GET /v1/pods");

    const std::string log = program_log(&s.daemon);

    assert_has(log, "\"level\":\"info\",\"msg\":\"tracer-svc ");
    assert_has(log, "one\\\"two");
    svc_stop(&s);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(option__bad__ends_with_status_2_and_says_why),
        cmocka_unit_test(start__without_a_cluster__fails_with_a_reason),
        cmocka_unit_test(start__with_a_token_file_that_is_not_there__fails_with_a_reason),
        cmocka_unit_test(start__for_strangers__warns_once_of_what_is_open),
        cmocka_unit_test(start__on_an_address_in_use__fails_with_a_reason),
        cmocka_unit_test(help__and_version__end_with_status_0),
        cmocka_unit_test(sigterm__with_a_drain_delay__still_serves_meanwhile),
        cmocka_unit_test(sigterm__with_a_request_under_way__lets_it_finish),
        cmocka_unit_test(sigterm__with_a_hung_node__ends_at_the_deadline),
        cmocka_unit_test(sigterm__under_load__loses_no_request),
        cmocka_unit_test(sigterm__with_half_requests_and_idle_connections__ends_soon),
        cmocka_unit_test(signal__a_second_one__ends_at_once),
        cmocka_unit_test(sighup__sent__changes_nothing),
        cmocka_unit_test(log__as_json__has_one_object_a_line),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
