// What a fan-out costs the daemon: its CPU time a node request, beside that of clients which only fetch,
// from the same nodes in turns.
//
//   fanout_bench PID PORT NODES-PORT NODES SIZE ROUNDS
//   fanout_bench PID PORT NODES-PORT NODES SIZE ROUNDS whole
//
// PID and PORT are the daemon's, pinned to the first processor, where the clients run too; NODES-PORT is
// that of test/bench/nodes, on the second. Each node answers SIZE bytes: to /v1/pods, or with `whole` to
// /v1/trace-hooks. `whole` has one client more to compare with: it fetches into memory, copies all to one
// place and writes that to a socket, and so does the least that a merged reply takes.
//
// Prints medians over the rounds: microseconds of the daemon, of libcurl and of the floor, a request;
// the daemon's over libcurl's, and over the floor's.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "asker.h"
#include "bare.h"
#include "common.h"
#include "curl_client.h"

constexpr size_t WINDOW = 64;       // as the daemon's --max-in-flight
constexpr unsigned REQUESTS = 2000; // at least, in a round

struct bench {
    pid_t pid;
    unsigned nodes;
    struct asker *asker;
    struct bare *bare;
    struct curl_client *curl;
    int sink;                // -1: replies are not written
    std::vector<char> whole; // what is written there
};

// Reads and forgets what is written to the socket that it returns.
static int sink_new()
{
    struct sockaddr_in a = {};
    socklen_t size = sizeof a;
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, reinterpret_cast<struct sockaddr *>(&a), size) != 0 ||
        listen(listener, 1) != 0 ||
        getsockname(listener, reinterpret_cast<struct sockaddr *>(&a), &size) != 0)
        bench_fail("listen");
    const pid_t child = fork();
    if (child < 0)
        bench_fail("fork");
    if (child > 0) {
        const int fd = bench_connect(&a);
        close(listener);
        return fd;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bench_pin(1);
    static char scratch[1 << 20];
    const int fd = accept(listener, nullptr, nullptr);
    while (recv(fd, scratch, sizeof scratch, 0) > 0)
        ;
    _exit(0);
}

// The daemon asks; its reply is read on the other processor.
static void ask_daemon(struct bench *b)
{
    if (!asker_ask(b->asker, b->nodes))
        bench_fail_text("the daemon did not have the answer of every node");
}

static void ask_bare(struct bench *b)
{
    bare_fan_out(b->bare);
    if (b->sink < 0)
        return;
    const size_t size = b->bare->size;
    for (size_t i = 0; i < b->nodes; i++)
        memcpy(b->whole.data() + i * size,
               b->bare->replies.data() + i * (b->bare->head + size) + b->bare->head, size);
    for (size_t at = 0; at < b->whole.size();) {
        const ssize_t n = send(b->sink, b->whole.data() + at, b->whole.size() - at, MSG_NOSIGNAL);
        if (n < 0)
            bench_fail("send");
        at += static_cast<size_t>(n);
    }
}

static void ask_curl(struct bench *b)
{
    if (curl_client_fan_out(b->curl) != 0)
        bench_fail_text("the curl client made new connections");
}

// CPU time a request, in microseconds, that a process needs for it.
static double cost(struct bench *b, pid_t pid, void (*ask)(struct bench *b))
{
    const unsigned repeat = 1 + (REQUESTS - 1) / b->nodes;
    bench_pin(pid == 0 ? 0 : 1);
    const double begin = bench_cpu_us(pid);
    for (unsigned i = 0; i < repeat; i++)
        ask(b);
    return (bench_cpu_us(pid) - begin) / (repeat * b->nodes);
}

static void measure(struct bench *b, unsigned rounds)
{
    std::vector<double> daemon, curl, bare, over_curl, over_bare;
    for (unsigned i = 0; i < rounds; i++) {
        daemon.push_back(cost(b, b->pid, ask_daemon));
        curl.push_back(cost(b, 0, ask_curl));
        bare.push_back(cost(b, 0, ask_bare));
        over_curl.push_back(daemon.back() / curl.back());
        over_bare.push_back(daemon.back() / bare.back());
    }
    printf("%.2f %.2f %.2f %.3f %.3f\n", bench_median(daemon), bench_median(curl),
           bench_median(bare), bench_median(over_curl), bench_median(over_bare));
}

int main(int argc, char **argv)
{
    if (argc < 7)
        bench_fail_text("fanout_bench PID PORT NODES-PORT NODES SIZE ROUNDS [whole]");
    const bool whole = argc > 7;
    const uint16_t port = static_cast<uint16_t>(atoi(argv[2]));
    const uint16_t nodes_port = static_cast<uint16_t>(atoi(argv[3]));
    const size_t size = strtoul(argv[5], nullptr, 10);
    const char *path = whole ? "/v1/trace-hooks" : "/v1/pods";
    mallopt(M_TRIM_THRESHOLD, 256 << 20); // as is best for curl
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    bench_raise_descriptors();

    struct bench b = {};
    b.pid = atoi(argv[1]);
    b.nodes = static_cast<unsigned>(atoi(argv[4]));
    b.sink = whole ? sink_new() : -1;
    b.whole.resize(whole ? b.nodes * size : 0);
    b.asker = asker_new(port, path);
    b.bare = bare_new(b.nodes, nodes_port, path, size, WINDOW, whole);
    b.curl = curl_client_new(b.nodes, nodes_port, path, size, WINDOW);
    for (int i = 0; i < 2; i++) { // connections and memory
        ask_daemon(&b);
        ask_bare(&b);
        curl_client_fan_out(b.curl);
    }
    measure(&b, static_cast<unsigned>(atoi(argv[6])));
    curl_client_free(b.curl);
    bare_free(b.bare);
    asker_free(b.asker);
    return 0;
}
