// Selectors.
#include "sim_selector.h"

#include <cctype>

#include "sim_text.h"

static bool is_identifier(std::string_view text)
{
    for (const char c : text)
        if (!isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.' && c != '/')
            return false;
    return !text.empty();
}

static void trim(std::string_view *text)
{
    while (!text->empty() && text->front() == ' ')
        text->remove_prefix(1);
    while (!text->empty() && text->back() == ' ')
        text->remove_suffix(1);
}

// Splits "key=value", "key==value" or "key!=value". False: there is no operator.
static bool split_term(std::string_view term, struct sim_requirement *r)
{
    const size_t at = term.find('=');
    if (at == std::string_view::npos)
        return false;
    std::string_view key = term.substr(0, at), value = term.substr(at + 1);
    if (value.starts_with("="))
        value.remove_prefix(1);
    r->negated = key.ends_with("!");
    if (r->negated)
        key.remove_suffix(1);
    trim(&key);
    trim(&value);
    r->key = key;
    r->value = value;
    return true;
}

bool selector_parse_labels(std::string_view text, std::vector<struct sim_requirement> *selector,
                           std::string *message)
{
    while (!text.empty()) {
        std::string_view term = text_next(&text, ',');
        struct sim_requirement r = {};
        trim(&term);
        if (!split_term(term, &r)) {
            r.exists = true;
            r.negated = term.starts_with("!");
            r.key = r.negated ? term.substr(1) : term;
        }
        if (!is_identifier(r.key)) {
            *message = "unable to parse requirement: found '" + r.key.substr(0, 1) +
                       "', expected: identifier";
            return false;
        }
        if (!r.value.empty() && !is_identifier(r.value)) {
            *message = "unable to parse requirement: values[0][" + r.key + "]: Invalid value: \"" +
                       r.value + "\"";
            return false;
        }
        selector->push_back(r);
    }
    return true;
}

bool selector_parse_fields(std::string_view text, bool is_pods,
                           std::vector<struct sim_requirement> *selector, std::string *message)
{
    while (!text.empty()) {
        const std::string_view term = text_next(&text, ',');
        struct sim_requirement r = {};
        if (!split_term(term, &r)) {
            *message = "invalid selector: '" + std::string(term) + "'; can't understand '" +
                       std::string(term) + "'";
            return false;
        }
        const bool known = r.key == "metadata.name" || r.key == "metadata.namespace";
        if (!known && is_pods) {
            *message = "field label not supported: " + r.key;
            return false;
        }
        if (!known) {
            *message = "\"" + r.key +
                       "\" is not a known field selector: only \"metadata.name\", "
                       "\"metadata.namespace\"";
            return false;
        }
        selector->push_back(r);
    }
    return true;
}

bool selector_matches(const std::vector<struct sim_requirement> &selector,
                      const std::vector<struct sim_label> &labels)
{
    for (const struct sim_requirement &r : selector) {
        const std::string *value = nullptr;
        for (const auto &[key, text] : labels)
            if (key == r.key)
                value = &text;
        const bool hit = value && (r.exists || *value == r.value);
        if (hit == r.negated)
            return false;
    }
    return true;
}
