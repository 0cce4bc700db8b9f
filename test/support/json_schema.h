// Checks JSON against the part of JSON Schema (2020-12) that src/openapi.json uses. Another keyword fails.
//
// It is stricter in one point: an object that has `properties` has no other members unless
// `additionalProperties` allows them, for what is not described is what tests look for.
#pragma once
#include <set>
#include <string>

struct cJSON;

// "" where `value` is as `schema` says; else where it is not, and why. A $ref begins at `root`. The schemas
// of members that are there are added to `seen`.
[[nodiscard]] std::string schema_check(const struct cJSON *root, const struct cJSON *schema,
                                       const struct cJSON *value,
                                       std::set<const struct cJSON *> *seen);

// What "#/a/b" names, or null.
[[nodiscard]] const struct cJSON *schema_find(const struct cJSON *root, const char *pointer);
// The same for the $ref that `at` has; `at` itself where it has none.
[[nodiscard]] const struct cJSON *schema_resolve(const struct cJSON *root, const struct cJSON *at);
