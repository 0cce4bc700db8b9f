// Reads what discovery was told.
#include "discovery_setup.h"

#include <cstdlib>

#include "credentials.h"
#include "discovery.h"

static const char *or_else(const char *text, const char *otherwise)
{
    return text != nullptr && *text != '\0' ? text : otherwise;
}

static bool find_server(const struct discovery_options *o, struct discovery_setup *s,
                        std::string *error)
{
    s->token_file = or_else(o->token_file, nullptr);
    s->ca_file = or_else(o->ca_file, nullptr);
    if (or_else(o->kube_server, nullptr) != nullptr) {
        std::string problem;
        if (kube_server_parse(o->kube_server, &s->server, &problem))
            return true;
        *error = "--kube-server: " + problem;
        return false;
    }
    const char *const host = or_else(getenv("KUBERNETES_SERVICE_HOST"), nullptr);
    const char *const port = or_else(getenv("KUBERNETES_SERVICE_PORT"), nullptr);
    if (host == nullptr || port == nullptr) {
        *error = "not in a Kubernetes cluster (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT "
                 "are not set): give --kube-server or --nodes";
        return false;
    }
    std::string problem;
    if (!kube_server_parse(kube_server_of(host, port), &s->server, &problem)) {
        *error = "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT: " + problem;
        return false;
    }
    s->token_file = or_else(s->token_file, CREDENTIALS_TOKEN_FILE);
    s->ca_file = or_else(s->ca_file, CREDENTIALS_CA_FILE);
    return true;
}

// Reads both selectors. The namespace is narrowed to the namespace that --svc-selector names.
static bool read_selectors(const struct discovery_options *o, struct discovery_setup *s,
                           std::string *error)
{
    std::string problem;
    if (!kube_labels_check(or_else(o->pods_selector, ""), &problem)) {
        *error = "--pods-selector: " + problem;
        return false;
    }
    if (!kube_selector_parse(or_else(o->svc_selector, ""), &s->selector, &problem)) {
        *error = "--svc-selector: " + problem;
        return false;
    }
    s->pods_selector = or_else(o->pods_selector, "");
    s->ns = or_else(o->ns, "");
    const std::string named = kube_selector_namespace(s->selector);
    if (!s->ns.empty() && !named.empty() && named != s->ns) {
        *error =
            "--svc-selector: names namespace '" + named + "', but --namespace is '" + s->ns + "'";
        return false;
    }
    if (s->ns.empty())
        s->ns = named;
    return true;
}

bool discovery_setup_read(const struct discovery_options *options, struct discovery_setup *setup,
                          std::string *error)
{
    return read_selectors(options, setup, error) && find_server(options, setup, error);
}
