// Reads what discovery was told.
#include "discovery_setup.h"

#include "discovery.h"

static const char *or_else(const char *text, const char *otherwise)
{
    return text != nullptr && *text != '\0' ? text : otherwise;
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
    return read_selectors(options, setup, error);
}
