// How fast the replies of many nodes are checked and merged, beside a copy of their bytes and beside cJSON
// doing the same: parse each, append all members to one object, print it.
//
//   merge_bench [NODES [SIZE [ROUNDS]]]
//
// By default 1000 replies of 31000 bytes, which come in pieces of 16 KB as from a socket, and 5 rounds.
// Prints medians: GB/s of the merge, of memcpy and of cJSON; the merge's over cJSON's; and how many
// bytes are merged.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <vector>

#include <cjson/cJSON.h>

#include "aggregate.h"
#include "blob.h"
#include "common.h"
#include "http_response.h"
#include "node_reply.h"

constexpr size_t PIECE = 16 * 1024;
constexpr unsigned PODS = 13; // of each node

struct bench {
    std::vector<struct blob *> bodies;
    size_t size;            // of them all
    std::vector<char> copy; // as much memory
    std::vector<std::string> names;
};

constexpr size_t STEP = 1000; // nodes or members

static void merge(struct bench *b)
{
    const struct request_kind kind = {};
    std::vector<struct node_reply> replies(b->bodies.size());
    for (size_t i = 0; i < replies.size(); i++) {
        struct node_reply *r = &replies[i];
        const struct blob *body = b->bodies[i];
        r->name = b->names[i];
        for (size_t at = 0; at < body->size; at += PIECE)
            if (!node_reply_feed(r, body->data + at, std::min(PIECE, body->size - at)))
                bench_fail_text("a reply was refused");
        node_reply_answer(r, &kind, 200, b->bodies[i]);
        if (r->outcome != OUTCOME_OK)
            bench_fail_text("a reply was not understood");
    }
    const struct aggregate_options options = {};
    struct http_response response;
    struct aggregate *a = aggregate_new(&replies, &options, &response);
    while (!aggregate_step(a, STEP)) {
    }
    aggregate_free(a);
    if (response.status != 200 || response.body.size + 2 * replies.size() < b->size)
        bench_fail_text("the merged reply is not whole");
    rope_clear(&response.body);
    for (struct node_reply &r : replies)
        node_reply_fini(&r);
}

static void copy(struct bench *b)
{
    size_t at = 0;
    for (const struct blob *body : b->bodies) {
        memcpy(b->copy.data() + at, body->data, body->size);
        at += body->size;
    }
    asm volatile("" : : "r"(b->copy.data()) : "memory"); // or the copy would be left out
}

static void merge_with_cjson(struct bench *b)
{
    cJSON *merged = cJSON_CreateObject();
    for (const struct blob *body : b->bodies) {
        cJSON *tree = cJSON_ParseWithLength(body->data, body->size);
        if (!tree)
            bench_fail_text("cJSON does not understand a reply");
        while (tree->child) {
            cJSON *member = cJSON_DetachItemViaPointer(tree, tree->child);
            cJSON_AddItemToObject(merged, member->string, member);
        }
        cJSON_Delete(tree);
    }
    char *printed = cJSON_PrintUnformatted(merged);
    if (!printed)
        bench_fail_text("cJSON does not print");
    cJSON_free(printed);
    cJSON_Delete(merged);
}

// GB of bodies in a second of CPU time.
static double speed(struct bench *b, void (*run)(struct bench *b))
{
    const double begin = bench_cpu_us(0);
    run(b);
    return static_cast<double>(b->size) / (bench_cpu_us(0) - begin) / 1e3;
}

int main(int argc, char **argv)
{
    const unsigned nodes = argc > 1 ? static_cast<unsigned>(atoi(argv[1])) : 1000;
    const size_t size = argc > 2 ? strtoul(argv[2], nullptr, 10) : 31000;
    const int rounds = argc > 3 ? atoi(argv[3]) : 5;
    struct bench b = {};
    for (unsigned i = 0; i < nodes; i++) {
        const std::string text = bench_pods(i, PODS, size);
        b.bodies.push_back(blob_new(size));
        b.names.push_back("node-" + std::to_string(10000 + i));
        blob_append(b.bodies.back(), text.data(), text.size());
        b.size += size;
    }
    b.copy.resize(b.size);
    bench_pin(0);
    std::vector<double> ours, memory, tree, over_tree;
    for (int i = 0; i < rounds; i++) {
        malloc_trim(0); // what cJSON has freed is put in order now, not in the next measurement
        merge(&b);      // and memory that the daemon would have by now is there
        ours.push_back(speed(&b, merge));
        memory.push_back(speed(&b, copy));
        tree.push_back(speed(&b, merge_with_cjson));
        over_tree.push_back(ours.back() / tree.back());
    }
    printf("%.3f %.3f %.4f %.1f %zu\n", bench_median(ours), bench_median(memory),
           bench_median(tree), bench_median(over_tree), b.size);
    for (struct blob *body : b.bodies)
        blob_unref(body);
    return 0;
}
