// How long the daemon takes to start.
//
//   start_bench NODES ROUNDS COMMAND...
//
// COMMAND is the daemon with its options, among them --address 127.0.0.1:0. Prints medians over the rounds,
// in milliseconds: until it says that it listens, and until GET /v1/pods has the answer of all NODES.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "asker.h"
#include "common.h"

constexpr double PATIENCE_US = 10e6;
constexpr useconds_t PAUSE_US = 500; // between two requests

struct daemon_process {
    pid_t pid;
    int log; // its standard error
};

static struct daemon_process spawn(char **command)
{
    int ends[2];
    if (pipe(ends) != 0)
        bench_fail("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        bench_fail("fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        execvp(command[0], command);
        _exit(127);
    }
    close(ends[1]);
    return {.pid = pid, .log = ends[0]};
}

// Waits for the line of the log that says where it listens.
static uint16_t wait_for_port(struct daemon_process *d)
{
    static const char words[] = "listens on 127.0.0.1:";
    char buffer[4096];
    std::string text;
    for (;;) {
        const ssize_t n = read(d->log, buffer, sizeof buffer);
        if (n <= 0)
            bench_fail_text("the daemon ended before it listened");
        text.append(buffer, static_cast<size_t>(n));
        const size_t at = text.find(words);
        if (at != std::string::npos && text.find('\n', at) != std::string::npos)
            return static_cast<uint16_t>(atoi(text.c_str() + at + strlen(words)));
    }
}

static void wait_for_reply(uint16_t port, unsigned nodes, double begin)
{
    struct asker *a = asker_new(port, "/v1/pods");
    while (!asker_ask(a, nodes)) {
        if (bench_now_us() - begin > PATIENCE_US)
            bench_fail_text("no reply that has all nodes");
        usleep(PAUSE_US);
    }
    asker_free(a);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        bench_fail_text("start_bench NODES ROUNDS COMMAND...");
    const unsigned nodes = static_cast<unsigned>(atoi(argv[1]));
    std::vector<double> listening, replying;
    for (int i = 0; i < atoi(argv[2]); i++) {
        const double begin = bench_now_us();
        struct daemon_process d = spawn(argv + 3);
        const uint16_t port = wait_for_port(&d);
        listening.push_back((bench_now_us() - begin) / 1e3);
        wait_for_reply(port, nodes, begin);
        replying.push_back((bench_now_us() - begin) / 1e3);
        kill(d.pid, SIGKILL);
        waitpid(d.pid, nullptr, 0);
        close(d.log);
    }
    printf("%.1f %.1f\n", bench_median(listening), bench_median(replying));
    return 0;
}
