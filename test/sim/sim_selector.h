// Label and field selectors of Kubernetes, as far as clients of this simulator use them: =, ==, !=,
// "key" and "!key". Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

struct sim_requirement {
    std::string key, value;
    bool exists; // only whether there is such a key matters
    bool negated;
};

struct sim_label {
    std::string key, value;
};

// False, with the API server's message, where `text` is no label selector.
[[nodiscard]] bool selector_parse_labels(std::string_view text,
                                         std::vector<struct sim_requirement> *selector,
                                         std::string *message);

// False, with the API server's message, where `text` is no field selector over metadata.name and
// metadata.namespace.
[[nodiscard]] bool selector_parse_fields(std::string_view text, bool is_pods,
                                         std::vector<struct sim_requirement> *selector,
                                         std::string *message);

[[nodiscard]] bool selector_matches(const std::vector<struct sim_requirement> &selector,
                                    const std::vector<struct sim_label> &labels);
