// What /metrics says. Private to api.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "api.h"

struct discovery_status;

// How things are at the moment, as far as the options do not tell.
struct api_scene {
    const struct discovery_status *discovery;
    size_t waiting;     // requests, for nodes or a review
    uint64_t shared;    // requests answered with the broadcast of another, so far
    size_t connections; // of clients
};

[[nodiscard]] const struct api_options *api_get_options(const struct api *a);

[[nodiscard]] std::string api_metrics_text(const struct api_options *options,
                                           const struct api_scene *scene);
