// Faults of the API server: which request they hit, and what it is answered with.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "sim_stream.h"

struct sim_answer;
struct sim_request;

struct sim_kube_fault {
    std::string kind; // hang, garbage, null-items, status, stream
    int status;
    std::string path; // as text_has_part; empty: any
    uint64_t count;   // requests it still hits
    unsigned retry_after;
    bool later_pages; // only requests that continue a list
    bool only_lists, only_watches;
    struct sim_stream_fault stream; // of that kind
};

// The first fault of the list that hits `r`, or null. Counts it.
[[nodiscard]] struct sim_kube_fault *sim_kube_fault_find(std::vector<struct sim_kube_fault> *faults,
                                                         const struct sim_request *r);

// Turns `a` into what the kind `status` answers.
void sim_kube_fault_answer(const struct sim_kube_fault *f, const struct sim_request *r,
                           struct sim_answer *a);
