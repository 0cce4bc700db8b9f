// GET /v1/tracer-nodes: the database and where discovery stands, as JSON. Pure.
#pragma once
#include <cstdint>
#include <string>

struct discovery_status;
struct nodes;

// `now_ms` is the wall clock, `hold_up_ms` the longest that the loop was held up.
[[nodiscard]] std::string status_document(const struct nodes *db,
                                          const struct discovery_status *discovery, int64_t now_ms,
                                          int64_t hold_up_ms);
