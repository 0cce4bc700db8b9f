// What discovery tells people: changes once, complaints once, failures not more often than helps.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct kube_joined;
struct nodes;
struct node_record;
struct reflector_error;

// What was logged, so that it is not again. Plain data; begins as {}.
struct discovery_log {
    struct complaint {
        unsigned checks; // in a row that had reason for it
    } rejected, without_port, namespaces;
    bool failing;              // a failure was logged, and its end was not
    int failure;               // the kind that the log knows of
    int64_t failure_logged_ms; // monotonic
    std::string problem;       // of the credentials
};

// The table is about to become `records`.
void discovery_log_changes(const struct nodes *db, const std::vector<struct node_record> &records);

// What is odd about the last join. To be called on the poll timer: a complaint is due when its reason was
// there twice, since two resources do not change at the same time.
void discovery_log_complaints(struct discovery_log *log, const struct kube_joined *joined);

// A list or a watch has failed. `known`: how many tracer-nodes stay in use; `synced`: it worked before.
void discovery_log_failure(struct discovery_log *log, const struct reflector_error *error,
                           bool synced, size_t known);

// All works, perhaps again.
void discovery_log_success(struct discovery_log *log);

// Why a token or CA file could not be read again; empty: all are well.
void discovery_log_problem(struct discovery_log *log, const std::string &problem);
