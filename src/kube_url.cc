// Addresses and selectors of a Kubernetes API. Pure.
#include "kube_url.h"

#include "address.h"

#include <cctype>

static constexpr std::string_view SERVICE_LABEL = "kubernetes.io/service-name";

const char *kube_resource_name(enum kube_resource r)
{
    switch (r) {
    case KUBE_PODS: return "pods";
    case KUBE_SLICES: return "endpointslices";
    case KUBE_ENDPOINTS: return "endpoints";
    }
    return "";
}

std::string kube_percent_encode(std::string_view text)
{
    static const char hex[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const unsigned char byte = static_cast<unsigned char>(c);
        if ((byte < 0x80 && isalnum(byte)) || c == '-' || c == '.' || c == '_' || c == '~') {
            out += c;
        } else {
            out += '%';
            out += hex[byte >> 4];
            out += hex[byte & 15];
        }
    }
    return out;
}

static void add_parameter(std::string *url, const char *name, std::string_view value)
{
    if (value.empty())
        return;
    *url += url->find('?') == std::string::npos ? '?' : '&';
    *url += name;
    *url += '=';
    *url += kube_percent_encode(value);
}

std::string kube_list_path(const struct kube_list_query *query)
{
    std::string url = query->resource == KUBE_SLICES ? "/apis/discovery.k8s.io/v1" : "/api/v1";
    if (!query->ns.empty())
        url += "/namespaces/" + kube_percent_encode(query->ns);
    url += '/';
    url += kube_resource_name(query->resource);
    add_parameter(&url, "labelSelector", query->label_selector);
    add_parameter(&url, "fieldSelector", query->field_selector);
    add_parameter(&url, "limit", query->limit > 0 ? std::to_string(query->limit) : "");
    add_parameter(&url, "continue", query->next);
    add_parameter(&url, "resourceVersion", query->resource_version);
    add_parameter(&url, "resourceVersionMatch", query->version_match);
    if (query->watch_s > 0) {
        add_parameter(&url, "watch", "1");
        add_parameter(&url, "allowWatchBookmarks", "true");
        add_parameter(&url, "timeoutSeconds", std::to_string(query->watch_s));
    }
    return url;
}

std::string kube_server_of(std::string_view host, std::string_view port)
{
    const bool v6 = host.find(':') != host.npos && !host.starts_with('[');
    std::string server = "https://";
    server += v6 ? "[" : "";
    server += host;
    server += v6 ? "]:" : ":";
    server += port;
    return server;
}

// Host and port of a URL; where it has no port, one that will do in its place.
static std::string authority_of(std::string_view url)
{
    const size_t host = url.find("//") + 2;
    std::string authority(url.substr(host, url.find('/', host) - host));
    const size_t bracket = authority.rfind(']'), colon = authority.rfind(':');
    if (colon == authority.npos || (bracket != authority.npos && colon < bracket))
        authority += ":443";
    return authority;
}

bool kube_server_parse(std::string_view text, std::string *server, std::string *error)
{
    *error = "want http://HOST:PORT or https://HOST:PORT, not '" + std::string(text) + "'";
    const bool known = text.starts_with("http://") || text.starts_with("https://");
    if (!known)
        return false;
    for (const char c : text)
        if (c <= ' ' || c >= 0x7f || c == '?' || c == '#' || c == '@' || c == '\\')
            return false;
    const size_t host = text.find("//") + 2;
    while (text.size() > host && text.ends_with('/'))
        text.remove_suffix(1);
    struct address ignored;
    if (!address_parse_named(authority_of(text), &ignored))
        return false;
    *server = text;
    error->clear();
    return true;
}

bool kube_server_is_private(std::string_view server)
{
    struct address a;
    return server.starts_with("https://") || (address_parse_named(authority_of(server), &a) &&
                                              (a.host == "localhost" || address_is_loopback(a)));
}

// Cuts `text` at its next comma that no backslash stands before; `text` is the rest behind it.
static std::string_view next_term(std::string_view *text)
{
    size_t i = 0;
    while (i < text->size() && (*text)[i] != ',')
        i += (*text)[i] == '\\' && i + 1 < text->size() ? 2U : 1U;
    const std::string_view term = text->substr(0, i);
    text->remove_prefix(i < text->size() ? i + 1 : i);
    return term;
}

// Takes the backslashes off. False where an escape is unknown, or `,` or `=` stands without one.
static bool unescape(std::string_view text, std::string *out)
{
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '\\') {
            if (++i == text.size() || (text[i] != '\\' && text[i] != ',' && text[i] != '='))
                return false;
        } else if (text[i] == ',' || text[i] == '=') {
            return false;
        }
        *out += text[i];
    }
    return true;
}

static bool parse_term(std::string_view text, struct kube_term *term, std::string *error)
{
    const size_t at = text.find_first_of("=!");
    const std::string_view rest = at == text.npos ? "" : text.substr(at);
    size_t operator_size = 1;
    if (rest.starts_with("!=") || rest.starts_with("=="))
        operator_size = 2;
    const bool has_operator = !rest.empty() && (rest[0] == '=' || operator_size == 2);
    const std::string_view field = text.substr(0, at);
    if (!has_operator || (field != "metadata.name" && field != "metadata.namespace")) {
        *error =
            "'" + std::string(text) + "': want metadata.name or metadata.namespace, then =, ==";
        *error += " or !=, then a value";
        return false;
    }
    term->names_namespace = field == "metadata.namespace";
    term->equal = rest[0] == '=';
    const std::string_view value = rest.substr(operator_size);
    if (value.empty() || !unescape(value, &term->value)) {
        *error = "'" + std::string(text) + "': want a value, with \\\\ \\, and \\= for \\ , and =";
        return false;
    }
    return true;
}

bool kube_selector_parse(std::string_view text, struct kube_selector *selector, std::string *error)
{
    selector->terms.clear();
    while (!text.empty()) {
        const std::string_view part = next_term(&text);
        if (part.empty())
            continue;
        struct kube_term term = {};
        if (!parse_term(part, &term, error))
            return false;
        selector->terms.push_back(term);
    }
    return true;
}

bool kube_selector_matches(const struct kube_selector &selector, std::string_view ns,
                           std::string_view name)
{
    for (const struct kube_term &term : selector.terms)
        if (((term.names_namespace ? ns : name) == term.value) != term.equal)
            return false;
    return true;
}

std::string kube_selector_namespace(const struct kube_selector &selector)
{
    for (const struct kube_term &term : selector.terms)
        if (term.names_namespace && term.equal)
            return term.value;
    return "";
}

// A label's value: up to 63 of letters, digits, `-`, `_` and `.`, the first and last no punctuation.
static bool is_label_value(std::string_view text)
{
    if (text.size() > 63)
        return false;
    for (size_t i = 0; i < text.size(); i++) {
        const unsigned char c = static_cast<unsigned char>(text[i]);
        const bool inner = i > 0 && i + 1 < text.size();
        if (c >= 0x80 || !(isalnum(c) || (inner && (c == '-' || c == '_' || c == '.'))))
            return false;
    }
    return true;
}

std::string kube_selector_labels(const struct kube_selector &selector)
{
    // a value that no label can have would be read as something else: the terms alone decide then
    for (const struct kube_term &term : selector.terms)
        if (!term.names_namespace && term.equal && is_label_value(term.value))
            return std::string(SERVICE_LABEL) + "=" + term.value;
    return std::string(SERVICE_LABEL);
}

std::string kube_selector_fields(const struct kube_selector &selector)
{
    std::string out;
    for (const struct kube_term &term : selector.terms) {
        out += out.empty() ? "" : ",";
        out += term.names_namespace ? "metadata.namespace" : "metadata.name";
        out += term.equal ? "=" : "!=";
        for (const char c : term.value) {
            if (c == '\\' || c == ',' || c == '=')
                out += '\\';
            out += c;
        }
    }
    return out;
}

static void skip_spaces(std::string_view *rest)
{
    while (!rest->empty() && (rest->front() == ' ' || rest->front() == '\t'))
        rest->remove_prefix(1);
}

// Takes `token` from the front, and white space before it. False: something else is there.
static bool take(std::string_view *rest, std::string_view token)
{
    skip_spaces(rest);
    if (!rest->starts_with(token))
        return false;
    rest->remove_prefix(token.size());
    return true;
}

// Takes a key or a value from the front; it may be empty.
static std::string_view take_word(std::string_view *rest)
{
    skip_spaces(rest);
    const std::string_view word = rest->substr(0, rest->find_first_of(" \t=!(),<>"));
    rest->remove_prefix(word.size());
    return word;
}

// A label's key: a name, with a DNS name and a slash before it or not.
static bool is_label_key(std::string_view key)
{
    const size_t slash = key.find('/');
    if (slash == key.npos)
        return !key.empty() && is_label_value(key);
    const std::string_view prefix = key.substr(0, slash), name = key.substr(slash + 1);
    if (prefix.empty() || prefix.size() > 253 || name.empty() || !is_label_value(name))
        return false;
    for (const char c : prefix)
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
            return false;
    return true;
}

// "(a,b)", behind in and notin.
static bool take_set(std::string_view *rest)
{
    if (!take(rest, "("))
        return false;
    do {
        if (!is_label_value(take_word(rest)))
            return false;
    } while (take(rest, ","));
    return take(rest, ")");
}

// One requirement: "key", "!key", "key=value", "key in (a,b)", "key>1".
static bool take_requirement(std::string_view *rest)
{
    const bool absent = take(rest, "!");
    if (!is_label_key(take_word(rest)))
        return false;
    skip_spaces(rest);
    if (absent || rest->empty() || rest->front() == ',')
        return true;
    for (const char *op : {"==", "!=", "=", ">", "<"})
        if (take(rest, op))
            return is_label_value(take_word(rest));
    const std::string_view word = take_word(rest);
    return (word == "in" || word == "notin") && take_set(rest);
}

bool kube_labels_check(std::string_view text, std::string *error)
{
    std::string_view rest = text;
    skip_spaces(&rest);
    if (rest.empty())
        return true;
    std::string_view term;
    bool good;
    do {
        skip_spaces(&rest);
        term = rest;
        good = take_requirement(&rest);
    } while (good && take(&rest, ","));
    if (good && rest.empty())
        return true;
    *error = "'" + std::string(term) + "': want key=value, key!=value, key, !key, key in (a,b) or ";
    *error += "key notin (a,b), with commas between";
    return false;
}

bool kube_name_check(std::string_view text)
{
    const bool long_enough = !text.empty() && text.size() <= 63;
    const bool known = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == text.npos;
    return long_enough && known && text.front() != '-' && text.back() != '-';
}
