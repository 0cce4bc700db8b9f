// Who we are to the Kubernetes API: its server, our credentials for it, and the one client that all share.
#pragma once
#include <string>

struct http_client;
struct kube_account;
struct kube_client;

struct kube_account_options {
    struct http_client *http; // borrowed
    const char *server;       // URL; null: in-cluster (KUBERNETES_SERVICE_HOST and _PORT)
    const char *token_file;   // null: the service account's, where in-cluster
    const char *ca_file;      // null: the service account's, where in-cluster
};

// Null and a message for people in `error` where there is no cluster to be found, or a file can not be
// used.
[[nodiscard]] struct kube_account *kube_account_new(const struct kube_account_options *options,
                                                    std::string *error);

// After all calls of its client have ended or were cancelled.
void kube_account_free(struct kube_account *a);

[[nodiscard]] struct kube_client *kube_account_client(const struct kube_account *a);

// Why a file could not be read again, or empty: for people. Borrowed until the client is used.
[[nodiscard]] const std::string &kube_account_problem(const struct kube_account *a);
