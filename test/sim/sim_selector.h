// Label and field selectors of Kubernetes, as far as clients of this simulator use them: =, ==, !=,
// "key" and "!key". Pure.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct sim_requirement {
    std::string key, value;
    bool exists; // only whether there is such a key matters
    bool negated;
};

typedef std::vector<struct sim_requirement> sim_selector;
typedef std::vector<std::pair<std::string, std::string>> sim_labels;

// False, with the API server's message, where `text` is no label selector.
[[nodiscard]] bool selector_parse_labels(std::string_view text, sim_selector *selector,
                                         std::string *message);

// False, with the API server's message, where `text` is no field selector over metadata.name and
// metadata.namespace.
[[nodiscard]] bool selector_parse_fields(std::string_view text, bool is_pods,
                                         sim_selector *selector, std::string *message);

[[nodiscard]] bool selector_matches(const sim_selector &selector, const sim_labels &labels);
