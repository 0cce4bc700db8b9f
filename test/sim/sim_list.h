// One list request to the API server: its parameters, the page it asks for, the Status it earns.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "sim_object.h"

struct sim_answer;
struct sim_cluster;
struct sim_request;

struct sim_target {
    enum sim_resource resource;
    std::string name_space; // empty: cluster-wide
    uint64_t page_limit;    // 0: none
};

// Turns `a` into a Status of this code. `details`: a JSON object, or empty.
void sim_list_status(struct sim_answer *a, int code, std::string_view message,
                     std::string_view details);

// Answers a list of `target`.
void sim_list_answer(struct sim_cluster *c, const struct sim_target *target,
                     const struct sim_request *r, struct sim_answer *a);
