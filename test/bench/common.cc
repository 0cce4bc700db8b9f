#include "common.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>

void bench_fail(const char *what)
{
    perror(what);
    exit(1);
}

void bench_fail_text(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

void bench_pin(size_t nth)
{
    static cpu_set_t all;
    if (CPU_COUNT(&all) == 0 && sched_getaffinity(0, sizeof all, &all) != 0)
        bench_fail("sched_getaffinity");
    cpu_set_t one;
    CPU_ZERO(&one);
    size_t seen = 0;
    for (size_t i = 0; i < CPU_SETSIZE && seen <= nth; i++) {
        if (!CPU_ISSET(i, &all))
            continue;
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        seen++;
    }
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        bench_fail("sched_setaffinity");
}

void bench_raise_descriptors()
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        bench_fail("getrlimit");
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static double clock_us(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        bench_fail("clock_gettime");
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

double bench_cpu_us(pid_t pid)
{
    clockid_t clock;
    if (clock_getcpuclockid(pid, &clock) != 0)
        bench_fail_text("the daemon is gone");
    return clock_us(clock);
}

double bench_now_us()
{
    return clock_us(CLOCK_MONOTONIC);
}

double bench_median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

struct sockaddr_in bench_node_address(unsigned node, uint16_t port)
{
    struct sockaddr_in a = {};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(0x7f010000u + (node / 250 << 8) + node % 250 + 1);
    return a;
}

int bench_connect(const struct sockaddr_in *address)
{
    const int on = 1;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 ||
        connect(fd, reinterpret_cast<const struct sockaddr *>(address), sizeof *address) != 0)
        bench_fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static std::string hex(uint32_t seed, size_t digits)
{
    std::string text;
    while (text.size() < digits) {
        seed = seed * 1664525 + 1013904223;
        text += "0123456789abcdef"[seed >> 28];
    }
    return text;
}

constexpr size_t CONTAINER_SIZE = 260; // about, with its ten tasks
constexpr size_t CLOSING = 4;          // "]}}}" of a pod

static std::string container_head(unsigned number, uint32_t seed, const std::string &pod)
{
    return "\"c" + std::to_string(number) + "\":{\"Id\":\"" + hex(seed, 64) + "\",\"Pod\":\"" +
           pod + "\",\"Parent\":[" + std::to_string(1000 + seed % 30000) + "],\"Tasks\":[" +
           std::to_string(1000 + seed % 4000);
}

// Adds one pod up to offset `end` of the text: containers with process ids.
static void append_pod(std::string *text, uint32_t seed, size_t end)
{
    const std::string name = "deployment-" + hex(seed, 9) + "-" + std::to_string(seed);
    *text += "\"" + name + "\":{\"Containers\":{" + container_head(0, seed, name);
    if (text->size() + CLOSING > end)
        bench_fail_text("too many pods for the size of a reply");
    unsigned containers = 1;
    size_t container = text->size();
    for (unsigned task = 0; text->size() + 8 + CLOSING <= end; task++) {
        *text += "," + std::to_string(1000000 + (seed * 131 + task * 17) % 3000000);
        if (text->size() - container < 80 || text->size() + CONTAINER_SIZE + CLOSING > end)
            continue;
        *text += "]}," + container_head(containers, seed + containers, name);
        containers++;
        container = text->size();
    }
    text->append(end - CLOSING - text->size(), ' ');
    *text += "]}}}";
}

std::string bench_pods(unsigned node, unsigned pods, size_t size)
{
    std::string text = "{";
    for (unsigned pod = 0; pod < pods; pod++) {
        append_pod(&text, node * pods + pod, (size - 2) * (pod + 1) / pods);
        if (pod + 1 < pods)
            text += ",";
    }
    text.append(size - 1 - text.size(), ' ');
    return text + "}";
}

std::string bench_head(size_t size)
{
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
           "Date: Mon, 23 Nov 2026 19:10:06 GMT\r\nContent-Length: " +
           std::to_string(size) + "\r\n\r\n";
}
