// Fetches all of one resource from a Kubernetes API: one list at a time, page by page.
//
// A page is parsed and reduced as it arrives; a list is handed on whole or not at all. It repeats by
// itself only what is known to help at once: another token, other certificates, a list whose pages have
// expired. When to try again is the owner's affair. A watch, which needs the version a list ends with,
// has its place behind on_sync.
#pragma once
#include <cstdint>
#include <string>

#include "kube.h"

struct credentials;
struct event_base;
struct http_client;
struct reflector;

enum reflector_failure {
    REFLECTOR_UNREACHABLE, // no reply: connection, time, TLS
    REFLECTOR_DENIED,      // 401: the token is not accepted
    REFLECTOR_FORBIDDEN,   // 403: the role does not allow it
    REFLECTOR_ABSENT,      // 404: the server does not know this resource
    REFLECTOR_BUSY,        // 429 and 5xx
    REFLECTOR_REFUSED,     // any other status
    REFLECTOR_BAD_REPLY,   // a reply that is no such list
};

struct reflector_error {
    enum reflector_failure failure;
    int64_t retry_after_ms; // what the server asks for, at most a minute; 0: nothing
    const char *message;    // for people, never a credential
};

// The list has ended; what is in it may be taken. It is gone when the callback returns.
typedef void (*reflector_sync_fn)(void *arg, struct kube_list *list);
typedef void (*reflector_error_fn)(void *arg, const struct reflector_error *error);

// Texts are copied; pointers are borrowed for the reflector's life.
struct reflector_options {
    struct event_base *base;
    struct http_client *http;
    struct credentials *credentials;
    enum kube_resource resource;
    std::string server; // "https://10.0.0.1:443"; over http:// no token is sent
    std::string ns;     // empty: all
    std::string label_selector;
    std::string field_selector;
    int64_t list_timeout_ms; // of all pages together; 0: two minutes
    reflector_sync_fn on_sync;
    reflector_error_fn on_error;
    void *arg;
};

[[nodiscard]] struct reflector *reflector_new(const struct reflector_options *options);

// Ends what is under way without a callback.
void reflector_free(struct reflector *r);

// Begins a list; none may be under way. It ends with exactly one call of on_sync or on_error, never
// before this returns, unless it is stopped. Both may begin the next or free the reflector.
void reflector_list(struct reflector *r);

// Ends what is under way, if anything, without a callback.
void reflector_stop(struct reflector *r);
