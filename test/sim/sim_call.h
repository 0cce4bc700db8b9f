// A control request under way: its parameters, its answer, and the handlers that are about the API
// server.
#pragma once
#include <string>
#include <string_view>

struct sim_answer;
struct sim_cluster;
struct sim_kube;

struct sim_call {
    struct sim_cluster *cluster;
    struct sim_kube *kube;
    std::string_view query;
    struct sim_answer *answer;
};

typedef void (*sim_call_fn)(const struct sim_call *call);

void sim_call_ok(const struct sim_call *call);
void sim_call_bad(const struct sim_call *call, const std::string &reason);
// Of an operation that set errno.
void sim_call_done(const struct sim_call *call, bool ok);

// A parameter, empty where it is absent.
[[nodiscard]] std::string sim_call_text(const struct sim_call *call, const char *name);
[[nodiscard]] bool sim_call_flag(const struct sim_call *call, const char *name, bool fallback);

// The handler of a control request about the API server, or null.
[[nodiscard]] sim_call_fn sim_call_find(std::string_view method, std::string_view path);

// Appends the counters of each resource as a JSON object.
void sim_call_append_resources(std::string *out, const struct sim_kube *k);
