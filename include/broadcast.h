// One client request's life: choose the nodes, send to all, collect, answer once.
//
// A broadcast keeps the faces of its nodes, which never change, so the database may. It has one deadline;
// what has not answered by then is reported as a time-out. At most `max_in_flight` of its node requests
// are under way at once; nodes that failed the last time are asked last, so that they can not keep the
// others waiting. A session's owner is asked alone, and the others only where it fails, or has it no more,
// or takes its time: they can not have it, so once it answers with ok nobody else is asked, or, for reads,
// waited for. Everything that takes its time with thousands of nodes goes on in steps.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "aggregate.h"

struct blob;
struct broadcast;
struct budget;
struct event_base;
struct http_client;
struct http_response;
struct metrics;
struct node_access;
struct nodes;
struct owners;
struct tasks;

// What every broadcast works with; borrowed for as long as any lives.
struct broadcast_context {
    struct event_base *base;
    struct tasks
        *tasks; // to be finished before `http` is freed: a broadcast that has ended clears up there
    struct http_client *http;
    struct nodes *nodes;
    struct node_access *access; // null: nodes get no token, and are checked as the system does
    struct owners *owners;      // who has which session
    int64_t usual_timeout_ms;   // of a request that does not say
    size_t max_in_flight;       // node requests of one broadcast at once
    size_t max_reply;           // bytes of one node's reply
    struct budget *budget;      // bytes of the replies of all broadcasts
    struct metrics *metrics;    // where outcomes are counted
};

// What the request has to do with trace sessions.
struct broadcast_session {
    bool named; // it is for one of them, `id`: its owner is asked alone, if known
    bool shown; // an answer's members are sessions of the node
    bool ends;  // the one named is to go
    uint64_t id;
};

struct broadcast_request {
    const char *method;               // what nodes are asked: GET for a HEAD
    std::string target;               // behind a node's base URL
    std::vector<std::string> headers; // "Name: value"
    struct blob *body;                // a reference is taken
    int64_t timeout_ms;               // from when the client asked
    int64_t waited_ms;                // so much of that is over
    bool names_nodes;                 // ask `only` these
    std::vector<std::string> only;    // each once, in order
    struct aggregate_options options;
    struct broadcast_session session;
};

// The reply; its body may be taken. The broadcast has ended and must not be cancelled any more.
typedef void (*broadcast_done_fn)(void *arg, struct http_response *response);

// Starts; `done` is called exactly once, never before this returns, unless it is cancelled.
[[nodiscard]] struct broadcast *broadcast_start(const struct broadcast_context *context,
                                                struct broadcast_request *request,
                                                broadcast_done_fn done, void *arg);

// Ends it and, soon, every node request of it; `done` is never called.
void broadcast_cancel(struct broadcast *b);
