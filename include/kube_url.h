// Where things are in a Kubernetes API: addresses of lists, and the selectors they are asked with.
//
// Pure: text in, text out. What people typed is checked here, before a server ever sees it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

enum kube_resource { KUBE_PODS, KUBE_SLICES, KUBE_ENDPOINTS };

// "pods", "endpointslices", "endpoints": the word of roles and messages.
[[nodiscard]] const char *kube_resource_name(enum kube_resource r);

// One list, or one watch. An empty text leaves its parameter out, but for `ns`: empty is all namespaces.
struct kube_list_query {
    enum kube_resource resource = KUBE_PODS;
    std::string ns;
    std::string label_selector;
    std::string field_selector;
    int limit = 0;    // items of a page; 0: all in one
    std::string next; // the `continue` of the page before
    std::string resource_version;
    std::string version_match;
    int watch_s = 0; // what changes from resource_version on, for so many seconds; 0: a list
};

// The request's target behind the server's URL.
[[nodiscard]] std::string kube_list_path(const struct kube_list_query *query);

// Everything but unreserved characters (RFC 3986) becomes %XX.
[[nodiscard]] std::string kube_percent_encode(std::string_view text);

// The server of a pod's environment: "https://[fd00::1]:443". Host and port must not be empty.
[[nodiscard]] std::string kube_server_of(std::string_view host, std::string_view port);

// Checks a server's URL as people give it, http or https with an optional path, and takes the slashes
// off its end. False and a message in `error` where it is none.
[[nodiscard]] bool kube_server_parse(std::string_view text, std::string *server,
                                     std::string *error);

// Whether nobody on the way to it can read or change what is said: it is https, or on this machine.
[[nodiscard]] bool kube_server_is_private(std::string_view server);

// One term of a field selector on metadata.name or metadata.namespace.
struct kube_term {
    bool names_namespace; // metadata.namespace; else metadata.name
    bool equal;           // `=` or `==`; else `!=`
    std::string value;
};

struct kube_selector {
    std::vector<struct kube_term> terms; // all must hold
};

// Reads a field selector. False and a message in `error` that names the term where it is none, or is
// on another field.
[[nodiscard]] bool kube_selector_parse(std::string_view text, struct kube_selector *selector,
                                       std::string *error);

[[nodiscard]] bool kube_selector_matches(const struct kube_selector &selector, std::string_view ns,
                                         std::string_view name);

// The one namespace it can match, or empty.
[[nodiscard]] std::string kube_selector_namespace(const struct kube_selector &selector);

// The label selector for slices of services that it may match; the terms still have to be checked.
[[nodiscard]] std::string kube_selector_labels(const struct kube_selector &selector);

// The selector as a server reads it, escaped.
[[nodiscard]] std::string kube_selector_fields(const struct kube_selector &selector);

// Whether `text` has the form of a label selector; else false and a message in `error`.
[[nodiscard]] bool kube_labels_check(std::string_view text, std::string *error);

// Whether `text` can be the name of a namespace (RFC 1123 label).
[[nodiscard]] bool kube_name_check(std::string_view text);
