// Checks JSON strictly as it arrives and notes where the members of its object are, without a tree.
//
// What a tracer-node sends is one JSON document, or two back to back (an error text, then data). The
// scanner is fed the bytes in pieces of any size, takes linear time and constant memory beyond the
// list of members, and never changes a byte: a reply is put together from the offsets it noted.
// RFC 8259: grammar, UTF-8, escapes. A lone surrogate escape is valid, as the grammar has it.
// Nesting is limited to JSON_MAX_DEPTH, as in Go's encoding/json, which the nodes are made of.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

constexpr size_t JSON_MAX_DEPTH = 10000;
constexpr size_t JSON_MAX_SIZE = UINT32_MAX; // offsets are 32 bits wide

enum json_kind { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_LITERAL };

// One document; offsets count from the first byte fed.
struct json_document {
    enum json_kind kind;
    uint32_t offset;
    uint32_t size;
};

// One member of a document that is an object: `key` with its quotes, `value` without white space.
struct json_member {
    uint32_t key, key_size;
    uint32_t value, value_size;
};

constexpr size_t JSON_MAX_DOCUMENTS = 2;

struct json_members;

[[nodiscard]] struct json_members *json_members_new();
void json_members_free(struct json_members *m);

// The next bytes. False: they are not JSON, and nothing more needs to be fed.
[[nodiscard]] bool json_members_feed(struct json_members *m, const char *data, size_t size);

// All bytes were fed. True: one or two whole documents, of which at most one is an object.
[[nodiscard]] bool json_members_end(struct json_members *m);

// After json_members_end was true: what was found. Borrowed from `m`. The members are those of the
// document that is an object, in the order sent, duplicates included; empty where none is.
[[nodiscard]] size_t json_members_documents(const struct json_members *m);
[[nodiscard]] const struct json_document *json_members_document(const struct json_members *m,
                                                                size_t i);
[[nodiscard]] std::span<const struct json_member> json_members_list(const struct json_members *m);

// Bytes that the list of members takes now.
[[nodiscard]] size_t json_members_memory(const struct json_members *m);
