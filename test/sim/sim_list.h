// One list request to the API server: its parameters, the page it asks for, the Status it earns.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim_object.h"

struct sim_answer;
struct sim_cluster;
struct sim_request;

struct sim_target {
    enum sim_resource resource;
    std::string name_space; // empty: cluster-wide
    uint64_t page_limit;    // 0: none
};

// Reads "/api/v1[/namespaces/NS]/pods" and its like. False: no such path.
[[nodiscard]] bool sim_target_read(std::string_view path, struct sim_target *t);

// Which objects of a resource a list or a watch is about.
struct sim_filter {
    std::string name_space; // empty: cluster-wide
    std::vector<struct sim_requirement> labels, fields;
};

// Reads the selectors of a query. False after it has answered.
[[nodiscard]] bool sim_filter_read(const struct sim_target *target, std::string_view query,
                                   struct sim_filter *filter, struct sim_answer *a);
[[nodiscard]] bool sim_filter_matches(const struct sim_filter *filter,
                                      const std::string &name_space, const std::string &name,
                                      const std::vector<struct sim_label> &labels);

// The lines of the head that go with a resource.
[[nodiscard]] std::string sim_list_headers(enum sim_resource resource);

// Turns `a` into a Status of this code. `details`: a JSON object, or empty.
void sim_list_status(struct sim_answer *a, int code, std::string_view message,
                     std::string_view details);

// Appends the Status as a JSON object.
void sim_list_append_status(std::string *out, int code, std::string_view message,
                            std::string_view details);

// Turns `a` into the Status of a request that the caller's role does not allow, as RBAC words it.
void sim_list_forbidden(const struct sim_target *t, const char *verb, struct sim_answer *a);

// Answers a list of `target`.
void sim_list_answer(struct sim_cluster *c, const struct sim_target *target,
                     const struct sim_request *r, struct sim_answer *a);
