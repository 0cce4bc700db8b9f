// What the measuring programs share: processors, CPU time, medians, and what simulated nodes answer.
#pragma once
#include <cstddef>
#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <sys/types.h>
#include <vector>

// A measurement that cannot be made ends the program with status 1.
[[noreturn]] void bench_fail(const char *what);      // with errno's text
[[noreturn]] void bench_fail_text(const char *what); // without

// Moves this process to the nth of the processors that it was started with; to the last one where there
// are fewer. Servers of a measurement have the second, what is measured has the first.
void bench_pin(size_t nth);

void bench_raise_descriptors();

// CPU time that a process has used, user and system, in microseconds. 0: this one.
[[nodiscard]] double bench_cpu_us(pid_t pid);
[[nodiscard]] double bench_now_us();

[[nodiscard]] double bench_median(std::vector<double> values);

// Node i has an address of its own in 127.1.0.0/16; all have the same port.
[[nodiscard]] struct sockaddr_in bench_node_address(unsigned node, uint16_t port);
[[nodiscard]] int bench_connect(const struct sockaddr_in *address);

// What a node answers to GET /v1/pods: an object of exactly `size` bytes with `pods` members, whose keys
// no other node has. Too small a size for so many pods is a failure.
[[nodiscard]] std::string bench_pods(unsigned node, unsigned pods, size_t size);

// The head of that answer; always as long for the same size.
[[nodiscard]] std::string bench_head(size_t size);
