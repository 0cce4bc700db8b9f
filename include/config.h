// The configuration: one table of options makes the parser, the look-up in the environment and --help.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "log.h"

// One entry of --nodes.
struct config_node {
    std::string name; // unique
    std::string host; // IP address or name, IPv6 without brackets
    uint16_t port;
    bool https;
};

// Who says which clients may ask what.
enum config_auth { AUTH_BY_NOBODY, AUTH_BY_KUBERNETES };

enum config_shell { CONFIG_BASH, CONFIG_ZSH };

struct config {
    std::string address;
    int64_t poll_ms;
    std::string pods_selector;
    std::string svc_selector;
    bool verbose;
    int64_t slow_ms; // 0: no request is slow
    std::string ns;  // empty: all namespaces
    std::vector<struct config_node> nodes;
    std::string node_token_file; // empty: nodes get no token
    std::string node_ca;         // empty: the system's certificates
    std::string kube_server;     // empty: in-cluster
    std::string kube_token_file;
    std::string kube_ca_file;
    int64_t timeout_ms;
    int64_t max_timeout_ms;
    int64_t max_requests;
    int64_t max_connections;
    int64_t max_in_flight;
    int64_t max_header; // bytes
    int64_t max_body;   // bytes
    int64_t max_reply;  // bytes
    int64_t max_memory; // bytes
    int64_t request_timeout_ms;
    int64_t reply_timeout_ms;
    int64_t idle_timeout_ms;
    int64_t drain_delay_ms;
    enum log_format log_format;
    std::string certfile, keyfile; // empty, both: plain HTTP
    std::string client_ca;         // empty: clients need no certificate
    std::vector<std::string> client_names;
    enum config_auth auth;
    std::string auth_audience;
    bool open_metrics;
    bool metrics_per_node;
    enum config_shell shell; // of CONFIG_COMPLETION
};

enum config_action { CONFIG_RUN, CONFIG_HELP, CONFIG_VERSION, CONFIG_COMPLETION, CONFIG_BAD };

// Null for a variable that is not set; getenv fits.
typedef char *(*config_getenv_fn)(const char *name);

// Reads the command line, then the environment, then the defaults. CONFIG_BAD: `error` names the flag
// or variable, what it got and what it takes.
[[nodiscard]] enum config_action config_read(struct config *c, int argc, char *const *argv,
                                             config_getenv_fn environment, std::string *error);

// What --help prints.
[[nodiscard]] std::string config_help();

// What --completion prints: a script that completes the options in a shell.
[[nodiscard]] std::string config_completion(enum config_shell shell);
