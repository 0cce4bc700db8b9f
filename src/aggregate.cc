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
    size_t with_data;                // errors that came with data
    std::string named;               // the first that failed, as the header has them
    const struct node_reply *worst;  // the error for all: 5xx over 4xx, then by node name
    const struct node_reply *missed; // the first that does not have it
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
    const struct aggregate_options *options;
    struct http_response *out;
    struct tally tally;
    bool counted; // all of them: `content` is set
    enum content content;
    std::vector<struct merge_source> sources;
    struct merge *merge; // null until all sources are there
    size_t next;         // of replies: to be counted, and then of use
    bool empty;          // no entry was written yet
    std::string end;     // behind the last entry
};

static bool has_failed(const struct node_reply &r)
{
    return r.outcome == OUTCOME_ERROR || r.outcome == OUTCOME_FAILED;
}

// RFC 9651, section 3.3.3: a string is visible ASCII in quotes.
static void append_sf_string(std::string *out, std::string_view text)
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

// One more reply.
static void count(struct tally *t, const struct node_reply &r)
{
    t->ok += r.outcome == OUTCOME_OK;
    t->miss += r.outcome == OUTCOME_MISS;
    t->error += r.outcome == OUTCOME_ERROR;
    t->failed += r.outcome == OUTCOME_FAILED;
    t->with_data += r.outcome == OUTCOME_ERROR && r.has_data;
    if (r.outcome == OUTCOME_ERROR && (!t->worst || (r.status >= 500 && t->worst->status < 500)))
        t->worst = &r;
    if (r.outcome == OUTCOME_MISS && !t->missed)
        t->missed = &r;
    if (!has_failed(r) || t->error + t->failed > MOST_NAMED)
        return;
    t->named += t->named.empty() ? "" : ", ";
    append_failed_node(&t->named, r);
}

static void add_node_headers(const struct tally *t, struct http_response *out)
{
    add_header(out, "Tracer-Nodes",
               "total=" + std::to_string(t->total) + ", ok=" + std::to_string(t->ok) +
                   ", miss=" + std::to_string(t->miss) + ", error=" + std::to_string(t->error) +
                   ", failed=" + std::to_string(t->failed));
    const size_t failed = t->error + t->failed;
    if (failed > 0)
        add_header(out, "Tracer-Failed-Nodes", t->named);
    if (failed > MOST_NAMED)
        add_header(out, "Tracer-Failed-Nodes-More", std::to_string(failed - MOST_NAMED));
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
}

static void add_source(struct aggregate *a, const struct node_reply &r)
{
    if (r.has_data)
        a->sources.push_back(
            {.body = r.body, .members = json_members_list(r.json), .name = r.name});
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

static std::string of_nodes(size_t count, const struct tally *t)
{
    return std::to_string(count) + " of " + std::to_string(t->total) +
           (t->total == 1 ? " tracer-node" : " tracer-nodes");
}

// Nobody had anything to merge.
static void begin_without_data(struct aggregate *a, const struct tally *t)
{
    const struct node_reply *error = t->worst;
    const struct node_reply *miss = t->missed;
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

// All replies were counted.
static void begin(struct aggregate *a)
{
    const struct aggregate_options *options = a->options;
    const struct tally *t = &a->tally;
    const bool has_data = t->ok + t->with_data > 0;
    const bool partial = t->error + t->failed > 0;
    const bool answered = t->ok + t->miss + t->error > 0;
    add_node_headers(t, a->out);
    if (partial && options->partial_deny && (has_data || options->view_nodes))
        begin_problem(a, 503,
                      of_nodes(t->error + t->failed, t) +
                          " failed, and partial=deny asks for all or nothing",
                      options->kind.mutation ? CONTENT_ALL_WITH_DATA : CONTENT_ALL);
    else if (options->view_nodes && answered)
        begin_view(a);
    else if (has_data)
        begin_merged(a);
    else
        begin_without_data(a, t);
}

struct aggregate *aggregate_new(const std::vector<struct node_reply> *replies,
                                const struct aggregate_options *options, struct http_response *out)
{
    struct aggregate *a = new aggregate{};
    a->replies = replies;
    a->options = options;
    a->out = out;
    a->empty = true;
    a->tally.total = replies->size() + options->others;
    a->tally.miss = options->others;
    return a;
}

// What is done with each reply in turn.
static void take(struct aggregate *a, const struct node_reply &r)
{
    if (!a->counted)
        count(&a->tally, r);
    else if (a->content == CONTENT_MERGED)
        add_source(a, r);
    else
        write_entry(a, r);
}

// The last reply was taken. True: that was all there is to do.
static bool end_round(struct aggregate *a)
{
    if (!a->counted) {
        a->counted = true;
        a->next = 0;
        begin(a);
        return false;
    }
    if (a->content == CONTENT_MERGED) {
        a->merge = merge_new(&a->out->body, &a->sources);
        return false;
    }
    rope_add_text(&a->out->body, a->end);
    return true;
}

bool aggregate_step(struct aggregate *a, size_t most)
{
    if (!a->merge) {
        for (; a->next < a->replies->size(); a->next++)
            if (most-- == 0)
                return false;
            else
                take(a, (*a->replies)[a->next]);
        return end_round(a);
    }
    if (!merge_step(a->merge, most))
        return false;
    const size_t collisions = merge_renamed(a->merge);
    if (collisions > 0)
        add_header(a->out, "Tracer-Collisions", std::to_string(collisions));
    return true;
}

void aggregate_free(struct aggregate *a)
{
    if (a->merge)
        merge_free(a->merge);
    delete a;
}
