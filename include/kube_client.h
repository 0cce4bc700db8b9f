// Requests to the API server, with the credentials and the conventions it wants.
//
// All that asks it shares one client, so that another token or other certificates reach all. It repeats by
// itself, once, what is known to help at once: another token after 401, other certificates after a failed
// handshake. When to try again otherwise is the owner's affair.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "http_client.h"

struct blob;
struct credentials;
struct kube_call; // one request under way
struct kube_client;

enum kube_failure {
    KUBE_NO_FAILURE,  // 200; 201 too for a POST
    KUBE_UNREACHABLE, // no whole reply: connection, time, TLS
    KUBE_DENIED,      // 401: the token is not accepted
    KUBE_FORBIDDEN,   // 403: the role does not allow it
    KUBE_ABSENT,      // 404: the server does not know this resource
    KUBE_EXPIRED,     // 410: the version or page asked for is not kept any more
    KUBE_BUSY,        // 429 and 5xx
    KUBE_REFUSED,     // any other status
    KUBE_BAD_REPLY,   // a reply that makes no sense
};

// What became of a request. Texts are borrowed for the call.
struct kube_answer {
    enum kube_failure failure;
    int code;                // HTTP, 0 where none
    int64_t retry_after_ms;  // what the server asks for, at most a minute; 0: nothing
    bool version_too_large;  // the version asked for is none it knows yet
    bool stopped;            // on_data returned false
    bool reset;              // KUBE_UNREACHABLE: it was sent, and the connection broke
    const struct blob *body; // of the reply to a POST; borrowed; null where there is none
    int64_t ms;              // how long it took
    std::string message;     // for people, never a credential; empty where there was no failure
};

// The call has ended. It may start and cancel others, but not free the client.
typedef void (*kube_done_fn)(void *arg, const struct kube_answer *answer);

struct kube_request {
    std::string path;   // what comes behind the server's URL
    int64_t timeout_ms; // of all
    size_t max_body;    // of a reply of status 200, in bytes; SIZE_MAX for a watch
    // Of a GET only: gets the body of a reply of status 200, and nothing of others; called with no data first, when its
    // head has come. False ends the call. It must not start or cancel a call.
    fetch_data_fn on_data;
    kube_done_fn done;
    void *arg;
    std::string body = {}; // JSON; of a POST only
};

// `server` as kube_server_parse gives it; over http no token is sent. The rest is borrowed for the
// client's life.
[[nodiscard]] struct kube_client *kube_client_new(struct http_client *http,
                                                  struct credentials *credentials,
                                                  const std::string &server);

// After all its calls have ended or were cancelled.
void kube_client_free(struct kube_client *c);

// Begins a GET. `done` is called exactly once, never before this returns, unless it is cancelled.
[[nodiscard]] struct kube_call *kube_get(struct kube_client *c, const struct kube_request *request);

// The same for a POST, whose reply is given to `done` as a whole. Its body is overwritten when it is not
// needed any more; it may be sent twice where a kept connection breaks.
[[nodiscard]] struct kube_call *kube_post(struct kube_client *c, struct kube_request *request);

// Ends a call without `done`. Not from within on_data.
void kube_call_cancel(struct kube_call *call);
