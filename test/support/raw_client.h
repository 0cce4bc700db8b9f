// A TCP client that sends exactly the bytes it is told to, on the loop of the server under test.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

struct event_base;

struct raw_client {
    struct event_base *base; // turned while the client waits; may be null
    int fd;
    std::string in; // what was received and not yet taken
    bool ended;     // the peer closed, or reset
    bool was_reset;
};

// Connects to 127.0.0.1, or to ::1. `fd` is -1 where that is not possible.
void raw_client_init(struct raw_client *c, struct event_base *base, uint16_t port,
                     bool ipv6 = false);
void raw_client_fini(struct raw_client *c);

// Sends all, as fast as the server reads. False: it closed before.
bool raw_client_send(struct raw_client *c, std::string_view bytes);

// Shuts the sending side down.
void raw_client_end(struct raw_client *c);

// Closes so that the peer gets a reset.
void raw_client_reset(struct raw_client *c);

// Turns the loop and receives until one of these is so, or until `ms` have passed (false).
bool raw_client_wait_end(struct raw_client *c, int ms);
bool raw_client_wait_bytes(struct raw_client *c, size_t size, int ms);

// Turns the loop for `ms`, receiving nothing.
void raw_client_idle(struct raw_client *c, int ms);

struct raw_reply {
    int status; // 0: none came whole
    std::string head, body;
};

// Waits for the next reply and takes it. `head_only`: the reply to a HEAD, which has no body.
struct raw_reply raw_client_reply(struct raw_client *c, int ms, bool head_only = false);

// The value of a header, or "".
std::string raw_reply_header(const struct raw_reply *r, const char *name);
