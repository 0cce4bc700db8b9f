// What the values of options are made of, each kind with what it takes.
#include <algorithm>
#include <cstring>

#include "address.h"
#include "config_row.h"
#include "kube_url.h"
#include "units.h"

static bool parse_bool(const std::string &text, bool *value)
{
    std::string low;
    for (const char c : text)
        low += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    for (const char *yes : {"1", "t", "true", "y", "yes", "on"})
        if (low == yes)
            return *value = true, true;
    for (const char *no : {"0", "f", "false", "n", "no", "off"})
        if (low == no)
            return *value = false, true;
    return false;
}

// A name goes into headers and URLs of others: visible ASCII without the separators.
static bool node_name_is_fine(const std::string &name)
{
    for (const char c : name)
        if (c <= ' ' || c > '~' || c == ',' || c == '=' || c == '"' || c == '\\')
            return false;
    return !name.empty();
}

// One entry of --nodes; false: `error` says what it takes.
static bool parse_node(const std::string &entry, struct config *c, std::string *error)
{
    const size_t equals = entry.find('=');
    std::string where = equals == std::string::npos ? entry : entry.substr(equals + 1);
    const bool https = where.starts_with("https://");
    if (https)
        where.erase(0, strlen("https://"));
    const std::string name = equals == std::string::npos ? where : entry.substr(0, equals);
    struct address address;
    if (!node_name_is_fine(name) || !address_parse_named(where, &address)) {
        *error = "NAME=HOST:PORT, NAME=https://HOST:PORT, or one without its name, separated by "
                 "commas; this entry is not: " +
                 entry;
        return false;
    }
    for (const struct config_node &other : c->nodes) {
        if (other.name != name)
            continue;
        *error = "each node once; this name is there twice: " + name;
        return false;
    }
    c->nodes.push_back({.name = name, .host = address.host, .port = address.port, .https = https});
    return true;
}

static bool parse_nodes(const std::string &text, struct config *c, std::string *error)
{
    c->nodes.clear();
    for (size_t begin = 0; begin <= text.size();) {
        const size_t comma = std::min(text.find(',', begin), text.size());
        if (!parse_node(text.substr(begin, comma - begin), c, error))
            return false;
        begin = comma + 1;
    }
    return true;
}

static bool parse_names(const std::string &text, std::vector<std::string> *names)
{
    names->clear();
    for (size_t begin = 0; begin <= text.size();) {
        const size_t comma = std::min(text.find(',', begin), text.size());
        names->push_back(text.substr(begin, comma - begin));
        if (names->back().empty())
            return false;
        begin = comma + 1;
    }
    return true;
}

static bool parse_number(const struct option_row &row, const std::string &text, struct config *c,
                         std::string *error)
{
    int64_t value = 0;
    bool good = false;
    std::string takes;
    if (row.kind == KIND_DURATION) {
        good = units_parse_duration(text, &value);
        takes = "a duration from " + units_duration_text(row.least) + " to " +
                units_duration_text(row.most) + ", such as 10 (seconds), 250ms or 1m";
    } else if (row.kind == KIND_SIZE) {
        good = units_parse_size(text, &value);
        takes = "a size from " + units_size_text(row.least) + " to " + units_size_text(row.most) +
                ", such as 4096 (bytes), 64KiB or 1MiB";
    } else {
        good = units_parse_count(text, &value);
        takes =
            "a whole number from " + std::to_string(row.least) + " to " + std::to_string(row.most);
    }
    if (!good || value < row.least || value > row.most) {
        *error = takes;
        return false;
    }
    c->*row.number = value;
    return true;
}

static bool keep(const struct option_row &row, const std::string &text, struct config *c)
{
    c->*row.text = text;
    return true;
}

bool config_set_value(const struct option_row &row, const std::string &text, struct config *c,
                      std::string *error)
{
    struct address address;
    struct kube_selector selector;
    std::string server;
    if (text.empty() && row.standard) {
        *error = "a value; without the flag it is " + std::string(row.standard);
        return false;
    }
    switch (row.kind) {
    case KIND_TEXT: return keep(row, text, c);
    case KIND_BOOL:
        *error = "1, true, yes, on or 0, false, no, off";
        return parse_bool(text, &(c->*row.flag_value));
    case KIND_ADDRESS: return address_parse(text, &address, error) && keep(row, text, c);
    case KIND_DURATION:
    case KIND_SIZE:
    case KIND_COUNT: return parse_number(row, text, c, error);
    case KIND_NODES: return parse_nodes(text, c, error);
    case KIND_URL: return kube_server_parse(text, &server, error) && keep(row, text, c);
    case KIND_LABELS: return kube_labels_check(text, error) && keep(row, text, c);
    case KIND_FIELDS: return kube_selector_parse(text, &selector, error) && keep(row, text, c);
    case KIND_NAMESPACE:
        *error = "a name of small letters, digits and '-', at most 63, or nothing for all";
        return (text.empty() || kube_name_check(text)) && keep(row, text, c);
    case KIND_LOG_FORMAT:
        *error = "text or json";
        c->log_format = text == "json" ? LOG_AS_JSON : LOG_AS_TEXT;
        return text == "json" || text == "text";
    case KIND_AUTH:
        *error = "none or kubernetes";
        c->auth = text == "kubernetes" ? AUTH_BY_KUBERNETES : AUTH_BY_NOBODY;
        return text == "kubernetes" || text == "none";
    case KIND_FILE: // one that is empty by mistake must not turn TLS off
        *error = "the name of a file";
        return !text.empty() && keep(row, text, c);
    case KIND_NAMES:
        *error = "names separated by commas";
        return parse_names(text, &(c->*row.list));
    case KIND_COMPLETION:
        *error = "bash or zsh";
        c->shell = text == "zsh" ? CONFIG_ZSH : CONFIG_BASH;
        return text == "bash" || text == "zsh";
    case KIND_HELP:
    case KIND_VERSION: break;
    }
    return true;
}
