// HTTP requests to others without blocking: the only module that knows curl.
//
// Transfers run on curl multi handles on the caller's event_base. One multi handle (a shard) serves
// about a hundred servers: curl 7.88 walks all connections of a multi handle in every transfer.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct blob;
struct budget;
struct event_base;
struct http_client;
struct fetch;         // one request under way
struct fetch_headers; // request headers made once, for many requests

constexpr uint32_t FETCH_SHARD_SERVERS = 100;  // servers per shard
constexpr uint32_t FETCH_SHARD_KUBERNETES = 0; // a shard of its own; nodes begin at 1

// What a node's connection may take: a lost SYN and its first repetition.
constexpr int64_t FETCH_NODE_CONNECT_MS = 2500;

enum fetch_status {
    FETCH_DONE,      // a whole HTTP reply, of whatever status
    FETCH_CONNECT,   // no connection: refused, no route, name unknown, connect time-out
    FETCH_TIMEOUT,   // no whole reply within timeout_ms
    FETCH_RESET,     // the connection ended before the reply did, or its chunks are broken
    FETCH_TOO_LARGE, // more body than max_body, or than its budget has left
    FETCH_TLS,       // handshake or certificate
    FETCH_GARBAGE,   // not HTTP
    FETCH_STOPPED,   // on_data returned false
};

struct fetch_result {
    enum fetch_status status;
    int http_status;     // 0 where no status line was read
    int64_t ms;          // from fetch_start to its end
    bool sent;           // some of the request may have reached the server
    unsigned tries;      // how often curl began to send it (it may, for a GET on a kept connection)
    long connects;       // new connections made
    long retry_after_s;  // Retry-After in seconds; -1 where absent or not a number
    const char *warning; // the reply's first Warning header, "" where absent; borrowed
    const char *error;   // curl's words, "" for FETCH_DONE; borrowed
    struct blob *body;   // borrowed: take a reference to keep it; never null
};

// Nobody refused the connection to a node, and nobody took it.
[[nodiscard]] inline bool fetch_was_swallowed(const struct fetch_result *r)
{
    return r->status == FETCH_CONNECT && r->ms >= FETCH_NODE_CONNECT_MS;
}

// Called exactly once for a fetch that was not cancelled, never before fetch_start returns. The
// fetch ends with this call: it must not be cancelled any more. It may start and cancel other
// fetches, but not free the client.
typedef void (*fetch_done_fn)(void *arg, const struct fetch_result *result);

// Called with each piece of a body as it arrives. False ends the fetch with FETCH_STOPPED. It must
// not start or cancel a fetch. Of a stream it is called with no data first, when its head has come.
typedef bool (*fetch_data_fn)(void *arg, const char *data, size_t size);

// All pointers are borrowed until fetch_start returns, but for `headers`, `body` and `ca_pem`,
// which are borrowed until the fetch ends.
struct fetch_options {
    const char *method; // sent as it is; "HEAD" expects no body
    const char *url;    // http or https, in ASCII, sent with its path as it is
    const char *connect_to =
        nullptr; // "::10.0.0.1:8080": connects to this, whatever host and port the
                 // URL has, which the certificate is checked with; null: to those
    const struct fetch_headers *headers; // null: none
    const char *body;                    // null: none
    size_t body_size;
    size_t max_body;            // of reply body, in bytes; also with discard: SIZE_MAX for a stream
    struct budget *budget;      // what the reply's body is taken from; null: none
    int64_t connect_timeout_ms; // of connection and TLS handshake; 0: 1000
    int64_t timeout_ms;         // of all; 0: none, for a stream
    uint32_t shard;
    bool fresh; // a new connection, not a kept one
    bool once;  // fresh, closed afterwards, and never sent a second time: for mutations (curl
                // resends on a kept connection that died, whatever the method)
    // it ends with FETCH_RESET where curl would send it again, on up to five kept connections
    bool no_resend = false;
    bool discard; // do not collect the body: on_data is all that sees it
    // on_data gets only the bodies of status 200, which are not collected; of others the first 64 KiB
    // are, and on_data does not see them
    bool stream = false;
    const std::string *ca_pem; // https: trust these certificates only; null: the system's
    fetch_data_fn on_data;     // null: none
    fetch_done_fn done;
    void *arg; // of done and on_data
};

// Returns the client; never null. It does curl_global_init, with the memory of pool.h: nothing of curl may
// come before, and all clients are of one thread. The program must ignore SIGPIPE.
[[nodiscard]] struct http_client *http_client_new(struct event_base *base);

// Ends what is still under way without a call of `done`, closes all connections. Before the
// event_base is freed; not from within `done`.
void http_client_free(struct http_client *c);

// Closes kept connections of a shard, such as after its trust anchors changed. Fetches under way on
// it go on.
void http_client_forget(struct http_client *c, uint32_t shard);

// Nothing is going on: gives memory back and closes the connections that only many requests at once
// needed. In steps, soon; `rested` is called when that is done, unless the client is freed before or told
// anew.
typedef void (*rested_fn)(void *arg);
void http_client_rest(struct http_client *c, rested_fn rested, void *arg);

// Never null: what cannot be started ends as FETCH_CONNECT, like all else through `done`.
[[nodiscard]] struct fetch *fetch_start(struct http_client *c, const struct fetch_options *options);

// Ends a fetch; its `done` is never called. Not from within on_data.
void fetch_cancel(struct fetch *f);

// Whether some of the request may have reached the server by now.
[[nodiscard]] bool fetch_was_sent(const struct fetch *f);

// "Name: value" lines; "Name:" keeps curl from adding that header by itself. By itself it adds
// Host, Accept, and Content-Length to a body; no User-Agent, no Content-Type and never an Expect. A line
// with a control character in it is left out. Each byte takes curl a hundred instructions. Not before the
// first http_client_new.
[[nodiscard]] struct fetch_headers *fetch_headers_new(const std::vector<std::string> &lines);
void fetch_headers_free(struct fetch_headers *h);

[[nodiscard]] const char *fetch_status_name(enum fetch_status s);
