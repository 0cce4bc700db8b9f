// The client connections: how many there are, how long each may take, and what is not taken at all.
//
// Knows libevent's bufferevents, but not who reads requests from them (its user, evhttp). Every byte
// that comes in passes through http_head before the user sees it. Bytes that are no request that can
// be taken never reach the user: the connection is answered and ended here. All deadlines are
// absolute; they are looked at every 100 ms. Bodies that are large have a bound together, 64 MiB. Where
// there are too many connections, those end first whose end hurts least, and never one whose request is
// being answered.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "http_head.h"

struct bufferevent;
struct connection;
struct connections;
struct event_base;
struct rope_feed;
struct tls;

struct connections_options {
    struct event_base *base;
    const struct tls *tls; // null: plain HTTP
    size_t max;
    struct http_head_limits limits;
    int64_t header_timeout_ms; // from the first byte of a request to its last; also of a handshake
    int64_t idle_timeout_ms;   // between requests
    int64_t reply_timeout_ms;  // to take a reply
    // Frees the user's side of a connection; `user` is the argument of its bufferevent callbacks.
    void (*release)(void *user);
    // Writes the whole reply to what `head` was refused for.
    void (*on_refused)(void *arg, const struct http_head *head, std::string *reply);
    // The client left before the reply to `request`. `released`: the user's side was freed already by
    // itself, not by `release`. Must not call connections_free.
    void (*on_left)(void *arg, void *request, bool released);
    // No connection can be taken until further notice, or again.
    void (*on_full)(void *arg, bool full);
    void *arg;
};

[[nodiscard]] struct connections *connections_new(const struct connections_options *options);

// A bufferevent without a socket for a client that is being accepted. The caller owns one reference
// (and gives it up with bufferevent_free), the connections another: the socket closes with the last.
[[nodiscard]] struct bufferevent *connections_accept(struct connections *cs);

// The connection of a bufferevent that was made by connections_accept, or null. Borrowed.
[[nodiscard]] struct connection *connections_find(const struct connections *cs,
                                                  const struct bufferevent *bev);

// A whole request was read. It has no deadline until connection_reply; `request` is given to on_left.
// False: all places are taken by requests. The few beyond are for those that tell whether the daemon is
// well; every other one has to be refused.
[[nodiscard]] bool connection_request(struct connection *c, void *request);

// Why its client may not ask, a sentence for people; empty: it may.
[[nodiscard]] std::string connection_refusal(const struct connection *c);

// Its reply is about to be sent. True: it must be the connection's last, so say `Connection: close`.
[[nodiscard]] bool connection_reply(struct connection *c);

// It was handed to the bufferevent, but for the `rest`, which follows as that is sent; the connection's now,
// null for none. Nothing is read until it was sent: what a client sends meanwhile costs no memory, and one
// that ends its side behind its request still gets the reply. Unless it is the last of its connection, what
// the socket takes is sent at once, and if that is all, the user's callback for it is called from here.
void connection_sending(struct connection *c, struct rope_feed *rest, bool last);

// The reply was sent. `closing`: the user is about to free its side.
void connection_done(struct connection *c, bool closing);

// No connection can be accepted for want of a descriptor. Ends what does least harm, and keeps the
// number of connections below what it was for a while. False: none could end.
[[nodiscard]] bool connections_no_descriptor(struct connections *cs);

// Ends the connection whose client has not taken a byte of its reply for longest, a second at least.
// Its reply is given back at once. False: there is none.
bool connections_end_stalled(struct connections *cs);

// Makes every reply the last of its connection from now on.
void connections_drain(struct connections *cs);

// The same, and what is without a whole request gets a last moment only.
void connections_stop(struct connections *cs);

[[nodiscard]] size_t connections_count(const struct connections *cs);

// To be called after the user freed its side of all connections. No callback is called.
void connections_free(struct connections *cs);
