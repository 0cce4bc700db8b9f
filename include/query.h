// The query parameters that are ours, taken out of a request's target. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct query {
    std::string path;               // of the target, as sent
    std::string forward;            // the target without our parameters: what nodes are asked
    int64_t timeout_ms;             // timeout=; 0 where absent
    bool partial_deny;              // partial=deny
    bool view_nodes;                // view=nodes
    bool names_nodes;               // node= was there
    std::vector<std::string> nodes; // of node=, each once, in order
};

// Reads `target` ("/v1/pods?timeout=5s&x=1"). False: `error` names the parameter, what it got and what
// it takes. Parameters of others stay as they are, in their order.
[[nodiscard]] bool query_parse(std::string_view target, int64_t max_timeout_ms, struct query *q,
                               std::string *error);

// Percent-decodes a value or a segment of a path; what is no escape stays as it is.
[[nodiscard]] std::string query_decode(std::string_view text);

// The last segment of a target's path, decoded: "5" of "/v1/trace-session/%35?x=1".
[[nodiscard]] std::string query_last_segment(std::string_view target);
