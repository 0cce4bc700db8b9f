// What one tracer-node answered to one request, and what that means. Pure.
//
// The facts about what nodes send were recorded from the archived tracer-node: a 400 or 404 is known
// as "it does not have that" by its text, an error may be followed by data, and stopping a session may
// be answered with the signal that ended it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "outcome.h"

struct blob;
struct budget;
struct json_members;

// What the request was, as far as it decides what an answer means.
struct request_kind {
    bool mutation; // POST, PUT, DELETE
    bool creates;  // POST
    bool stops;    // PUT with "Run": false, or DELETE
};

struct node_reply {
    std::string_view name; // of the node; borrowed as long as the reply lives, as the key is
    std::string_view key;  // of the node's record; empty for one that is not asked
    bool done;             // the rest is set
    enum outcome outcome;
    enum reason reason;
    enum effect effect;              // of a mutation that failed
    int status;                      // HTTP; 0 where there was no answer
    int64_t ms;                      // how long it took; -1 where it was not asked
    std::string detail;              // the node's own words, unwrapped; may be empty
    struct blob *body;               // a reference is held; null: none
    struct json_members *json;       // owned; what the body's bytes were found to be
    struct budget *budget;           // what the list of members is taken from; null: none
    size_t taken;                    // bytes taken from it
    bool has_data;                   // the body has an object to merge
    uint32_t data_offset, data_size; // of that object within the body
};

// Frees what it owns.
void node_reply_fini(struct node_reply *r);

// The next piece of the body of an answer that is arriving. False: the list of its members is more
// than the budget has left; the answer is too large.
[[nodiscard]] bool node_reply_feed(struct node_reply *r, const char *data, size_t size);

// Forgets what was fed: the request is tried again.
void node_reply_restart(struct node_reply *r);

// The answer is whole: decides the outcome. Takes a reference of `body`, which was fed before.
void node_reply_answer(struct node_reply *r, const struct request_kind *kind, int status,
                       struct blob *body);

// Nobody needs its answer: it can not have what is asked for.
void node_reply_miss(struct node_reply *r);

// There is no answer.
void node_reply_fail(struct node_reply *r, const struct request_kind *kind, enum reason reason,
                     enum effect effect);
