// What the parts of connections share: the table, its entries, and their phases. Private to connections.
//
// connections.cc has the life of a connection and its deadlines, connections_input.cc what comes in,
// connections_places.cc who may stay when there are too many.
#pragma once
#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "connections.h"

struct event;
struct evbuffer;
struct evbuffer_cb_info;
struct ev_token_bucket_cfg;

enum connection_phase {
    CONNECTION_NEW,      // no byte of its first request has come; with TLS, maybe no handshake yet
    CONNECTION_READING,  // a part of a request has come, or all of it, but the user has not seen it
    CONNECTION_PENDING,  // a request waits for its reply; the only phase without a deadline
    CONNECTION_SENDING,  // a reply is being written
    CONNECTION_IDLE,     // a reply was sent; no byte of the next request has come
    CONNECTION_REFUSING, // our own reply is being written, the user sees nothing any more
    CONNECTION_LINGERING, // the user is gone; reads until the client closes too
    CONNECTION_PHASES,
};

// Lives from connections_accept until the user has let go of it and the client has closed, or until a
// deadline.
struct connection {
    struct connections *owner;
    struct bufferevent *bev; // one reference
    struct http_head head;
    enum connection_phase phase;
    std::list<struct connection *>::iterator at; // in owner->in[phase]
    int64_t moved_ms;                            // when it entered the phase, or bytes last moved
    int64_t deadline_ms;                         // when the phase must end
    uint64_t answered;                           // requests whose reply was sent
    size_t unsent;          // bytes that the client has not taken, while SENDING
    struct rope_feed *rest; // of the reply, that the bufferevent has not; null: nothing
    size_t held;            // bytes of a large body, from its begin until the reply; in owner->held
    void *request;          // while PENDING
    void *user;             // while REFUSING: the user's callback argument
    bool soon;              // is in owner->soon
    bool reserved;          // its request has none of the places that are for all requests
    bool ended;             // the client sent its end of file while REFUSING
};

struct connections {
    struct connections_options options;
    std::unordered_map<const struct bufferevent *, struct connection *> all;
    std::list<struct connection *>
        in[CONNECTION_PHASES];             // those that have not moved for longest first
    std::vector<struct connection *> soon; // to be looked at by soon_event: the last reply was sent
    struct event *soon_event;
    struct event *sweep;
    struct ev_token_bucket_cfg *pace; // of writing with TLS; else null
    size_t held;                      // bytes of large bodies, come or still to come
    size_t affordable;                // connections, as there were too few descriptors for more
    int64_t scarce_end_ms;            // until when that holds
    bool full;
    bool draining;
    bool stopping; // and draining
};

// Enters a phase, with the deadline that it has.
void connection_enter(struct connection *c, enum connection_phase phase);

// Bytes moved: it is the last one now of those whose end would do no harm.
void connection_moved(struct connection *c, int64_t now_ms);

// The argument of the user's callbacks, which it clears when it frees its bufferevent. Null: it has.
[[nodiscard]] void *connection_user(const struct connection *c);

// Ends the connection at once, whatever the user or the client are doing. The descriptor is free then.
void connection_end(struct connection *c);

// With TLS, tells the client that no more comes, if there is no reply on its way.
void connection_say_end(struct connection *c);

// The table is looked at again, soon if connections wait for a place.
void connections_sweep_later(struct connections *cs);

// Something was sent on the connection that waits to be read.
[[nodiscard]] bool connection_has_input(const struct connection *c);

// ---- connections_input.cc

// An evbuffer_cb_func: bytes were added to the input, and the user has not seen them.
void connection_on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg);

// Takes the connection away from the user and answers what was refused.
void connection_refuse(struct connection *c);

// Waits for the client to close; for when the user has let go.
void connection_linger(struct connection *c);

// ---- connections_places.cc

// Ends what must end for one more connection than there are with those that are `coming`, and tells the
// user whether one more can be taken.
void connections_make_room(struct connections *cs, size_t coming);

// Whether more requests are under way than there are places for all.
[[nodiscard]] bool connections_are_short(const struct connections *cs);
