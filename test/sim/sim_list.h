// One list request to the API server: its parameters, the page it asks for, the Status it earns.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "sim_object.h"

struct sim_answer;
struct sim_cluster;
struct sim_request;

// Turns `a` into a Status. `details`: a JSON object, or empty.
void sim_list_status(struct sim_answer *a, int code, std::string_view reason,
                     std::string_view message, std::string_view details);

// Answers a list of `resource` in `name_space` (empty: all). `page_limit`: 0 for none.
void sim_list_answer(struct sim_cluster *c, enum sim_resource resource,
                     const std::string &name_space, uint64_t page_limit,
                     const struct sim_request *r, struct sim_answer *a);
