// A client on a loop of its own, perhaps a server, and what its fetches came to, for tests.
#pragma once
#include <string>
#include <vector>

#include "http_client.h"

struct event_base;
struct tcp_reply;
struct tcp_server;

struct fetching {
    struct event_base *base;
    struct http_client *client;
    struct tcp_server *server; // null: none
    std::string url;           // on the server
};

// What `done` said; the strings are copies.
struct outcome {
    unsigned calls;
    enum fetch_status status;
    int http_status;
    int64_t ms;
    bool sent;
    unsigned tries;
    long connects;
    long retry_after_s;
    std::string warning;
    std::string error;
    std::string body;
};

// A server with this script on 127.0.0.1; an empty script: no server.
[[nodiscard]] struct fetching fetching_begin(const std::vector<struct tcp_reply> &script);
void fetching_end(struct fetching *f);

// A GET with 5 s, at most 1 MB of body, on the first shard; `done` is on_fetch_outcome.
[[nodiscard]] struct fetch_options fetching_options(const char *url, struct outcome *outcome);

// Fits fetch_options.done: fills the outcome.
void on_fetch_outcome(void *outcome, const struct fetch_result *result);

// Runs the loop until the outcome has come; ends the process after 20 s.
void fetching_wait(struct fetching *f, const struct outcome *outcome);

// Runs the loop for some time.
void fetching_run(struct fetching *f, int ms);

// Starts and waits.
[[nodiscard]] struct outcome fetching_do(struct fetching *f, const struct fetch_options *options);
[[nodiscard]] struct outcome fetching_get(struct fetching *f, const std::string &url);
