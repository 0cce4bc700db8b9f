// The API server as it was given or as a pod finds it, and the files that are for it.
#include "kube_account.h"

#include <cstdlib>

#include "clock.h"
#include "credentials.h"
#include "kube_client.h"
#include "kube_url.h"
#include "log.h"

struct kube_account {
    struct credentials *credentials;
    struct kube_client *client;
};

static const char *or_else(const char *text, const char *otherwise)
{
    return text != nullptr && *text != '\0' ? text : otherwise;
}

// The server's URL where it was given.
static bool read_server(const char *text, std::string *server, std::string *error)
{
    std::string problem;
    if (kube_server_parse(text, server, &problem))
        return true;
    *error = "--kube-server: " + problem;
    return false;
}

// The server's URL as a pod finds it.
static bool find_server(std::string *server, std::string *error)
{
    const char *const host = or_else(getenv("KUBERNETES_SERVICE_HOST"), nullptr);
    const char *const port = or_else(getenv("KUBERNETES_SERVICE_PORT"), nullptr);
    if (host == nullptr || port == nullptr) {
        *error = "not in a Kubernetes cluster (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT "
                 "are not set): give --kube-server, or --nodes without --auth kubernetes";
        return false;
    }
    std::string problem;
    if (kube_server_parse(kube_server_of(host, port), server, &problem))
        return true;
    *error = "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT: " + problem;
    return false;
}

struct kube_account *kube_account_new(const struct kube_account_options *options,
                                      std::string *error)
{
    const bool given = or_else(options->server, nullptr) != nullptr;
    const char *const token =
        or_else(options->token_file, given ? nullptr : CREDENTIALS_TOKEN_FILE);
    const char *const ca = or_else(options->ca_file, given ? nullptr : CREDENTIALS_CA_FILE);
    std::string server;
    if (!(given ? read_server(options->server, &server, error) : find_server(&server, error)))
        return nullptr;
    struct credentials *credentials = credentials_new(token, ca, clock_monotonic_ms(), error);
    if (credentials == nullptr)
        return nullptr;
    if (server.starts_with("http://") && token != nullptr)
        log_warn("the token is not sent to %s: only to https", server.c_str());
    return new kube_account{
        .credentials = credentials,
        .client = kube_client_new(options->http, credentials, server),
    };
}

void kube_account_free(struct kube_account *a)
{
    if (a == nullptr)
        return;
    kube_client_free(a->client);
    credentials_free(a->credentials);
    delete a;
}

struct kube_client *kube_account_client(const struct kube_account *a)
{
    return a->client;
}

const std::string &kube_account_problem(const struct kube_account *a)
{
    return credentials_problem(a->credentials);
}
