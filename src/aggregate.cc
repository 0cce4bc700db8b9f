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

// What the body is made of.
enum content {
    CONTENT_MERGED,
    CONTENT_VIEW,          // an entry of each node
    CONTENT_FAILING,       // a problem with the nodes that failed
    CONTENT_ALL,           // a problem with all nodes
    CONTENT_ALL_WITH_DATA, // and with what they answered
};

struct aggregate {
    const std::vector<struct node_reply> *replies;
    struct http_response *out;
    enum content content;
    std::vector<struct merge_source> sources;
    struct merge *merge; // null unless CONTENT_MERGED
    size_t next;         // of replies, otherwise
    bool empty;          // no entry was written yet
    std::string end;     // behind the last entry
};

static struct tally count_outcomes(const std::vector<struct node_reply> &replies, size_t others)
{
    struct tally t = {};
    t.total = replies.size() + others;
    t.miss = others;
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

static bool is_view(const struct aggregate *a)
{
    return a->content == CONTENT_VIEW;
}

// "worker-1":{"outcome":"ok","status":200,"ms":12,"body":{...}} in a view,
// {"name":"worker-1","outcome":"failed","reason":"timeout","ms":10000} in a problem.
static void write_entry(struct aggregate *a, const struct node_reply &r)
{
    if (a->content == CONTENT_FAILING && !has_failed(r))
        return;
    std::string text = a->empty ? "" : ",";
    a->empty = false;
    text += is_view(a) ? "" : "{\"name\":";
    json_append_string(&text, r.name);
    text += is_view(a) ? ":{" : ",";
    append_entry(&text, r);
    rope_add_text(&a->out->body, text);
    if (is_view(a) || a->content == CONTENT_ALL_WITH_DATA)
        add_body_member(&a->out->body, r);
    rope_add_text(&a->out->body, "}");
}

static void begin_view(struct aggregate *a)
{
    a->content = CONTENT_VIEW;
    a->end = "}";
    rope_add_text(&a->out->body, "{");
}

static void begin_merged(struct aggregate *a)
{
    a->content = CONTENT_MERGED;
    a->sources.reserve(a->replies->size());
    for (const struct node_reply &r : *a->replies)
        if (r.has_data)
            a->sources.push_back(
                {.body = r.body, .members = json_members_list(r.json), .name = &r.name});
    a->merge = merge_new(&a->out->body, &a->sources);
}

static void begin_problem(struct aggregate *a, int status, const std::string &detail,
                          enum content content)
{
    std::string begin;
    a->content = content;
    a->end = "]";
    problem_begin(&begin, status, detail);
    problem_end(&a->end);
    problem_response_from(a->out, status, begin + ",\"nodes\":[");
    if (status == 503)
        add_header(a->out, "Retry-After", RETRY_AFTER_S);
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
static void begin_without_data(struct aggregate *a, const struct tally *t)
{
    const struct node_reply *error = worst_error(*a->replies);
    const struct node_reply *miss = first_miss(*a->replies);
    int status = 503;
    std::string detail;
    if (error) {
        status = error->status;
        detail = error->detail.empty() ? "no reason given" : error->detail;
    } else if (t->failed > 0 && t->miss > 0) {
        detail = of_nodes(t->failed, t) + " gave no usable answer, and the others do not have it: "
                                          "whether it exists can not be known";
    } else if (t->failed > 0) {
        detail = of_nodes(t->failed, t) + " gave no usable answer";
    } else if (miss) {
        status = miss->status;
        detail = miss->detail.empty() ? "no tracer-node has a container that matches and that hook"
                                      : miss->detail;
    } else {
        detail = "no tracer-node is known; /v1/tracer-nodes tells where discovery stands";
    }
    begin_problem(a, status, detail, CONTENT_FAILING);
}

struct aggregate *aggregate_new(const std::vector<struct node_reply> *replies,
                                const struct aggregate_options *options, struct http_response *out)
{
    struct aggregate *a = new aggregate{};
    a->replies = replies;
    a->out = out;
    a->empty = true;
    const struct tally t = count_outcomes(*replies, options->others);
    const bool has_data = t.ok + t.with_data > 0;
    const bool partial = t.error + t.failed > 0;
    const bool answered = t.ok + t.miss + t.error > 0;
    add_node_headers(*replies, &t, out);
    if (partial && options->partial_deny && (has_data || options->view_nodes))
        begin_problem(a, 503,
                      of_nodes(t.error + t.failed, &t) +
                          " failed, and partial=deny asks for all or nothing",
                      options->kind.mutation ? CONTENT_ALL_WITH_DATA : CONTENT_ALL);
    else if (options->view_nodes && answered)
        begin_view(a);
    else if (has_data)
        begin_merged(a);
    else
        begin_without_data(a, &t);
    return a;
}

bool aggregate_step(struct aggregate *a, size_t most)
{
    if (a->merge) {
        if (!merge_step(a->merge, most))
            return false;
        const size_t collisions = merge_renamed(a->merge);
        if (collisions > 0)
            add_header(a->out, "Tracer-Collisions", std::to_string(collisions));
        return true;
    }
    for (; a->next < a->replies->size(); a->next++)
        if (most-- == 0)
            return false;
        else
            write_entry(a, (*a->replies)[a->next]);
    rope_add_text(&a->out->body, a->end);
    return true;
}

void aggregate_free(struct aggregate *a)
{
    if (a->merge)
        merge_free(a->merge);
    delete a;
}
