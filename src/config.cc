// The option table and what is made of it. Knows nothing of what the options mean.
#include "config.h"

#include <algorithm>
#include <getopt.h>

#include "address.h"
#include "kube_url.h"
#include "units.h"

enum option_kind {
    KIND_TEXT,
    KIND_BOOL,
    KIND_ADDRESS,
    KIND_DURATION,
    KIND_SIZE,
    KIND_COUNT,
    KIND_NODES,
    KIND_URL,
    KIND_LABELS,
    KIND_FIELDS,
    KIND_NAMESPACE,
    KIND_LOG_FORMAT,
    KIND_FILE,
    KIND_NAMES,
    KIND_HELP,
    KIND_VERSION,
};

struct option_row {
    const char *flag;
    const char *variable = nullptr; // null: none
    const char *value = nullptr;    // what stands for the value in --help
    const char *standard = nullptr; // the default; null: none
    enum option_kind kind = KIND_TEXT;
    std::string config::*text = nullptr;
    int64_t config::*number = nullptr;
    int64_t least = 0, most = 0;
    const char *help = nullptr; // null: not shown
};

constexpr int64_t SECOND = 1000, HOUR = 3600 * SECOND, KIB = 1024, GIB = int64_t{1} << 30;

// clang-format off
static const struct option_row ROWS[] = {
    {.flag = "address", .variable = "TRACE_KUBE_API_ADDRESS", .value = "IP:PORT", .standard = ":8080",
     .kind = KIND_ADDRESS, .text = &config::address,
     .help = "listen here; an empty IP is all addresses, IPv4 and IPv6"},
    {.flag = "poll", .variable = "TRACE_KUBE_DISCOVERY_POLL", .value = "DURATION", .standard = "10s",
     .kind = KIND_DURATION, .number = &config::poll_ms, .least = 100, .most = 24 * HOUR,
     .help = "pause between two rounds of discovery"},
    {.flag = "pods-selector", .variable = "TRACE_KUBE_SELECTOR_PODS", .value = "SELECTOR",
     .standard = "app=container-tracer-backend", .kind = KIND_LABELS, .text = &config::pods_selector,
     .help = "label selector of the tracer-node pods"},
    {.flag = "svc-selector", .variable = "TRACE_KUBE_SELECTOR_SVCS", .value = "SELECTOR",
     .standard = "metadata.name=container-tracer-node", .kind = KIND_FIELDS,
     .text = &config::svc_selector, .help = "field selector of the tracer-node service"},
    {.flag = "namespace", .variable = "TRACE_KUBE_NAMESPACE", .value = "NAME", .kind = KIND_NAMESPACE,
     .text = &config::ns, .help = "look in this namespace only (default: in all)"},
    {.flag = "nodes", .variable = "TRACE_KUBE_NODES", .value = "LIST", .kind = KIND_NODES,
     .help = "these nodes and no Kubernetes: NAME=HOST:PORT or HOST:PORT, separated by commas"},
    {.flag = "kube-server", .variable = "TRACE_KUBE_SERVER", .value = "URL", .kind = KIND_URL,
     .text = &config::kube_server,
     .help = "Kubernetes API server (default: the cluster this runs in); http://127.0.0.1:8001 is a "
             "'kubectl proxy'"},
    {.flag = "kube-token-file", .variable = "TRACE_KUBE_TOKEN_FILE", .value = "FILE",
     .kind = KIND_TEXT, .text = &config::kube_token_file,
     .help = "bearer token for it (default: the service account's)"},
    {.flag = "kube-ca-file", .variable = "TRACE_KUBE_CA_FILE", .value = "FILE", .kind = KIND_TEXT,
     .text = &config::kube_ca_file,
     .help = "certificates to trust for it (default: the service account's)"},
    {.flag = "timeout", .variable = "TRACE_KUBE_TIMEOUT", .value = "DURATION", .standard = "10s",
     .kind = KIND_DURATION, .number = &config::timeout_ms, .least = 1, .most = HOUR,
     .help = "how long a reply waits for its slowest node"},
    {.flag = "max-timeout", .variable = "TRACE_KUBE_MAX_TIMEOUT", .value = "DURATION",
     .standard = "60s", .kind = KIND_DURATION, .number = &config::max_timeout_ms, .least = 1,
     .most = HOUR, .help = "the most that a request's ?timeout= may ask for"},
    {.flag = "max-requests", .variable = "TRACE_KUBE_MAX_REQUESTS", .value = "COUNT",
     .standard = "256", .kind = KIND_COUNT, .number = &config::max_requests, .least = 1,
     .most = 100000, .help = "client requests under way at once; beyond: 503"},
    {.flag = "max-connections", .variable = "TRACE_KUBE_MAX_CONNECTIONS", .value = "COUNT",
     .standard = "1024", .kind = KIND_COUNT, .number = &config::max_connections, .least = 1,
     .most = 100000, .help = "client connections at once"},
    {.flag = "max-in-flight", .variable = "TRACE_KUBE_MAX_IN_FLIGHT", .value = "COUNT",
     .standard = "64", .kind = KIND_COUNT, .number = &config::max_in_flight, .least = 1,
     .most = 10000, .help = "node requests of one broadcast at once"},
    {.flag = "max-header", .variable = "TRACE_KUBE_MAX_HEADER", .value = "SIZE", .standard = "16KiB",
     .kind = KIND_SIZE, .number = &config::max_header, .least = KIB, .most = 1024 * KIB,
     .help = "the largest request line and header; beyond: 431"},
    {.flag = "max-body", .variable = "TRACE_KUBE_MAX_BODY", .value = "SIZE", .standard = "1MiB",
     .kind = KIND_SIZE, .number = &config::max_body, .least = 0, .most = GIB,
     .help = "the largest request body; beyond: 413"},
    {.flag = "max-reply", .variable = "TRACE_KUBE_MAX_REPLY", .value = "SIZE", .standard = "16MiB",
     .kind = KIND_SIZE, .number = &config::max_reply, .least = KIB, .most = GIB,
     .help = "the largest reply of one node; beyond: too-large"},
    {.flag = "max-memory", .variable = "TRACE_KUBE_MAX_MEMORY", .value = "SIZE", .standard = "256MiB",
     .kind = KIND_SIZE, .number = &config::max_memory, .least = KIB, .most = 1024 * GIB,
     .help = "node replies held at once, for all requests; beyond: 503, or too-large"},
    {.flag = "request-timeout", .variable = "TRACE_KUBE_REQUEST_TIMEOUT", .value = "DURATION",
     .standard = "10s", .kind = KIND_DURATION, .number = &config::request_timeout_ms, .least = 100,
     .most = HOUR, .help = "how long a client may take to send a request; beyond: 408"},
    {.flag = "reply-timeout", .variable = "TRACE_KUBE_REPLY_TIMEOUT", .value = "DURATION",
     .standard = "60s", .kind = KIND_DURATION, .number = &config::reply_timeout_ms, .least = 100,
     .most = HOUR, .help = "how long a client may take to read a reply; beyond: closed"},
    {.flag = "idle-timeout", .variable = "TRACE_KUBE_IDLE_TIMEOUT", .value = "DURATION",
     .standard = "2m", .kind = KIND_DURATION, .number = &config::idle_timeout_ms, .least = 100,
     .most = HOUR, .help = "how long a connection is kept without a request"},
    {.flag = "drain-delay", .variable = "TRACE_KUBE_DRAIN_DELAY", .value = "DURATION",
     .standard = "5s", .kind = KIND_DURATION, .number = &config::drain_delay_ms, .least = 0,
     .most = HOUR, .help = "how long new requests are served after SIGTERM"},
    {.flag = "log-format", .variable = "TRACE_KUBE_LOG_FORMAT", .value = "text|json",
     .standard = "text", .kind = KIND_LOG_FORMAT, .help = "what the log on standard error looks like"},
    {.flag = "verbose", .variable = "TRACE_KUBE_VERBOSE", .kind = KIND_BOOL,
     .help = "log every request and what discovery sees"},
    {.flag = "certfile", .variable = "TRACE_KUBE_TLS_CERT", .value = "FILE", .kind = KIND_FILE,
     .text = &config::certfile,
     .help = "speak HTTPS with this certificate and its chain, read again as it changes; goes with "
             "--keyfile"},
    {.flag = "keyfile", .variable = "TRACE_KUBE_TLS_KEY", .value = "FILE", .kind = KIND_FILE,
     .text = &config::keyfile, .help = "the private key of the certificate"},
    {.flag = "client-ca", .variable = "TRACE_KUBE_TLS_CLIENT_CA", .value = "FILE",
     .kind = KIND_FILE, .text = &config::client_ca,
     .help = "ask clients for a certificate of these authorities; without one only /livez and "
             "/readyz are answered"},
    {.flag = "client-names", .variable = "TRACE_KUBE_TLS_CLIENT_NAMES", .value = "LIST",
     .kind = KIND_NAMES,
     .help = "only for certificates of these names, separated by commas (default: any)"},
    {.flag = "help", .kind = KIND_HELP,
     .help = "show this and exit"},
    {.flag = "version", .kind = KIND_VERSION,
     .help = "show the version and exit"},
};
// clang-format on
constexpr size_t ROW_COUNT = sizeof ROWS / sizeof ROWS[0];

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
    const std::string where = equals == std::string::npos ? entry : entry.substr(equals + 1);
    const std::string name = entry.substr(0, equals);
    struct address address;
    if (!node_name_is_fine(name) || !address_parse_named(where, &address)) {
        *error = "NAME=HOST:PORT or HOST:PORT, separated by commas; this entry is not: " + entry;
        return false;
    }
    for (const struct config_node &other : c->nodes) {
        if (other.name != name)
            continue;
        *error = "each node once; this name is there twice: " + name;
        return false;
    }
    c->nodes.push_back({.name = name, .host = address.host, .port = address.port});
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

// Sets what `row` stands for. False: `error` is what the option takes.
static bool set_value(const struct option_row &row, const std::string &text, struct config *c,
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
    case KIND_TEXT: break;
    case KIND_BOOL:
        *error = "1, true, yes, on or 0, false, no, off";
        return parse_bool(text, &c->verbose);
    case KIND_ADDRESS:
        if (!address_parse(text, &address, error))
            return false;
        break;
    case KIND_DURATION:
    case KIND_SIZE:
    case KIND_COUNT: return parse_number(row, text, c, error);
    case KIND_NODES: return parse_nodes(text, c, error);
    case KIND_URL:
        if (!kube_server_parse(text, &server, error))
            return false;
        break;
    case KIND_LABELS:
        if (!kube_labels_check(text, error))
            return false;
        break;
    case KIND_FIELDS:
        if (!kube_selector_parse(text, &selector, error))
            return false;
        break;
    case KIND_NAMESPACE:
        *error = "a name of small letters, digits and '-', at most 63, or nothing for all";
        if (!text.empty() && !kube_name_check(text))
            return false;
        break;
    case KIND_LOG_FORMAT:
        *error = "text or json";
        c->log_format = text == "json" ? LOG_AS_JSON : LOG_AS_TEXT;
        return text == "json" || text == "text";
    case KIND_FILE: // one that is empty by mistake must not turn TLS off
        *error = "the name of a file";
        if (text.empty())
            return false;
        break;
    case KIND_NAMES:
        *error = "names separated by commas";
        return parse_names(text, &c->client_names);
    case KIND_HELP:
    case KIND_VERSION: return true;
    }
    c->*row.text = text;
    return true;
}

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
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const bool flag = ROWS[i].kind == KIND_HELP || ROWS[i].kind == KIND_VERSION;
        const int takes = flag                        ? no_argument
                          : ROWS[i].kind == KIND_BOOL ? optional_argument
                                                      : required_argument;
        table.push_back({ROWS[i].flag, takes, nullptr, static_cast<int>(i)});
    }
    table.push_back({nullptr, 0, nullptr, 0});
    return table;
}

static enum config_action read_flags(struct config *c, int argc, char *const *argv, bool *given,
                                     std::string *error)
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
        if (row == '?' || !is_spelled_out(argv[at], ROWS[row])) {
            *error = std::string(argv[at]) + ": no such option; see --help";
            return CONFIG_BAD;
        }
        if (ROWS[row].kind == KIND_HELP)
            return CONFIG_HELP;
        if (ROWS[row].kind == KIND_VERSION)
            return CONFIG_VERSION;
        const std::string text = optarg ? optarg : "true";
        std::string takes;
        if (!set_value(ROWS[row], text, c, &takes)) {
            *error = bad_value(ROWS[row], "--" + std::string(ROWS[row].flag), text, takes);
            return CONFIG_BAD;
        }
        given[row] = true;
    }
    if (optind < argc) {
        *error = std::string(argv[optind]) + ": not an option, and no other arguments are taken";
        return CONFIG_BAD;
    }
    return CONFIG_RUN;
}

// Fills in what the command line left open.
static bool read_environment(struct config *c, config_getenv_fn environment, const bool *given,
                             std::string *error)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (given[i] || !ROWS[i].variable)
            continue;
        const char *text = environment(ROWS[i].variable);
        const bool set = text && *text;
        if (!set)
            text = ROWS[i].standard;
        std::string takes;
        if (!text || set_value(ROWS[i], text, c, &takes))
            continue;
        *error = bad_value(ROWS[i], ROWS[i].variable, text, takes);
        return false;
    }
    return true;
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
    else if (!c->nodes.empty() && !c->kube_server.empty())
        *error = "--nodes and --kube-server: only one can tell where the nodes are";
    return error->empty();
}

enum config_action config_read(struct config *c, int argc, char *const *argv,
                               config_getenv_fn environment, std::string *error)
{
    *c = {};
    error->clear();
    bool given[ROW_COUNT] = {};
    const enum config_action action = read_flags(c, argc, argv, given, error);
    if (action != CONFIG_RUN)
        return action;
    if (!read_environment(c, environment, given, error) || !is_consistent(c, error))
        return CONFIG_BAD;
    return CONFIG_RUN;
}

// Adds `text` in lines of at most 80 columns, each indented.
static void append_wrapped(std::string *out, const std::string &text)
{
    constexpr size_t INDENT = 6, WIDTH = 80;
    size_t column = 0;
    for (size_t begin = 0; begin < text.size();) {
        const size_t space = std::min(text.find(' ', begin), text.size());
        const std::string word = text.substr(begin, space - begin);
        if (column == 0 || column + 1 + word.size() > WIDTH) {
            *out += (column == 0 ? "" : "\n") + std::string(INDENT, ' ');
            column = INDENT;
        } else {
            *out += ' ';
            column++;
        }
        *out += word;
        column += word.size();
        begin = space + 1;
    }
    *out += '\n';
}

std::string config_help()
{
    std::string out =
        "usage: tracer-svc [OPTION]...\n\n"
        "The one door to all tracer-node agents of a Kubernetes cluster: finds them,\n"
        "sends every request to all of them at once, answers once.\n\n"
        "A flag beats its environment variable, which beats the default.\n"
        "DURATION: 10 (seconds), 250ms, 10s, 1m. SIZE: 4096 (bytes), 64KiB, 1MiB.\n\n";
    for (const struct option_row &row : ROWS) {
        if (!row.help)
            continue;
        out += "  --" + std::string(row.flag) + (row.value ? " " + std::string(row.value) : "");
        if (row.variable)
            out += "  [" + std::string(row.variable) + "]";
        out += "\n";
        append_wrapped(&out,
                       row.help + (row.standard ? " (default: " + std::string(row.standard) + ")"
                                                : std::string()));
    }
    return out + "\nSee tracer-svc(8) for the API and examples.\n";
}
