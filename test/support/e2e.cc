// Programs and clusters under test.
#include "e2e.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "cmocka_cc.h"

constexpr int64_t PATIENCE_MS = 30000; // programs under valgrind or a sanitizer are slow
constexpr unsigned STEP_US = 5000;     // between two looks

static std::string build_path(const char *name)
{
    const char *build = getenv("TRACER_BUILD");
    return std::string(build ? build : "build/release") + "/" + name;
}

bool is_as_released()
{
    return has(build_path(""), "release") && !getenv("TRACER_WRAPPER");
}

// The words to run: $TRACER_WRAPPER (such as valgrind) before the daemon, then the program.
static std::vector<std::string> command_of(const char *name, const std::vector<std::string> &args)
{
    std::vector<std::string> words;
    const char *wrapper = strcmp(name, "tracer-svc") == 0 ? getenv("TRACER_WRAPPER") : nullptr;
    std::string rest = wrapper ? wrapper : "";
    while (!rest.empty()) {
        const size_t space = std::min(rest.find(' '), rest.size());
        if (space > 0)
            words.push_back(rest.substr(0, space));
        rest.erase(0, space + 1);
    }
    words.push_back(build_path(name));
    words.insert(words.end(), args.begin(), args.end());
    return words;
}

static unsigned the_most_descriptors; // 0: no limit of ours

void program_limit_descriptors(unsigned most)
{
    the_most_descriptors = most;
}

static void limit_descriptors()
{
    const struct rlimit files = {.rlim_cur = the_most_descriptors,
                                 .rlim_max = the_most_descriptors};
    if (the_most_descriptors > 0)
        setrlimit(RLIMIT_NOFILE, &files);
}

static bool turns_are_noted;

void program_note_turns(bool note)
{
    turns_are_noted = note;
}

// Its loop writes into the file; see test/bench/turns.cc.
static void preload_turns(int file)
{
    if (!turns_are_noted)
        return;
    const std::string path = "/proc/" + std::to_string(getppid()) + "/fd/" + std::to_string(file);
    setenv("TURNS_FILE", path.c_str(), 1);
    setenv("LD_PRELOAD", build_path("bench/turns.so").c_str(), 1);
}

int64_t program_longest_turn_us(const struct program *p)
{
    uint64_t turns_and_longest[3] = {}; // wall, CPU
    assert_int_equal(pread(p->turns, turns_and_longest, sizeof turns_and_longest, 0),
                     sizeof turns_and_longest);
    assert_true(turns_and_longest[0] > 0);
    return static_cast<int64_t>(turns_and_longest[2] / 1000);
}

void program_forget_turns(const struct program *p)
{
    const uint64_t none[3] = {};
    assert_int_equal(pwrite(p->turns, none, sizeof none, 0), sizeof none);
}

struct program program_start(const char *name, std::vector<std::string> args)
{
    const int log = memfd_create("log", MFD_CLOEXEC);
    const int turns = memfd_create("turns", MFD_CLOEXEC);
    int input[2];
    assert_true(log >= 0 && turns >= 0);
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    std::vector<std::string> words = command_of(name, args);
    std::vector<char *> argv;
    for (std::string &word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    const int pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // a test that fails must leave nothing behind
        limit_descriptors();
        preload_turns(turns);
        dup2(input[0], STDIN_FILENO);
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        execvp(argv[0], argv.data());
        _exit(127);
    }
    close(input[0]);
    return {.pid = pid, .input = input[1], .log = log, .turns = turns};
}

std::string program_log(const struct program *p)
{
    std::string text;
    char piece[4096];
    for (;;) {
        const ssize_t size = pread(p->log, piece, sizeof piece, static_cast<off_t>(text.size()));
        if (size <= 0)
            break;
        text.append(piece, static_cast<size_t>(size));
    }
    return text;
}

static bool has_ended(const struct program *p)
{
    siginfo_t info = {};
    return waitid(P_PID, static_cast<id_t>(p->pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

void program_wait_for(const struct program *p, const char *text)
{
    const int64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (!has(program_log(p), text)) {
        if (has_ended(p) && !has(program_log(p), text))
            fail_msg("ended without \"%s\":\n%s", text, program_log(p).c_str());
        if (clock_monotonic_ms() > end_ms)
            fail_msg("no \"%s\" in:\n%s", text, program_log(p).c_str());
        usleep(STEP_US);
    }
}

int program_wait(struct program *p, std::string *kept)
{
    const int64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (!has_ended(p)) {
        if (clock_monotonic_ms() > end_ms) {
            kill(p->pid, SIGKILL);
            fail_msg("did not end:\n%s", program_log(p).c_str());
        }
        usleep(STEP_US);
    }
    int status = 0;
    waitpid(p->pid, &status, 0);
    close(p->input);
    close(p->turns);
    const std::string log = program_log(p);
    if (has(log, "ERROR: AddressSanitizer") || has(log, "ERROR: LeakSanitizer") ||
        has(log, "runtime error:") ||
        has(log, "== ERROR SUMMARY: 0 errors") != has(log, "== ERROR SUMMARY:"))
        fail_msg("a memory checker complains:\n%s", log.c_str());
    if (kept)
        *kept = log;
    close(p->log);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int program_stop(struct program *p, int signal_number)
{
    kill(p->pid, signal_number);
    return program_wait(p);
}

struct usage program_usage(const struct program *p)
{
    struct usage u = {};
    const std::string proc = "/proc/" + std::to_string(p->pid);
    long long user = 0, system = 0, pages = 0;
    FILE *file = fopen((proc + "/stat").c_str(), "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file,
                            "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld"
                            " %*d %*d %*d %*d %*d %*d %*u %*u %lld",
                            &user, &system, &pages),
                     3);
    fclose(file);
    u.kb = static_cast<long>(pages) * (sysconf(_SC_PAGESIZE) / 1024);
    u.cpu_ms = (user + system) * 1000 / sysconf(_SC_CLK_TCK);
    DIR *folder = opendir((proc + "/fd").c_str());
    assert_non_null(folder);
    while (const struct dirent *entry = readdir(folder))
        u.descriptors += entry->d_name[0] != '.';
    closedir(folder);
    return u;
}

int64_t program_cpu_us(const struct program *p)
{
    clockid_t clock;
    struct timespec t;
    assert_int_equal(clock_getcpuclockid(p->pid, &clock), 0);
    assert_int_equal(clock_gettime(clock, &t), 0);
    return static_cast<int64_t>(t.tv_sec) * 1000000 + t.tv_nsec / 1000;
}

// The rest of the line of the log that begins with `key`.
static std::string log_value(const struct program *p, const char *key)
{
    const std::string log = "\n" + program_log(p);
    const size_t at = log.find("\n" + std::string(key));
    if (at == std::string::npos)
        return "";
    const size_t begin = at + 1 + strlen(key);
    return log.substr(begin, log.find('\n', begin) - begin);
}

struct cluster cluster_start(std::vector<std::string> args)
{
    struct cluster c;
    args.push_back("--exit-with-stdin");
    c.sim = program_start("tracer-sim", args);
    program_wait_for(&c.sim, "\nready");
    c.api = log_value(&c.sim, "api=");
    c.control = log_value(&c.sim, "control=");
    c.nodes = log_value(&c.sim, "nodes=");
    return c;
}

void cluster_stop(struct cluster *c)
{
    assert_int_equal(program_stop(&c->sim, SIGTERM), 0);
}

std::string cluster_do(const struct cluster *c, const char *method, const std::string &target)
{
    const struct reply r = http(method, c->control + target);
    if (r.status != 200)
        fail_msg("%s %s: %d %s", method, target.c_str(), r.status, r.body.c_str());
    return r.body;
}

void cluster_slow_down(const struct cluster *c, const char *nodes, const char *ms)
{
    cluster_do(c, "POST", std::string("/fault?node=") + nodes + "&kind=slow&after=" + ms);
}

struct svc svc_start(std::vector<std::string> args)
{
    struct svc s;
    args.insert(args.begin(), {"--address", "127.0.0.1:0"});
    s.daemon = program_start("tracer-svc", args);
    program_wait_for(&s.daemon, "listens on 127.0.0.1:");
    const std::string log = program_log(&s.daemon);
    const size_t at = log.find("listens on 127.0.0.1:") + strlen("listens on 127.0.0.1:");
    const size_t end = log.find_first_not_of("0123456789", at);
    s.url = log.compare(end, 9, " with TLS") == 0 ? "https://127.0.0.1:" : "http://127.0.0.1:";
    s.url += log.substr(at, end - at);
    return s;
}

struct svc svc_start_for(const struct cluster *c, size_t nodes, std::vector<std::string> args)
{
    args.insert(args.begin(), {"--kube-server", c->api, "--poll", "200ms", "--drain-delay", "0"});
    struct svc s = svc_start(args);
    const int64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    for (;;) {
        const struct reply r = http_get(s.url + "/v1/tracer-nodes");
        if (r.status == 200 && count_of(r.body, "\"ready\":true") == nodes)
            return s;
        if (clock_monotonic_ms() > end_ms)
            fail_msg("not %zu nodes: %s\n%s", nodes, r.body.c_str(),
                     program_log(&s.daemon).c_str());
        usleep(STEP_US);
    }
}

// Asks until the reply has `text`.
static void wait_for(const std::string &url, const char *text)
{
    const int64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    for (;;) {
        const struct reply r = http_get(url);
        if (has(r.body, text))
            return;
        if (clock_monotonic_ms() > end_ms)
            fail_msg("%s never has %s: %s", url.c_str(), text, r.body.c_str());
        usleep(STEP_US);
    }
}

void svc_wait_for(const struct svc *s, const std::string &target, const char *text)
{
    wait_for(s->url + target, text);
}

void cluster_wait_for(const struct cluster *c, const std::string &target, const char *text)
{
    wait_for(c->control + target, text);
}

void svc_stop(struct svc *s)
{
    const int status = program_stop(&s->daemon, SIGTERM);
    assert_int_equal(status, 0);
}

std::string svc_create_session(const struct svc *s, const std::string &pod)
{
    const struct reply r =
        http("POST", s->url + "/v1/trace-session",
             R"({"pod":")" + pod + R"(","container":"*","trace-hook":"ticker"})");
    assert_int_equal(r.status, 200);
    return r.body.substr(2, r.body.find('"', 2) - 2);
}

bool has(const std::string &text, const std::string &part)
{
    return text.find(part) != std::string::npos;
}

size_t count_of(const std::string &text, const std::string &part)
{
    size_t count = 0;
    for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size())
        count++;
    return count;
}

void assert_text(const std::string &got, const std::string &expected)
{
    assert_string_equal(got.c_str(), expected.c_str());
}

void assert_has(const std::string &text, const std::string &part)
{
    if (!has(text, part))
        fail_msg("no \"%s\" in: %s", part.c_str(), text.c_str());
}
