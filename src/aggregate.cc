// The reply to a client: the table of outcomes in code. Pure; knows no clock, no network.
#include "aggregate.h"

#include <cstdint>
#include <string>

#include "blob.h"
#include "http_response.h"
#include "json_text.h"
#include "merge.h"
#include "problem.h"

constexpr size_t MOST_NAMED = 10; // failed nodes in the header; the rest are counted
constexpr const char *RETRY_AFTER_S = "5";

struct tally {
    size_t total, ok, miss, error, failed;
    size_t with_data; // errors that came with data
};

static struct tally count_outcomes(const std::vector<struct node_reply> &replies)
{
    struct tally t = {};
    t.total = replies.size();
    for (const struct node_reply &r : replies) {
        t.ok += r.outcome == OUTCOME_OK;
        t.miss += r.outcome == OUTCOME_MISS;
        t.error += r.outcome == OUTCOME_ERROR;
        t.failed += r.outcome == OUTCOME_FAILED;
        t.with_data += r.outcome == OUTCOME_ERROR && r.has_data;
    }
    return t;
}

static bool has_failed(const struct node_reply &r)
{
    return r.outcome == OUTCOME_ERROR || r.outcome == OUTCOME_FAILED;
}

// RFC 9651, section 3.3.3: a string is visible ASCII in quotes.
static void append_sf_string(std::string *out, const std::string &text)
{
    *out += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\')
            *out += '\\';
        *out += c >= ' ' && c <= '~' ? c : '?';
    }
    *out += '"';
}

// "worker-3";reason=timeout;ms=10000
static void append_failed_node(std::string *out, const struct node_reply &r)
{
    append_sf_string(out, r.name);
    *out += ";reason=" + std::string(reason_name(r.reason));
    if (r.reason == REASON_NODE_ERROR)
        *out += ";status=" + std::to_string(r.status);
    else if (r.ms >= 0)
        *out += ";ms=" + std::to_string(r.ms);
    if (r.has_data)
        *out += ";data";
    if (r.effect != EFFECT_NONE)
        *out += ";effect=" + std::string(effect_name(r.effect));
}

static void add_header(struct http_response *out, const char *name, const std::string &value)
{
    out->headers.push_back({.name = name, .value = value});
}

static void add_node_headers(const std::vector<struct node_reply> &replies, const struct tally *t,
                             struct http_response *out)
{
    add_header(out, "Tracer-Nodes",
               "total=" + std::to_string(t->total) + ", ok=" + std::to_string(t->ok) +
                   ", miss=" + std::to_string(t->miss) + ", error=" + std::to_string(t->error) +
                   ", failed=" + std::to_string(t->failed));
    std::string named;
    size_t count = 0;
    for (const struct node_reply &r : replies) {
        if (!has_failed(r) || ++count > MOST_NAMED)
            continue;
        named += named.empty() ? "" : ", ";
        append_failed_node(&named, r);
    }
    if (count > 0)
        add_header(out, "Tracer-Failed-Nodes", named);
    if (count > MOST_NAMED)
        add_header(out, "Tracer-Failed-Nodes-More", std::to_string(count - MOST_NAMED));
}

static void append_member(std::string *out, const char *key, const std::string &text)
{
    *out += ",\"" + std::string(key) + "\":";
    json_append_string(out, text);
}

// "outcome":"failed","reason":"timeout","ms":10000: what an entry says besides its name and body.
static void append_entry(std::string *out, const struct node_reply &r)
{
    *out += "\"outcome\":\"" + std::string(outcome_name(r.outcome)) + "\"";
    if (r.reason != REASON_NONE)
        append_member(out, "reason", reason_name(r.reason));
    if (r.status != 0)
        *out += ",\"status\":" + std::to_string(r.status);
    if (r.ms >= 0)
        *out += ",\"ms\":" + std::to_string(r.ms);
    if (r.effect != EFFECT_NONE)
        append_member(out, "effect", effect_name(r.effect));
    if (r.outcome != OUTCOME_OK && !r.detail.empty())
        append_member(out, "detail", r.detail);
}

// An ok answer without an object is the empty object; others without one have no body.
static void add_body_member(struct rope *out, const struct node_reply &r)
{
    if (!r.has_data && r.outcome != OUTCOME_OK)
        return;
    rope_add_text(out, ",\"body\":");
    if (r.has_data)
        rope_add(out, r.body, r.data_offset, r.data_size);
    else
        rope_add_text(out, "{}");
}

// {"worker-1":{"outcome":"ok","status":200,"ms":12,"body":{...}},...}
static void write_view(const std::vector<struct node_reply> &replies, struct rope *out)
{
    rope_add_text(out, "{");
    for (size_t i = 0; i < replies.size(); i++) {
        std::string text = i == 0 ? "" : ",";
        json_append_string(&text, replies[i].name);
        text += ":{";
        append_entry(&text, replies[i]);
        rope_add_text(out, text);
        add_body_member(out, replies[i]);
        rope_add_text(out, "}");
    }
    rope_add_text(out, "}");
}

static void write_merged(const std::vector<struct node_reply> &replies, struct http_response *out)
{
    std::vector<struct merge_source> sources;
    sources.reserve(replies.size());
    for (const struct node_reply &r : replies)
        if (r.has_data)
            sources.push_back(
                {.body = r.body, .members = &json_members_list(r.json), .name = &r.name});
    const size_t collisions = merge_objects(&out->body, sources);
    if (collisions > 0)
        add_header(out, "Tracer-Collisions", std::to_string(collisions));
}

enum problem_nodes { NODES_FAILING, NODES_ALL, NODES_ALL_WITH_BODIES };

// The "nodes" of a problem: the failing ones, or all of them, with what was done by a mutation.
static void write_problem_nodes(const std::vector<struct node_reply> &replies,
                                enum problem_nodes which, struct rope *out)
{
    bool first = true;
    rope_add_text(out, "[");
    for (const struct node_reply &r : replies) {
        if (which == NODES_FAILING && !has_failed(r))
            continue;
        std::string text = first ? "{\"name\":" : ",{\"name\":";
        first = false;
        json_append_string(&text, r.name);
        text += ",";
        append_entry(&text, r);
        rope_add_text(out, text);
        if (which == NODES_ALL_WITH_BODIES)
            add_body_member(out, r);
        rope_add_text(out, "}");
    }
    rope_add_text(out, "]");
}

static void write_problem(const std::vector<struct node_reply> &replies, int status,
                          const std::string &detail, enum problem_nodes which,
                          struct http_response *out)
{
    std::string begin, end;
    problem_begin(&begin, status, detail);
    problem_end(&end);
    problem_response_from(out, status, begin + ",\"nodes\":");
    write_problem_nodes(replies, which, &out->body);
    rope_add_text(&out->body, end);
    if (status == 503)
        add_header(out, "Retry-After", RETRY_AFTER_S);
}

// The error that stands for all: 5xx over 4xx, then by node name.
static const struct node_reply *worst_error(const std::vector<struct node_reply> &replies)
{
    const struct node_reply *worst = nullptr;
    for (const struct node_reply &r : replies)
        if (r.outcome == OUTCOME_ERROR && (!worst || (r.status >= 500 && worst->status < 500)))
            worst = &r;
    return worst;
}

static const struct node_reply *first_miss(const std::vector<struct node_reply> &replies)
{
    for (const struct node_reply &r : replies)
        if (r.outcome == OUTCOME_MISS)
            return &r;
    return nullptr;
}

static std::string of_nodes(size_t count, const struct tally *t)
{
    return std::to_string(count) + " of " + std::to_string(t->total) +
           (t->total == 1 ? " tracer-node" : " tracer-nodes");
}

// Nobody had anything to merge.
static void reply_without_data(const std::vector<struct node_reply> &replies, const struct tally *t,
                               struct http_response *out)
{
    const struct node_reply *error = worst_error(replies);
    const struct node_reply *miss = first_miss(replies);
    if (error) {
        const std::string said = error->detail.empty() ? "no reason given" : error->detail;
        write_problem(replies, error->status, said, NODES_FAILING, out);
    } else if (t->failed > 0 && t->miss > 0) {
        write_problem(replies, 503,
                      of_nodes(t->failed, t) + " gave no usable answer, and the others do not have "
                                               "it: whether it exists can not be known",
                      NODES_FAILING, out);
    } else if (t->failed > 0) {
        write_problem(replies, 503, of_nodes(t->failed, t) + " gave no usable answer",
                      NODES_FAILING, out);
    } else if (miss) {
        const std::string said = miss->detail.empty()
                                     ? "no tracer-node has a container that matches and that hook"
                                     : miss->detail;
        write_problem(replies, miss->status, said, NODES_FAILING, out);
    } else {
        write_problem(replies, 503,
                      "no tracer-node is known; /v1/tracer-nodes tells where discovery stands",
                      NODES_FAILING, out);
    }
}

void aggregate_reply(const std::vector<struct node_reply> &replies,
                     const struct aggregate_options *options, struct http_response *out)
{
    const struct tally t = count_outcomes(replies);
    const bool has_data = t.ok + t.with_data > 0;
    const bool partial = t.error + t.failed > 0;
    const bool answered = t.ok + t.miss + t.error > 0;
    add_node_headers(replies, &t, out);
    if (partial && options->partial_deny && (has_data || options->view_nodes)) {
        write_problem(replies, 503,
                      of_nodes(t.error + t.failed, &t) +
                          " failed, and partial=deny asks for all or nothing",
                      options->kind.mutation ? NODES_ALL_WITH_BODIES : NODES_ALL, out);
    } else if (options->view_nodes && answered) {
        write_view(replies, &out->body);
    } else if (has_data) {
        write_merged(replies, out);
    } else {
        reply_without_data(replies, &t, out);
    }
}
