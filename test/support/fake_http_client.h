// An http_client for tests that answers from a script instead of a network: linked in its place.
//
// A reply is taken by the first request, in the order of the script, whose URL holds the reply's `match`;
// a request that none is left for gets no answer. Answers come from the loop, never from fetch_start.
#pragma once
#include <string>
#include <vector>

#include "http_client.h"

struct fake_reply {
    std::string match; // part of the URL; empty: any
    int http_status = 200;
    std::string body;
    enum fetch_status status = FETCH_DONE;
    long retry_after_s = -1;
    std::string warning;
    bool repeat = false;                 // answers every request of that URL, not only one
    bool open = false;                   // a stream that goes on until fake_end
    void (*before)(void *arg) = nullptr; // called before the answer is given
    void *arg = nullptr;
};

struct fake_request {
    std::string url, method, body;
    std::vector<std::string> headers;
    std::string ca; // empty: none was given
    int64_t timeout_ms;
    int64_t at_ms; // monotonic
};

struct fake_script {
    std::vector<struct fake_reply> replies; // those left
    std::vector<struct fake_request> requests;
    unsigned forgets = 0;   // calls of http_client_forget
    unsigned under_way = 0; // requests without an answer
    unsigned most = 0;      // the most that were so at once
};

// The script of a client; the client owns it.
[[nodiscard]] struct fake_script *fake_http_client_script(struct http_client *c);

// Sends more of the body of the streams whose URL holds `match`, from within the loop or not. Returns how
// many there are.
size_t fake_push(struct http_client *c, const char *match, const std::string &text);

// Ends them, with that status. Not from within a callback of theirs.
void fake_end(struct http_client *c, const char *match, enum fetch_status status);
