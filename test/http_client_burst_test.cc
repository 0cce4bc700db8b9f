// Replies that come faster than they may be read: another process sends without pause, the client pauses.
#include "http_client.h"

#include <algorithm>
#include <arpa/inet.h>
#include <csignal>
#include <cstring>
#include <event2/event.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "budget.h"
#include "cmocka_cc.h"
#include "support/fetching.h"
#include "support/tcp_server.h"

constexpr size_t BODY = 8000000;

// Every byte of the body tells where it belongs.
static char byte_at(size_t i)
{
    return static_cast<char>((i * 7 + i / 251) & 0x7f);
}

static pid_t server;
static std::string url;
static struct fetching client;

static void send_all(int fd, const std::string &bytes)
{
    for (size_t at = 0; at < bytes.size();) {
        const ssize_t n = write(fd, bytes.data() + at, bytes.size() - at);
        if (n <= 0)
            return;
        at += static_cast<size_t>(n);
    }
}

// Answers GET /chunked in chunks of odd sizes, everything else with a Content-Length.
[[noreturn]] static void serve(int listener)
{
    std::string body(BODY, ' '), chunked;
    for (size_t i = 0; i < BODY; i++)
        body[i] = byte_at(i);
    for (size_t at = 0, size = 1; at < BODY; at += size, size = size * 3 % 40009 + 1) {
        char length[20];
        snprintf(length, sizeof length, "%zx\r\n", std::min(size, BODY - at));
        chunked += length + body.substr(at, size) + "\r\n";
    }
    for (;;) {
        const int fd = accept(listener, nullptr, nullptr);
        char request[4096] = {};
        while (read(fd, request, sizeof request - 1) > 0) {
            if (strstr(request, "/chunked"))
                send_all(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked +
                                 "0\r\n\r\n");
            else
                send_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(BODY) +
                                 "\r\n\r\n" + body);
        }
        close(fd);
    }
}

static int setup(void **)
{
    struct sockaddr_in a = {};
    socklen_t size = sizeof a;
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, reinterpret_cast<struct sockaddr *>(&a), size) != 0 ||
        listen(listener, 8) != 0 ||
        getsockname(listener, reinterpret_cast<struct sockaddr *>(&a), &size) != 0)
        return 1;
    url = "http://127.0.0.1:" + std::to_string(ntohs(a.sin_port));
    client = fetching_begin({}); // ignores SIGPIPE, for both
    server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(listener);
    }
    close(listener);
    return server < 0;
}

static int teardown(void **)
{
    fetching_end(&client);
    kill(server, SIGKILL);
    waitpid(server, nullptr, 0);
    return 0;
}

static struct fetch_options options_for(const std::string &target, struct outcome *outcome)
{
    struct fetch_options o = fetching_options(target.c_str(), outcome);
    o.max_body = BODY;
    return o;
}

static void body__in_one_or_in_chunks__comes_whole(void **)
{
    for (const char *path : {"/plain", "/chunked", "/plain"}) {
        struct outcome outcome = {};
        const std::string target = url + path;
        const struct fetch_options o = options_for(target, &outcome);
        outcome = fetching_do(&client, &o);

        assert_int_equal(outcome.status, FETCH_DONE);
        assert_int_equal(outcome.body.size(), BODY);
        size_t right = 0;
        for (size_t i = 0; i < BODY; i++)
            right += outcome.body[i] == byte_at(i);
        assert_int_equal(right, BODY);
    }
}

// Wants so many bytes, and no more.
struct receiver {
    size_t left;
    struct outcome outcome;
};

static bool on_data_until_enough(void *arg, const char *, size_t size)
{
    struct receiver *r = static_cast<struct receiver *>(arg);
    r->left -= std::min(r->left, size);
    return r->left > 0;
}

static void on_receiver_done(void *arg, const struct fetch_result *result)
{
    on_fetch_outcome(&static_cast<struct receiver *>(arg)->outcome, result);
}

static void receiver__that_has_enough__stops_it(void **)
{
    // at any place, also in the piece that waits for the end of a pause
    for (size_t enough = 16384; enough <= 40 * 16384; enough += 16384) {
        struct receiver r = {.left = enough, .outcome = {}};
        struct fetch_options o = options_for(url, nullptr);
        o.on_data = on_data_until_enough;
        o.done = on_receiver_done;
        o.arg = &r;

        (void)!fetch_start(client.client, &o);
        fetching_wait(&client, &r.outcome);

        assert_int_equal(r.outcome.status, FETCH_STOPPED);
        assert_int_equal(r.outcome.calls, 1);
    }
}

static void body__beyond_its_budget__is_too_large(void **)
{
    for (size_t limit = 16384; limit <= 40 * 16384; limit += 16384) {
        struct budget budget = {.limit = limit, .used = 0};
        struct outcome outcome = {};
        struct fetch_options o = options_for(url, &outcome);
        o.budget = &budget;

        outcome = fetching_do(&client, &o);

        assert_int_equal(outcome.status, FETCH_TOO_LARGE);
        assert_int_equal(budget.used, 0);
    }
}

static void cancel__while_it_comes__leaves_nothing(void **)
{
    for (int turns = 0; turns < 60; turns++) {
        struct outcome outcome = {};
        const struct fetch_options o = options_for(url, &outcome);
        struct fetch *f = fetch_start(client.client, &o);
        for (int i = 0; i < turns && outcome.calls == 0; i++)
            event_base_loop(client.base, EVLOOP_NONBLOCK);

        if (outcome.calls == 0)
            fetch_cancel(f);
        event_base_loop(client.base, EVLOOP_NONBLOCK);

        assert_int_equal(outcome.calls, 0);
    }
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(body__in_one_or_in_chunks__comes_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(receiver__that_has_enough__stops_it, setup, teardown),
        cmocka_unit_test_setup_teardown(body__beyond_its_budget__is_too_large, setup, teardown),
        cmocka_unit_test_setup_teardown(cancel__while_it_comes__leaves_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
