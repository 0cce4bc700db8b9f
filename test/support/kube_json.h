// Replies of a Kubernetes API for tests: the same few pods and endpoints in each of its forms.
//
// Pod i has the uid "u<i>", the name "t-<i>" and an address of its own, on node "worker-<i>".
#pragma once
#include <string>

// Pods from `first` up to and without `end`, as a list with the given `continue`.
[[nodiscard]] std::string kube_json_pods(int first, int end, const char *next);

// One of them.
[[nodiscard]] std::string kube_json_pod(int i, const char *version);

// An event of a watch, with the line feed behind it.
[[nodiscard]] std::string kube_json_event(const char *type, const std::string &object);
[[nodiscard]] std::string kube_json_bookmark(const char *version);

// Their endpoints, with that port, as one slice; none where `end` is `first`.
[[nodiscard]] std::string kube_json_slices(int first, int end, int port, const char *next);

// The same as an Endpoints object; it says that it is truncated.
[[nodiscard]] std::string kube_json_endpoints(int first, int end, int port);

[[nodiscard]] std::string kube_json_status(int code, const char *reason, const char *message);
