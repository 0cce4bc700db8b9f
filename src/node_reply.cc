// One node's answer: fed, checked, classified. Pure.
#include "node_reply.h"

#include <string_view>

#include "blob.h"
#include "budget.h"
#include "json_members.h"
#include "json_text.h"
#include "utf8.h"

constexpr size_t MOST_DETAIL = 1024; // bytes of a node's words that are passed on

// What a body was found to be: up to two documents.
struct documents {
    size_t count;                       // 0: no valid JSON
    bool first_is_text;                 // the first is a string
    std::string text;                   // decoded, where first_is_text
    const struct json_document *object; // null: none
};

void node_reply_fini(struct node_reply *r)
{
    blob_unref(r->body);
    r->body = nullptr;
    node_reply_restart(r);
}

// Merging needs about as much for a member as the list of them.
static size_t needed(const struct json_members *json)
{
    return json_members_memory(json) * 2;
}

bool node_reply_feed(struct node_reply *r, const char *data, size_t size)
{
    if (!r->json)
        r->json = json_members_new();
    // a broken body is remembered by the scanner and found out at its end
    (void)!json_members_feed(r->json, data, size);
    if (!r->budget)
        return true;
    const size_t more = needed(r->json) - r->taken;
    if (more > budget_left(r->budget))
        return false;
    r->budget->used += more;
    r->taken += more;
    return true;
}

void node_reply_restart(struct node_reply *r)
{
    json_members_free(r->json);
    r->json = nullptr;
    if (r->budget)
        r->budget->used -= r->taken;
    r->taken = 0;
}

static struct documents documents_of(const struct node_reply *r)
{
    struct documents d = {};
    if (!r->json || !json_members_end(r->json))
        return d;
    d.count = json_members_documents(r->json);
    for (size_t i = 0; i < d.count; i++) {
        const struct json_document *document = json_members_document(r->json, i);
        if (document->kind == JSON_OBJECT)
            d.object = document;
        if (i > 0 || document->kind != JSON_STRING)
            continue;
        d.first_is_text = true;
        d.text = json_decode_string({r->body->data + document->offset + 1, document->size - 2});
    }
    return d;
}

// Cuts at a character's boundary.
static std::string shortened(const std::string &text)
{
    if (text.size() <= MOST_DETAIL)
        return text;
    const unsigned char *p = reinterpret_cast<const unsigned char *>(text.data());
    size_t size = 0;
    while (size < MOST_DETAIL - 4) {
        const size_t step = utf8_sequence(p + size, p + text.size());
        size += step ? step : 1;
    }
    return text.substr(0, size) + "...";
}

static bool begins_with(const std::string &text, std::string_view start)
{
    return text.compare(0, start.size(), start) == 0;
}

static void set_outcome(struct node_reply *r, enum outcome outcome, enum reason reason)
{
    r->outcome = outcome;
    r->reason = reason;
}

static void set_data(struct node_reply *r, const struct json_document *object)
{
    r->has_data = true;
    r->data_offset = object->offset;
    r->data_size = object->size;
}

// 200: an object, or the string "{}" for an empty one. Anything else is no answer.
static void classify_success(struct node_reply *r, const struct documents *d)
{
    if (d->count == 1 && d->object) {
        set_outcome(r, OUTCOME_OK, REASON_NONE);
        set_data(r, d->object);
    } else if (d->count == 1 && d->first_is_text && d->text == "{}") {
        set_outcome(r, OUTCOME_OK, REASON_NONE);
    } else {
        set_outcome(r, OUTCOME_FAILED, REASON_BAD_JSON);
        r->detail = "the body is not one JSON object";
    }
}

// The node's word for "I do not have that".
static bool is_miss(const struct request_kind *kind, int status, const struct documents *d)
{
    if (status != 400 && status != 404)
        return false;
    if (d->first_is_text && begins_with(d->text, "No session with ID "))
        return true;
    return kind->creates && d->count == 1 && d->object && status == 404;
}

// The hook has ended by the signal that was to end it, or by itself: stopped as asked.
static bool is_stopped(const struct request_kind *kind, int status, const struct documents *d)
{
    return kind->stops && status == 404 && d->first_is_text &&
           (begins_with(d->text, "signal: ") || begins_with(d->text, "exit status "));
}

static void classify_refusal(struct node_reply *r, const struct request_kind *kind,
                             const struct documents *d)
{
    if (is_stopped(kind, r->status, d)) {
        set_outcome(r, OUTCOME_OK, REASON_NONE);
    } else if (is_miss(kind, r->status, d)) {
        set_outcome(r, OUTCOME_MISS, REASON_NONE);
    } else {
        set_outcome(r, OUTCOME_ERROR, REASON_NODE_ERROR);
        // in procfs mode a node answers so for good, with its last good map behind the error's text
        if (r->status >= 500 && d->count == 2 && d->first_is_text && d->object)
            set_data(r, d->object);
    }
}

// The words of an error: the JSON string unwrapped, or a plain text as it is.
static void set_detail(struct node_reply *r, const struct documents *d)
{
    if (d->first_is_text)
        r->detail = shortened(d->text);
    else if (d->count == 0 && r->body->size > 0)
        r->detail = shortened(std::string(r->body->data, r->body->size));
    while (!r->detail.empty() && (r->detail.back() == '\n' || r->detail.back() == '\r'))
        r->detail.pop_back();
}

void node_reply_answer(struct node_reply *r, const struct request_kind *kind, int status,
                       struct blob *body)
{
    r->done = true;
    r->status = status;
    r->body = blob_ref(body);
    const struct documents d = documents_of(r);
    if (status == 200) {
        classify_success(r, &d);
    } else if (status >= 400 && status < 600) {
        set_detail(r, &d);
        classify_refusal(r, kind, &d);
    } else {
        set_outcome(r, OUTCOME_FAILED, REASON_BAD_JSON);
        r->detail = "a tracer-node answers no such status";
    }
    if (r->outcome == OUTCOME_FAILED && kind->mutation)
        r->effect = EFFECT_UNKNOWN;
    if (r->has_data)
        return;
    blob_unref(r->body);
    r->body = nullptr;
    node_reply_restart(r);
}

void node_reply_miss(struct node_reply *r)
{
    r->done = true;
    r->ms = -1;
    set_outcome(r, OUTCOME_MISS, REASON_NONE);
    node_reply_restart(r);
}

void node_reply_fail(struct node_reply *r, const struct request_kind *kind, enum reason reason,
                     enum effect effect)
{
    r->done = true;
    set_outcome(r, OUTCOME_FAILED, reason);
    r->effect = kind->mutation ? effect : EFFECT_NONE;
    node_reply_restart(r);
}
