// Merges JSON objects into one by splicing: the members' bytes are referenced, never copied. Pure.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "json_members.h"

struct blob;
struct rope;

// One object to merge; everything is borrowed.
struct merge_source {
    struct blob *body;
    const std::vector<struct json_member> *members;
    const std::string *name; // of the node that sent it
};

// Adds the object that has the members of all sources, in their order, to `out`. A key that several
// sources have keeps its first value under its own name and every other value as "<key>@<name>";
// identical values are one. Duplicates within a source stay as they are. Returns how many members got
// another name. Linear in the members.
size_t merge_objects(struct rope *out, const std::vector<struct merge_source> &sources);
