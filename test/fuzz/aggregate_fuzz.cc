// Fuzzes the way from node replies to one reply. Oracles: the outcomes add up, the body is one JSON
// object, and no header can break a line.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>

#include "aggregate.h"
#include "blob.h"
#include "http_response.h"
#include "json_members.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static const int STATUSES[] = {200, 200, 404, 400, 500, 503, 301, 599};

// One reply of the bytes up to the next 0xff; its first byte says the status.
static struct node_reply make_reply(const std::string &part, size_t number,
                                    const struct request_kind *kind)
{
    struct node_reply r = {};
    static std::deque<std::string> names; // they stay where they are
    while (names.size() <= number)
        names.push_back("n" + std::to_string(names.size()));
    r.name = names[number];
    if (part.empty()) {
        node_reply_fail(&r, kind, REASON_TIMEOUT, EFFECT_UNKNOWN);
        return r;
    }
    const int status = STATUSES[static_cast<unsigned char>(part[0]) % 8];
    struct blob *body = blob_new(0);
    blob_append(body, part.data() + 1, part.size() - 1);
    check(node_reply_feed(&r, body->data, body->size));
    node_reply_answer(&r, kind, status, body);
    blob_unref(body);
    return r;
}

static void check_reply(struct http_response *out)
{
    const std::string body = rope_text(&out->body);
    struct json_members *json = json_members_new();
    check(json_members_feed(json, body.data(), body.size()) && json_members_end(json));
    check(json_members_documents(json) == 1 && json_members_document(json, 0)->kind == JSON_OBJECT);
    json_members_free(json);
    for (const struct http_header &h : out->headers)
        for (const char c : h.value)
            check(c >= ' ' && c <= '~');
    size_t total = 0, ok = 0, miss = 0, error = 0, failed = 0;
    check(sscanf(out->headers[0].value.c_str(),
                 "total=%zu, ok=%zu, miss=%zu, error=%zu, failed=%zu", &total, &ok, &miss, &error,
                 &failed) == 5);
    check(total == ok + miss + error + failed);
    check(out->status >= 200 && out->status < 600);
}

// The first byte says what was asked and how.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const unsigned how = data[0];
    const struct aggregate_options options = {
        .kind = {.mutation = (how & 1) != 0, .creates = (how & 2) != 0, .stops = (how & 4) != 0},
        .partial_deny = (how & 8) != 0,
        .view_nodes = (how & 16) != 0};
    const std::string text(reinterpret_cast<const char *>(data) + 1, size - 1);
    std::vector<struct node_reply> replies;
    for (size_t begin = 0; begin <= text.size() && replies.size() < 9;) {
        const size_t end = std::min(text.find('\xff', begin), text.size());
        replies.push_back(
            make_reply(text.substr(begin, end - begin), replies.size(), &options.kind));
        begin = end + 1;
    }
    struct http_response out;
    struct aggregate *a = aggregate_new(&replies, &options, &out);
    while (!aggregate_step(a, 1 + (how >> 5))) {
    }
    aggregate_free(a);
    check_reply(&out);
    rope_clear(&out.body);
    for (struct node_reply &r : replies)
        node_reply_fini(&r);
    return 0;
}
