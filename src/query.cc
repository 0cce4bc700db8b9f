// The query parameters that are ours. Pure.
#include "query.h"

#include <algorithm>

#include "units.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

std::string query_decode(std::string_view text)
{
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        const bool escape = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                            hex_value(text[i + 2]) >= 0;
        if (escape) {
            out += static_cast<char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::string query_last_segment(std::string_view target)
{
    const std::string_view path = target.substr(0, target.find('?'));
    return query_decode(path.substr(path.rfind('/') + 1));
}

static bool is_visible(const std::string &text)
{
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

static bool read_nodes(const std::string &value, struct query *q)
{
    q->names_nodes = true;
    for (size_t begin = 0; begin <= value.size();) {
        const size_t comma = std::min(value.find(',', begin), value.size());
        const std::string name = value.substr(begin, comma - begin);
        if (name.empty() || !is_visible(name))
            return false;
        q->nodes.push_back(name);
        begin = comma + 1;
    }
    std::sort(q->nodes.begin(), q->nodes.end());
    q->nodes.erase(std::unique(q->nodes.begin(), q->nodes.end()), q->nodes.end());
    return true;
}

static bool read_timeout(const std::string &value, int64_t max_ms, struct query *q)
{
    return units_parse_duration(value, &q->timeout_ms) && q->timeout_ms > 0 &&
           q->timeout_ms <= max_ms;
}

enum parameter {
    PARAMETER_OTHER,
    PARAMETER_TIMEOUT,
    PARAMETER_PARTIAL,
    PARAMETER_NODE,
    PARAMETER_VIEW
};
constexpr const char *NAMES[] = {"", "timeout", "partial", "node", "view"};

static enum parameter parameter_of(const std::string &name)
{
    for (int i = PARAMETER_TIMEOUT; i <= PARAMETER_VIEW; i++)
        if (name == NAMES[i])
            return static_cast<enum parameter>(i);
    return PARAMETER_OTHER;
}

// Takes one of ours. False: `takes` says what would have been right.
static bool read_ours(enum parameter which, const std::string &value, int64_t max_timeout_ms,
                      struct query *q, std::string *takes)
{
    switch (which) {
    case PARAMETER_OTHER: return true;
    case PARAMETER_TIMEOUT:
        *takes = "a duration up to " + units_duration_text(max_timeout_ms) +
                 ", such as 5 (seconds), 250ms or 5s";
        return read_timeout(value, max_timeout_ms, q);
    case PARAMETER_PARTIAL:
        *takes = "deny";
        q->partial_deny = true;
        return value == "deny";
    case PARAMETER_NODE:
        *takes = "names of nodes, separated by commas";
        return read_nodes(value, q);
    case PARAMETER_VIEW:
        *takes = "nodes";
        q->view_nodes = true;
        return value == "nodes";
    }
    return false;
}

// Reads one "name=value". Ours are taken out, others go into what is forwarded.
static bool read_pair(std::string_view pair, int64_t max_timeout_ms, struct query *q, bool *seen,
                      bool *first, std::string *error)
{
    const size_t equals = std::min(pair.find('='), pair.size());
    const enum parameter which = parameter_of(query_decode(pair.substr(0, equals)));
    if (which == PARAMETER_OTHER) {
        q->forward += *first ? '?' : '&';
        q->forward += pair;
        *first = false;
        return true;
    }
    const std::string name = NAMES[which];
    if (seen[which]) {
        *error = name + ": given twice; it is taken once";
        return false;
    }
    seen[which] = true;
    const std::string value =
        equals == pair.size() ? std::string() : query_decode(pair.substr(equals + 1));
    std::string takes;
    if (read_ours(which, value, max_timeout_ms, q, &takes))
        return true;
    *error = name + ": got \"" + std::string(equals == pair.size() ? "" : pair.substr(equals + 1)) +
             "\"; it takes " + takes;
    return false;
}

bool query_parse(std::string_view target, int64_t max_timeout_ms, struct query *q,
                 std::string *error)
{
    *q = {};
    const size_t mark = std::min(target.find('?'), target.size());
    q->path = target.substr(0, mark);
    q->forward = q->path;
    bool seen[PARAMETER_VIEW + 1] = {};
    bool first = true; // of what is forwarded
    for (size_t begin = mark + 1; begin <= target.size();) {
        const size_t end = std::min(target.find('&', begin), target.size());
        if (!read_pair(target.substr(begin, end - begin), max_timeout_ms, q, seen, &first, error))
            return false;
        begin = end + 1;
    }
    return true;
}
