// What a fan-out costs: CPU time per request of http_client and of a bare epoll client, the floor,
// on the same servers in the same run.
//
//   fanout_bench [SERVERS [WINDOW [ROUNDS]]]
//
// By default 1000 servers, 64 requests in flight at once, 9 rounds, of which the median counts.
//
// A child process serves 2 KB replies on one address of 127.0.0.0/8 per server, kept connections.
// Where there are two processors, the child has the second and the clients the first.
#include <algorithm>
#include <arpa/inet.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <event2/event.h>

#include "blob.h"
#include "http_client.h"

constexpr size_t BODY_SIZE = 2048;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void pin(size_t processor)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    sched_setaffinity(0, sizeof set, &set); // on a single processor it stays where it is
}

// User and system time of this process in microseconds.
static double cpu_us()
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return static_cast<double>(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
           static_cast<double>(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static struct sockaddr_in address_of(unsigned server, uint16_t port)
{
    struct sockaddr_in a = {};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(0x7f010000u + (server / 250 << 8) + server % 250 + 1);
    return a;
}

static void watch(int epoll, int fd)
{
    struct epoll_event e = {};
    e.events = EPOLLIN;
    e.data.fd = fd;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0)
        fail("epoll_ctl");
}

// Answers whatever comes, for ever. A request is small and comes in one piece.
[[noreturn]] static void serve(int listener)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(1);
    const std::string reply =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
        std::to_string(BODY_SIZE) + "\r\n\r\n" + std::string(BODY_SIZE, 'x');
    const int epoll = epoll_create1(0);
    watch(epoll, listener);
    struct epoll_event events[256];
    char request[4096];
    for (;;) {
        const int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            const int fd = events[i].data.fd;
            if (fd == listener)
                watch(epoll, accept(listener, nullptr, nullptr));
            else if (read(fd, request, sizeof request) <= 0)
                close(fd);
            else if (write(fd, reply.data(), reply.size()) < 0)
                close(fd);
        }
    }
}

static pid_t start_server(uint16_t *port)
{
    const int on = 1;
    struct sockaddr_in a = {};
    socklen_t size = sizeof a;
    a.sin_family = AF_INET;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(listener, reinterpret_cast<struct sockaddr *>(&a), size) != 0 ||
        listen(listener, 1024) != 0)
        fail("listen");
    getsockname(listener, reinterpret_cast<struct sockaddr *>(&a), &size);
    *port = ntohs(a.sin_port);
    const pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0)
        serve(listener);
    close(listener);
    return child;
}

// The floor: kept sockets, one write and one read a request.
struct bare {
    int epoll;
    size_t window;
    std::vector<int> fds;
    std::string request;
};

static void bare_send(struct bare *b, size_t i)
{
    if (write(b->fds[i], b->request.data(), b->request.size()) < 0)
        fail("write");
}

static struct bare bare_new(unsigned servers, size_t window, uint16_t port)
{
    struct bare b = {};
    b.epoll = epoll_create1(0);
    b.window = window;
    b.request = "GET /v1/pods HTTP/1.1\r\nHost: 127.1.0.1:8080\r\nUser-Agent: bare\r\n"
                "Accept: */*\r\n\r\n";
    for (unsigned i = 0; i < servers; i++) {
        const struct sockaddr_in a = address_of(i, port);
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, reinterpret_cast<const struct sockaddr *>(&a), sizeof a) != 0)
            fail("connect");
        watch(b.epoll, fd);
        b.fds.push_back(fd);
    }
    return b;
}

static void bare_fan_out(struct bare *b)
{
    struct epoll_event events[256];
    char reply[16384];
    size_t next = 0;
    size_t done = 0;
    while (next < b->fds.size() && next < b->window)
        bare_send(b, next++);
    while (done < b->fds.size()) {
        const int count = epoll_wait(b->epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (read(events[i].data.fd, reply, sizeof reply) < static_cast<ssize_t>(BODY_SIZE))
                fail("a reply in pieces");
            done++;
            if (next < b->fds.size())
                bare_send(b, next++);
        }
    }
}

struct tuned {
    struct event_base *base;
    size_t window;
    struct http_client *client;
    std::vector<std::string> urls;
    size_t next;
    size_t done;
    long connects;
};

static void on_tuned_done(void *arg, const struct fetch_result *result);

static void tuned_send(struct tuned *t)
{
    const size_t i = t->next++;
    struct fetch_options o = {};
    o.method = "GET";
    o.url = t->urls[i].c_str();
    o.max_body = 1 << 24;
    o.timeout_ms = 10000;
    o.shard = 1 + static_cast<uint32_t>(i) / FETCH_SHARD_SERVERS;
    o.done = on_tuned_done;
    o.arg = t;
    if (!fetch_start(t->client, &o))
        abort();
}

static void on_tuned_done(void *arg, const struct fetch_result *result)
{
    struct tuned *t = static_cast<struct tuned *>(arg);
    if (result->status != FETCH_DONE || result->body->size != BODY_SIZE) {
        fprintf(stderr, "%s: %s\n", fetch_status_name(result->status), result->error);
        exit(1);
    }
    t->connects += result->connects;
    if (t->next < t->urls.size())
        tuned_send(t);
    if (++t->done == t->urls.size())
        event_base_loopbreak(t->base);
}

static void tuned_fan_out(struct tuned *t)
{
    t->next = 0;
    t->done = 0;
    t->connects = 0;
    while (t->next < t->urls.size() && t->next < t->window)
        tuned_send(t);
    event_base_dispatch(t->base);
}

static struct tuned tuned_new(unsigned servers, size_t window, uint16_t port)
{
    struct tuned t = {};
    t.base = event_base_new();
    t.window = window;
    t.client = http_client_new(t.base);
    for (unsigned i = 0; i < servers; i++) {
        const struct sockaddr_in a = address_of(i, port);
        char text[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &a.sin_addr, text, sizeof text);
        t.urls.push_back("http://" + std::string(text) + ":" + std::to_string(port) + "/v1/pods");
    }
    return t;
}

static double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// A round is as many fan-outs as make 2,000 requests or more.
static void measure(struct bare *b, struct tuned *t, unsigned servers, unsigned rounds)
{
    const unsigned repeat = 1 + 1999 / servers;
    const double requests = static_cast<double>(servers) * repeat;
    std::vector<double> floor_us;
    std::vector<double> tuned_us;
    std::vector<double> ratio;
    long reconnects = 0;
    for (unsigned round = 0; round < rounds; round++) {
        const double begin = cpu_us();
        for (unsigned i = 0; i < repeat; i++)
            bare_fan_out(b);
        const double middle = cpu_us();
        for (unsigned i = 0; i < repeat; i++) {
            tuned_fan_out(t);
            reconnects += t->connects;
        }
        floor_us.push_back((middle - begin) / requests);
        tuned_us.push_back((cpu_us() - middle) / requests);
        ratio.push_back(tuned_us.back() / floor_us.back());
    }
    printf("%u servers: %.1f us CPU a request, floor %.1f us, ratio %.2f, %ld reconnects\n",
           servers, median(tuned_us), median(floor_us), median(ratio), reconnects);
}

int main(int argc, char **argv)
{
    const unsigned servers = argc > 1 ? static_cast<unsigned>(atoi(argv[1])) : 1000;
    const unsigned window = argc > 2 ? static_cast<unsigned>(atoi(argv[2])) : 64;
    const unsigned rounds = argc > 3 ? static_cast<unsigned>(atoi(argv[3])) : 9;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    mallopt(M_TRIM_THRESHOLD, 256 << 20); // as the daemon
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    uint16_t port;
    const pid_t child = start_server(&port);
    pin(0);

    struct bare b = bare_new(servers, window, port);
    struct tuned t = tuned_new(servers, window, port);
    bare_fan_out(&b);
    tuned_fan_out(&t);
    printf("first fan-out: %ld connections\n", t.connects);
    measure(&b, &t, servers, rounds);

    http_client_free(t.client);
    event_base_free(t.base);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return 0;
}
