// What is set on a curl easy handle, and what its result codes mean. Private to http_client.
#pragma once
#include <curl/curl.h>
#include <string>

#include "http_client.h"

struct fetch_headers {
    struct curl_slist *list;         // all of them
    struct curl_slist *without_body; // within `list`: what requests without a body send
};

// What seldom differs from one request to the next.
struct easy_settings {
    bool plain; // a GET without a body, on the system's certificates
    bool fresh, once;
    long connect_ms, lifetime_s;
    bool operator==(const struct easy_settings &) const = default;
};

// An easy handle with the URL that it fetches.
struct easy {
    CURL *curl;
    CURLU *url;
    struct easy_settings settings; // as they are on the handle now; all zeros: not known
    std::string form; // the URL's text without its IPv4 address; empty: it has none, or is not set
};

// A new handle, with all set that is the same in every request, callbacks aside.
[[nodiscard]] struct easy *easy_new();
void easy_free(struct easy *e);

// Sets what differs between requests, callbacks aside, so that the handle is as told whatever the request
// before was. False where curl refuses it.
[[nodiscard]] bool easy_set_request(struct easy *e, const struct fetch_options *o,
                                    const struct fetch_headers *headers);

// Where the handle connects to, null: to what the URL says. The caller frees the list, which is null for
// null, after the transfer.
[[nodiscard]] struct curl_slist *easy_set_connect_to(CURL *e, const char *connect_to);

// What a transfer's result means, time-outs aside. `sent`: curl had begun to send the request.
[[nodiscard]] enum fetch_status easy_status(CURLcode code, bool sent);
