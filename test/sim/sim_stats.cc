// Counters of requests.
#include "sim_stats.h"

#include <map>

#include "sim_text.h"

constexpr size_t COUNTS_MAX = 64;

void sim_stats_count(struct sim_stats *s, std::string_view method, std::string_view path)
{
    for (struct sim_count &count : s->counts) {
        if (count.path == path && count.method == method) {
            count.requests++;
            return;
        }
    }
    if (s->counts.size() >= COUNTS_MAX && path != "other") {
        sim_stats_count(s, method.size() < 8 ? method : "other", "other");
        return;
    }
    s->counts.push_back({.method = std::string(method), .path = std::string(path), .requests = 1});
}

static void append_member(std::string *out, char *comma, std::string_view name, uint64_t n)
{
    *out += *comma;
    text_append_json(out, name);
    text_append(out, ":%llu", static_cast<unsigned long long>(n));
    *comma = ',';
}

void sim_stats_append(std::string *out, const struct sim_stats *s)
{
    std::map<std::string, uint64_t> methods;
    for (const struct sim_count &count : s->counts)
        methods[count.method] += count.requests;
    *out += "\"requests\":";
    char comma = '{';
    for (const auto &[method, n] : methods)
        append_member(out, &comma, method, n);
    *out += comma == '{' ? "{},\"paths\":" : "},\"paths\":";
    comma = '{';
    for (const struct sim_count &count : s->counts)
        append_member(out, &comma, count.method + ' ' + count.path, count.requests);
    *out += comma == '{' ? "{}" : "}";
}
