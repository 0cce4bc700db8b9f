// Fuzzes what reads selectors and servers as people type them. Oracles: what is refused says why; what
// is taken has one form, which reads the same again; no path of a list can be broken out of.
#include <cstdint>
#include <cstdlib>

#include "kube_url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool is_same(const struct kube_selector &a, const struct kube_selector &b)
{
    if (a.terms.size() != b.terms.size())
        return false;
    for (size_t i = 0; i < a.terms.size(); i++)
        if (a.terms[i].names_namespace != b.terms[i].names_namespace ||
            a.terms[i].equal != b.terms[i].equal || a.terms[i].value != b.terms[i].value)
            return false;
    return true;
}

static void check_selector(const std::string &text)
{
    struct kube_selector selector, again;
    std::string error;
    if (!kube_selector_parse(text, &selector, &error)) {
        check(!error.empty());
        return;
    }
    check(kube_selector_parse(kube_selector_fields(selector), &again, &error));
    check(is_same(selector, again));
    check(kube_labels_check(kube_selector_labels(selector), &error));
    (void)kube_selector_matches(selector, kube_selector_namespace(selector), text);
}

static void check_server(const std::string &text)
{
    std::string server, again, error;
    if (!kube_server_parse(text, &server, &error)) {
        check(!error.empty());
        return;
    }
    check(!server.empty() && server.back() != '/');
    check(kube_server_parse(server, &again, &error) && again == server);
}

static void check_path(const std::string &text)
{
    const struct kube_list_query query = {.ns = kube_name_check(text) ? text : "",
                                          .label_selector = text,
                                          .field_selector = text,
                                          .limit = 500,
                                          .next = text,
                                          .resource_version = text,
                                          .version_match = text,
                                          .watch_s = 5};
    for (const char c : kube_list_path(&query))
        check(c > ' ' && c <= '~' && c != '#' && c != '"');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const std::string text(reinterpret_cast<const char *>(data), size);
    std::string error;
    check_selector(text);
    check_server(text);
    check_path(text);
    check(kube_labels_check(text, &error) || !error.empty());
    return 0;
}
