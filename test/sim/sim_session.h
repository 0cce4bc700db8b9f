// Tracing sessions of one simulated tracer-node. They live: a running `ticker` prints a line every
// 100 ms. Its output is not stored but counted from the time it was started.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

struct sim_session {
    uint64_t id;
    std::string context, hook;
    std::vector<std::string> params;
    std::map<std::string, std::vector<std::string>> containers; // pod -> container ids
    std::string command;                                        // its first line of output
    bool running;
    uint64_t started_ms;
};

// How long the node waits for the first output of a session's hook.
[[nodiscard]] unsigned sim_session_start_ms(const struct sim_session *s);

// What a node says of a hook that it stopped, or of one that had ended.
[[nodiscard]] const char *sim_session_end(const struct sim_session *s);

// Appends `"id":{session}`.
void sim_session_append(std::string *out, const struct sim_session *s, std::string_view node);
