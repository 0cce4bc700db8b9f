// http_client: what one turn of the loop takes, however fast a server sends.
#include <algorithm>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <event2/event.h>

#include "cmocka_cc.h"
#include "fetching.h"
#include "http_client.h"
#include "tcp_server.h"

constexpr size_t REPLY_SIZE = 32 << 20;
constexpr size_t MOST_A_TURN = 512 << 10;

// A process of its own that sends as fast as it is read. Ends by itself.
static int start_server(std::string *url)
{
    struct sockaddr_in at = {};
    socklen_t size = sizeof at;
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, reinterpret_cast<struct sockaddr *>(&at), size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, reinterpret_cast<struct sockaddr *>(&at), &size), 0);
    *url = "http://127.0.0.1:" + std::to_string(ntohs(at.sin_port)) + "/";
    const int pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int fd = accept(listener, nullptr, nullptr);
        std::string bytes(1 << 20, 'x');
        (void)!read(fd, bytes.data(), bytes.size());
        const std::string head =
            "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(REPLY_SIZE) + "\r\n\r\n";
        (void)!write(fd, head.data(), head.size());
        for (size_t sent = 0; sent < REPLY_SIZE; sent += bytes.size())
            (void)!write(fd, bytes.data(), bytes.size());
        _exit(0);
    }
    close(listener);
    return pid;
}

struct turn {
    size_t bytes; // of this turn
    bool done;
};

// Takes as long as checking 16 KB of JSON does, so that the server can send more meanwhile.
static bool on_data(void *arg, const char *, size_t size)
{
    const struct timespec some = {.tv_sec = 0, .tv_nsec = 50000};
    nanosleep(&some, nullptr);
    static_cast<struct turn *>(arg)->bytes += size;
    return true;
}

static void on_done(void *arg, const struct fetch_result *result)
{
    assert_int_equal(result->status, FETCH_DONE);
    static_cast<struct turn *>(arg)->done = true;
}

static void turn__with_a_server_as_fast_as_it_is_read__is_bounded(void **)
{
    struct fetching s = fetching_begin({});
    std::string url;
    const int pid = start_server(&url);
    struct turn turn = {};
    struct fetch_options options = fetching_options(url.c_str(), nullptr);
    options.max_body = REPLY_SIZE;
    options.timeout_ms = 20000;
    options.discard = true;
    options.on_data = on_data;
    options.done = on_done;
    options.arg = &turn;
    size_t most = 0, all = 0;

    (void)!fetch_start(s.client, &options);
    while (!turn.done) {
        turn.bytes = 0;
        event_base_loop(s.base, EVLOOP_ONCE);
        most = std::max(most, turn.bytes);
        all += turn.bytes;
    }

    assert_int_equal(all, REPLY_SIZE);
    assert_in_range(most, 1, MOST_A_TURN);
    waitpid(pid, nullptr, 0);
    fetching_end(&s);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turn__with_a_server_as_fast_as_it_is_read__is_bounded),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
