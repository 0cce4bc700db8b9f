// Faults of tracer-nodes: which request they hit, and how they spoil the reply.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct sim_answer;
struct sim_conn;
struct sim_request;

enum sim_fault_kind {
    FAULT_NONE,
    FAULT_REFUSE,
    FAULT_SWALLOW,
    FAULT_HANG,
    FAULT_HEAD_HANG,
    FAULT_DRIP,
    FAULT_SLOW,
    FAULT_RESET,
    FAULT_EARLY_CLOSE,
    FAULT_SHORT_LENGTH,
    FAULT_GARBAGE,
    FAULT_BAD_JSON,
    FAULT_TRUNCATED_JSON,
    FAULT_NON_OBJECT,
    FAULT_DOUBLED,
    FAULT_BAD_UTF8,
    FAULT_BIG,
    FAULT_ENDLESS,
    FAULT_REDIRECT,
    FAULT_HTTP10,
    FAULT_CONTINUE,
    FAULT_CLOSE_IDLE,
    FAULT_CLOSE_AFTER,
    FAULT_STATUS_500,
    FAULT_ERROR_DATA,
    FAULT_STATUS_404,
    FAULT_STATUS_503,
    FAULT_STATUS,
    FAULT_GZIP_LIE,
};

constexpr uint64_t FAULT_FOR_EVER = UINT64_MAX;

struct sim_fault {
    enum sim_fault_kind kind;
    std::string method, path; // empty: any; path: what the path begins with
    uint64_t count;           // requests it still hits
    uint64_t after_ms;        // 0: the kind's default
    uint64_t bytes;           // 0: the kind's default
    int status;               // of FAULT_STATUS
    std::string location;     // of a redirect: host:port
};

// False where `name` is no kind.
[[nodiscard]] bool sim_fault_kind_of(std::string_view name, enum sim_fault_kind *kind);

// The names of all kinds, separated by blanks.
[[nodiscard]] std::string sim_fault_names();

// The first fault of the list that hits `r`, or null. Counts it.
[[nodiscard]] struct sim_fault *sim_fault_find(std::vector<struct sim_fault> *faults,
                                               const struct sim_request *r);

// True if the node acts on the request and only the reply is spoilt.
[[nodiscard]] bool sim_fault_needs_answer(enum sim_fault_kind kind);

// Sends what the fault makes of `a`. Last use of `c`.
void sim_fault_play(struct sim_conn *c, const struct sim_fault *f, struct sim_answer *a);
