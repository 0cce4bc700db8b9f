// What end-to-end tests are made of: the real daemon, the simulated cluster, requests over sockets.
//
// Programs are taken from $TRACER_BUILD (build/release where unset). Every wait has an end: what does
// not happen within ten seconds fails the test. Whatever is started ends with the test program, at the
// latest when its standard input closes.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

// A program under test.
struct program {
    int pid;
    int input; // its standard input, held open
    int log;   // a file in memory with what it wrote, both streams
    int turns; // a file in memory, see program_note_turns
};

// The simulator and where it listens.
struct cluster {
    struct program sim;
    std::string api, control; // URLs
    std::string nodes;        // fits --nodes
};

// The daemon and where it listens.
struct svc {
    struct program daemon;
    std::string url; // "http://127.0.0.1:12345", or https
};

// A reply, whole.
struct reply {
    int status; // 0: none
    std::string head, body;
    double seconds;
    long connects;
};

// Whether time and memory are those of users: no sanitizer, no valgrind.
[[nodiscard]] bool is_as_released();

struct pending; // a request under way

[[nodiscard]] struct program program_start(const char *name, std::vector<std::string> args);
// Programs started from now on may have so many descriptors; 0: as many as the tests.
void program_limit_descriptors(unsigned most);
// Whether programs started from now on note how long the turns of their loops are. Only where
// is_as_released().
void program_note_turns(bool note);
// The longest turn so far, in microseconds of CPU time: what else the machine does does not count.
[[nodiscard]] int64_t program_longest_turn_us(const struct program *p);
// Begins anew with that.
void program_forget_turns(const struct program *p);
// Waits for its end; the exit status, or 128 + the signal. What it wrote is left in `log`, if given.
int program_wait(struct program *p, std::string *log = nullptr);
int program_stop(struct program *p, int signal_number);
[[nodiscard]] std::string program_log(const struct program *p);
// What it uses of the system at present.
struct usage {
    long kb; // resident
    size_t descriptors;
    int64_t cpu_ms; // since it began
};
[[nodiscard]] struct usage program_usage(const struct program *p);
// CPU time that it has used since it began.
[[nodiscard]] int64_t program_cpu_us(const struct program *p);
// Waits until its log has `text`.
void program_wait_for(const struct program *p, const char *text);

[[nodiscard]] struct cluster cluster_start(std::vector<std::string> args);
void cluster_stop(struct cluster *c);
// A control request that must succeed, such as "POST", "/fault?node=worker-2&kind=hang".
std::string cluster_do(const struct cluster *c, const char *method, const std::string &target);
// These nodes, with commas between them, answer later by so many milliseconds.
void cluster_slow_down(const struct cluster *c, const char *nodes, const char *ms);

// Waits until GET `target` of the control port has `text`.
void cluster_wait_for(const struct cluster *c, const std::string &target, const char *text);

// Starts the daemon on a free port of 127.0.0.1 and waits until it listens.
[[nodiscard]] struct svc svc_start(std::vector<std::string> args);
// The same for a cluster's API, and waits until it is ready with `nodes` nodes.
[[nodiscard]] struct svc svc_start_for(const struct cluster *c, size_t nodes,
                                       std::vector<std::string> args = {});
// SIGTERM; asserts that it ends with status 0.
void svc_stop(struct svc *s);
// Waits until GET `target` has `text` in its body.
void svc_wait_for(const struct svc *s, const std::string &target, const char *text);
// Makes a session that traces this pod, at the node that has it, and returns its id.
std::string svc_create_session(const struct svc *s, const std::string &pod);

// Requests from now on trust these certificates only, and show this one of their own; files, empty: none.
void http_trust(const std::string &ca_file, const std::string &cert_file = "",
                const std::string &key_file = "");
// One request; `headers` are "Name: value" lines.
struct reply http(const char *method, const std::string &url, const std::string &body = "",
                  const std::vector<std::string> &headers = {});
struct reply http_get(const std::string &url);
// The same in two steps, for requests at the same time.
[[nodiscard]] struct pending *http_start(const char *method, const std::string &url,
                                         const std::string &body = "",
                                         const std::vector<std::string> &headers = {});
// Does what can be done at once for those under way.
void http_run();
struct reply http_finish(struct pending *p);
// Gives a request up: closes its connection.
void http_abandon(struct pending *p);

// The value of a header, "" where absent.
[[nodiscard]] std::string reply_header(const struct reply &r, const char *name);
[[nodiscard]] bool has(const std::string &text, const std::string &part);
[[nodiscard]] size_t count_of(const std::string &text, const std::string &part);
void assert_text(const std::string &got, const std::string &expected);
void assert_has(const std::string &text, const std::string &part);

// Sends bytes to "host:port" of `url` and reads until the peer closes or `until` was read.
[[nodiscard]] std::string raw_exchange(const std::string &url, const std::string &bytes,
                                       const char *until = nullptr);

// Connects; -1 where nobody listens.
[[nodiscard]] int raw_connect(const std::string &url);

// Connects and sends; the socket, from which nothing was read.
[[nodiscard]] int raw_open(const std::string &url, const std::string &bytes);

// Reads until the peer closes or `until`, if given, was read.
[[nodiscard]] std::string raw_read(int fd, const char *until);
