// Reads the options: command line, environment, defaults. Knows nothing of what they mean.
#include "config.h"

#include <getopt.h>

#include "config_row.h"
#include "kube_url.h"
#include "units.h"

// The checks of other modules quote what they got by themselves.
static std::string bad_value(const struct option_row &row, const std::string &source,
                             const std::string &got, const std::string &error)
{
    const bool quoted = row.kind == KIND_ADDRESS || row.kind == KIND_URL ||
                        row.kind == KIND_LABELS || row.kind == KIND_FIELDS;
    if (quoted && !got.empty())
        return source + ": " + error;
    return source + ": got \"" + got + "\"; it takes " + error;
}

// getopt takes an abbreviation for the flag that it could only mean; that would be a guess.
static bool is_spelled_out(const char *argument, const struct option_row &row)
{
    std::string name = argument;
    name = name.substr(name.rfind("--", 0) == 0 ? 2 : 1);
    return name.substr(0, name.find('=')) == row.flag || (row.kind == KIND_HELP && name == "h");
}

static std::vector<struct option> getopt_table()
{
    std::vector<struct option> table;
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        const bool flag = CONFIG_ROWS[i].kind == KIND_HELP || CONFIG_ROWS[i].kind == KIND_VERSION;
        const int takes = flag                               ? no_argument
                          : CONFIG_ROWS[i].kind == KIND_BOOL ? optional_argument
                                                             : required_argument;
        table.push_back({CONFIG_ROWS[i].flag, takes, nullptr, static_cast<int>(i)});
    }
    table.push_back({nullptr, 0, nullptr, 0});
    return table;
}

static enum config_action read_flags(struct config *c, int argc, char *const *argv,
                                     std::vector<bool> *given, std::string *error)
{
    const std::vector<struct option> table = getopt_table();
    optind = 0; // glibc: start anew, for a second call in one process
    for (;;) {
        const int at = optind == 0 ? 1 : optind;
        const int row = getopt_long_only(argc, argv, "+:", table.data(), nullptr);
        if (row == -1)
            break;
        if (row == ':') {
            *error = std::string(argv[at]) + ": it takes a value; see --help";
            return CONFIG_BAD;
        }
        if (row == '?' || !is_spelled_out(argv[at], CONFIG_ROWS[row])) {
            *error = std::string(argv[at]) + ": no such option; see --help";
            return CONFIG_BAD;
        }
        if (CONFIG_ROWS[row].kind == KIND_HELP)
            return CONFIG_HELP;
        if (CONFIG_ROWS[row].kind == KIND_VERSION)
            return CONFIG_VERSION;
        const std::string text = optarg ? optarg : "true";
        std::string takes;
        if (!config_set_value(CONFIG_ROWS[row], text, c, &takes)) {
            *error =
                bad_value(CONFIG_ROWS[row], "--" + std::string(CONFIG_ROWS[row].flag), text, takes);
            return CONFIG_BAD;
        }
        if (CONFIG_ROWS[row].kind == KIND_COMPLETION)
            return CONFIG_COMPLETION;
        (*given)[static_cast<size_t>(row)] = true;
    }
    if (optind < argc) {
        *error = std::string(argv[optind]) + ": not an option, and no other arguments are taken";
        return CONFIG_BAD;
    }
    return CONFIG_RUN;
}

// Fills in what the command line left open.
static bool read_environment(struct config *c, config_getenv_fn environment,
                             const std::vector<bool> &given, std::string *error)
{
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        if (given[i] || !CONFIG_ROWS[i].variable)
            continue;
        const char *text = environment(CONFIG_ROWS[i].variable);
        const bool set = text && *text;
        if (!set)
            text = CONFIG_ROWS[i].standard;
        std::string takes;
        if (!text || config_set_value(CONFIG_ROWS[i], text, c, &takes))
            continue;
        *error = bad_value(CONFIG_ROWS[i], CONFIG_ROWS[i].variable, text, takes);
        return false;
    }
    return true;
}

// All nodes are given, and none speaks https.
static bool has_plain_nodes_only(const struct config *c)
{
    for (const struct config_node &n : c->nodes)
        if (n.https)
            return false;
    return !c->nodes.empty();
}

// What one option alone can not show.
static bool is_consistent(const struct config *c, std::string *error)
{
    if (c->timeout_ms > c->max_timeout_ms)
        *error = "--timeout: " + units_duration_text(c->timeout_ms) +
                 " is more than --max-timeout, " + units_duration_text(c->max_timeout_ms);
    else if (c->max_reply > c->max_memory)
        *error = "--max-reply: " + units_size_text(c->max_reply) + " is more than --max-memory, " +
                 units_size_text(c->max_memory);
    else if (c->certfile.empty() != c->keyfile.empty())
        *error = c->keyfile.empty() ? "--certfile: HTTPS needs --keyfile (TRACE_KUBE_TLS_KEY) too"
                                    : "--keyfile: HTTPS needs --certfile (TRACE_KUBE_TLS_CERT) too";
    else if (!c->client_ca.empty() && c->certfile.empty())
        *error = "--client-ca: only HTTPS has clients with certificates; it needs --certfile";
    else if (!c->client_names.empty() && c->client_ca.empty())
        *error = "--client-names: names are of certificates; it needs --client-ca";
    else if (!c->node_token_file.empty() && has_plain_nodes_only(c))
        *error = "--node-token-file: the token is for nodes with https://, and --nodes has none";
    else if (!c->node_ca.empty() && has_plain_nodes_only(c))
        *error = "--node-ca: only nodes with https:// have certificates, and --nodes has none";
    else if (!c->nodes.empty() && !c->kube_server.empty() && c->auth == AUTH_BY_NOBODY)
        *error = "--nodes and --kube-server: only one can tell where the nodes are";
    else if (c->auth == AUTH_BY_KUBERNETES && !c->kube_server.empty() &&
             !kube_server_is_private(c->kube_server))
        *error =
            "--kube-server: with --auth kubernetes the tokens of clients, and who may do what, "
            "would be open on the way to " +
            c->kube_server + "; it takes https://, or an address of this machine";
    return error->empty();
}

enum config_action config_read(struct config *c, int argc, char *const *argv,
                               config_getenv_fn environment, std::string *error)
{
    *c = {};
    error->clear();
    std::vector<bool> given(CONFIG_ROW_COUNT);
    const enum config_action action = read_flags(c, argc, argv, &given, error);
    if (action != CONFIG_RUN)
        return action;
    if (!read_environment(c, environment, given, error) || !is_consistent(c, error))
        return CONFIG_BAD;
    return CONFIG_RUN;
}
