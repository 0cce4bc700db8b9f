// What discovery asks, and whom: the options it was given, checked and completed by the environment.
#pragma once
#include <string>

#include "kube_url.h"

struct discovery_options;

struct discovery_setup {
    struct kube_selector selector; // of services
    std::string pods_selector;
    std::string ns; // empty: all
};

// False and a message for people in `error` where the options make no sense.
[[nodiscard]] bool discovery_setup_read(const struct discovery_options *options,
                                        struct discovery_setup *setup, std::string *error);
