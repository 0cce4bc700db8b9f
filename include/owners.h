// Which tracer-node has which trace session, as the nodes' answers have shown it. Pure.
//
// A hint and no more: a session may have ended, and its node may have left the database. Who asks a node
// because of it has to check the answer, and to ask all others where it does not fit.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

// Two sessions for each of 4,000 nodes; all together take less than 2 MB. Those that were of no use for
// the longest time go first.
constexpr size_t OWNERS_MAX = 8192;

struct owners;

[[nodiscard]] struct owners *owners_new();
void owners_free(struct owners *o);

// The node with this key, which is not empty, has shown that it has the session. A session that was seen
// at two nodes has no owner from then on: all have to be asked.
void owners_learn(struct owners *o, uint64_t session, std::string_view node_key);

// The key of the session's node; empty where it is not known, or not one alone.
[[nodiscard]] std::string owners_find(struct owners *o, uint64_t session);

void owners_forget(struct owners *o, uint64_t session);
