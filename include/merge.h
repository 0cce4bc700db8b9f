// Merges JSON objects into one by splicing: the members' bytes are referenced, never copied. Pure.
//
// It goes on in steps, as there may be millions of members.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "json_members.h"

struct blob;
struct merge;
struct rope;

// One object to merge; everything is borrowed.
struct merge_source {
    struct blob *body;
    std::span<const struct json_member> members;
    std::string_view name; // of the node that sent it
};

// Begins to add the object that has the members of all sources, in their order, to `out`. A key that
// several sources have keeps its first value under its own name and every other value as "<key>@<name>";
// identical values are one. Duplicates within a source stay as they are. Linear in the members.
// Borrows both until merge_free.
[[nodiscard]] struct merge *merge_new(struct rope *out,
                                      const std::vector<struct merge_source> *sources);

// Goes on with at most so many members. True: the object is whole.
[[nodiscard]] bool merge_step(struct merge *m, size_t most);

// How many members got another name.
[[nodiscard]] size_t merge_renamed(const struct merge *m);

void merge_free(struct merge *m);
