// Fuzzes what reads a request's target. Oracles: what is forwarded has none of our parameters, is its
// own fixed point and begins with the path; a message names one of ours and what it takes.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "query.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

constexpr int64_t MOST_MS = 60000;

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool is_of_ours(const std::string &error)
{
    for (const char *name : {"timeout: ", "partial: ", "node: ", "view: "})
        if (error.compare(0, strlen(name), name) == 0)
            return error.find("it takes ") != std::string::npos ||
                   error.find("it is taken once") != std::string::npos;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const std::string text(reinterpret_cast<const char *>(data), size);
    struct query q, again;
    std::string error;
    check(query_decode(text).size() <= text.size());
    if (!query_parse(text, MOST_MS, &q, &error)) {
        check(is_of_ours(error));
        return 0;
    }
    check(error.empty() && q.timeout_ms >= 0 && q.timeout_ms <= MOST_MS);
    check(q.path == text.substr(0, text.find('?')));
    check(q.forward.compare(0, q.path.size(), q.path) == 0 && q.forward.size() <= text.size());
    check(q.names_nodes == !q.nodes.empty());
    for (const std::string &node : q.nodes)
        for (const char c : node)
            check(c > ' ' && c <= '~' && c != ',');
    check(query_parse(q.forward, MOST_MS, &again, &error));
    check(again.forward == q.forward && again.timeout_ms == 0 && !again.partial_deny &&
          !again.view_nodes && !again.names_nodes);
    return 0;
}
