// What discovery asks, and whom: the options it was given, checked and completed by the environment.
#pragma once
#include <string>

#include "kube_url.h"

struct discovery_options;

struct discovery_setup {
    std::string server;               // as kube_server_parse gives it
    const char *token_file, *ca_file; // null: none
    struct kube_selector selector;    // of services
    std::string pods_selector;
    std::string ns; // empty: all
};

// False and a message for people in `error` where the options make no sense.
[[nodiscard]] bool discovery_setup_read(const struct discovery_options *options,
                                        struct discovery_setup *setup, std::string *error);
