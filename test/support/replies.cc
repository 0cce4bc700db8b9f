// Node replies for tests.
#include "replies.h"

#include "blob.h"

struct node_reply reply_answer(const char *name, const struct request_kind *kind, int status,
                               const std::string &body)
{
    struct node_reply r = {};
    r.name = name;
    r.ms = 12;
    struct blob *bytes = blob_new(body.size());
    blob_append(bytes, body.data(), body.size());
    (void)!node_reply_feed(&r, bytes->data, bytes->size);
    node_reply_answer(&r, kind, status, bytes);
    blob_unref(bytes);
    return r;
}

struct node_reply reply_failure(const char *name, const struct request_kind *kind,
                                enum reason reason, enum effect effect, int64_t ms)
{
    struct node_reply r = {};
    r.name = name;
    r.ms = ms;
    node_reply_fail(&r, kind, reason, effect);
    return r;
}

std::string header_of(const struct http_response *response, const char *name)
{
    return std::string(http_response_header(response, name));
}

void replies_free(std::vector<struct node_reply> *replies)
{
    for (struct node_reply &r : *replies)
        node_reply_fini(&r);
    replies->clear();
}

void aggregate_in_steps_of(size_t most, const std::vector<struct node_reply> &replies,
                           const struct aggregate_options *options, struct http_response *out)
{
    struct aggregate *a = aggregate_new(&replies, options, out);
    while (!aggregate_step(a, most)) {
    }
    aggregate_free(a);
}
