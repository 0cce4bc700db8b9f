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

// As text_append_json, but a target can be looked for as it was sent.
static void append_target(std::string *out, const std::string &target)
{
    std::string_view rest = target;
    for (bool first = true; first || !rest.empty(); first = false) {
        std::string part;
        text_append_json(&part, text_next(&rest, '&'));
        *out += first ? "\"" : "&";
        out->append(part, 1, part.size() - 2);
    }
    *out += '"';
}

void sim_stats_append_resource(std::string *out, const struct sim_resource_stats *s)
{
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"lists", s->lists},
        {"pages", s->pages},
        {"watchRequests", s->watch_requests},
        {"watches", s->watches},
        {"events", s->events},
        {"bookmarks", s->bookmarks},
        {"bytes", s->bytes},
        {"acceptEncodings", s->accept_encodings},
    };
    const struct {
        const char *name;
        const std::string *text;
    } texts[] = {
        {"lastList", &s->last_list},
        {"lastWatch", &s->last_watch},
        {"userAgent", &s->user_agent},
    };
    for (const auto &row : counters)
        text_append(out, "\"%s\":%llu,", row.name, static_cast<unsigned long long>(row.value));
    for (const auto &row : texts) {
        text_append(out, "\"%s\":", row.name);
        append_target(out, *row.text);
        *out += ',';
    }
    out->pop_back();
}
