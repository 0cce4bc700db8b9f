// One client request under way, and its node requests. Private to broadcast.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "broadcast.h"
#include "http_response.h"
#include "nodes.h"
#include "tasks.h"

struct event;
struct fetch;
struct node_pass;

enum broadcast_state {
    BROADCAST_CHOOSING,   // the nodes are to be chosen
    BROADCAST_COLLECTING, // waits for them
    BROADCAST_REPLYING,   // every node has an outcome: the reply is being made of them
    BROADCAST_CLEARING,   // has ended: gives back what it holds
};

// One node request. Lives as long as its broadcast.
struct call {
    struct broadcast *owner;
    struct fetch *fetch; // null: not under way
    size_t reply;        // into owner->replies
    const struct node_face *face;
    struct node_place place; // in the database, as it was when the node was chosen
    uint32_t shard;
    int64_t started_ms; // monotonic; of the first try, or of the broadcast before it
    bool suspect;       // failed the last time: asked last
    bool retried;
    bool has_place; // counts in the window
};

// Lives from broadcast_start until it has cleared up, soon after `done` returned or broadcast_cancel.
struct broadcast {
    const struct broadcast_context *context;
    enum broadcast_state state;
    struct task task; // everything it does, but for noting what comes from the nodes
    const char *method;
    std::string target; // behind a node's base URL
    std::string url;    // of the node that is being asked
    struct blob *body;
    struct node_pass *pass; // what its requests carry
    bool names_nodes;       // asks `only` these
    std::vector<std::string> only;
    struct aggregate_options options;
    struct broadcast_session session;
    std::vector<struct node_reply> replies;                     // ordered by name
    std::vector<std::shared_ptr<const struct node_face>> faces; // of those, and of the calls
    std::deque<struct call> calls;   // in the order in which they are asked; they stay
                                     // where they are while they are under way
    size_t chosen;                   // of all nodes, or of `only`, so many were looked at,
    uint64_t version;                // as the database was then; 0: none yet
    bool waits_for_all;              // also for those whose circuit is open
    bool alone;                      // only the session's owner is asked so far
    std::string owner_key;           // that node's; empty: none was asked alone
    bool settled;                    // it has answered, and nobody else needs to
    size_t next;                     // of calls, to be sent
    size_t window;                   // calls that have a place
    size_t open;                     // calls without an outcome
    int64_t started_ms, deadline_ms; // monotonic
    int64_t timeout_ms;          // what the client gives; with the wait before, if there was one
    bool expired;                // the deadline is over
    size_t next_expired;         // of calls, to be ended then
    struct event *timer;         // the deadline
    struct event *place_timer;   // while more is to be asked than has a place
    struct aggregate *aggregate; // while REPLYING
    struct http_response response;
    broadcast_done_fn done;
    void *arg;
};

// Chooses the nodes that are to be asked, each with a call, and notes why others are not: all of them,
// or only the owner of the session, if it is known and fit. Some at a time; true: that is all.
[[nodiscard]] bool broadcast_choose(struct broadcast *b);

// The owner alone was asked: adds calls for all other nodes behind its own.
void broadcast_choose_others(struct broadcast *b);

// Whether the owner, asked before the others, has answered so that no other node needs to.
[[nodiscard]] bool broadcast_is_settled(const struct broadcast *b);

// Remembers what an answer shows of who has which session.
void broadcast_learn_owner(struct broadcast *b, const struct node_reply *r);
