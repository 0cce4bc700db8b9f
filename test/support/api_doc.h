// The description of the API, and which parts of it a daemon's replies have shown.
#pragma once
#include <string>
#include <vector>

struct api_doc;
struct reply;

struct api_operation {
    std::string method; // "GET"
    std::string path;   // as described: "/v1/trace-session/{id}"
    bool asks_nodes;    // has the query parameters of those that do
};

// Of the text of an OpenAPI document; fails the test where that is none.
[[nodiscard]] struct api_doc *api_doc_new(const std::string &text);
void api_doc_free(struct api_doc *d);

[[nodiscard]] std::vector<struct api_operation> api_doc_operations(const struct api_doc *d);
// Whether a status of an operation is described as itself, not as one of 4XX or 5XX.
[[nodiscard]] bool api_doc_has(const struct api_doc *d, const struct api_operation *op,
                               const char *status);

// Fails the test unless all of a reply is described: its status, each of its header fields, its content
// type and its body. What is no operation is looked up in x-other-requests.
void api_doc_check(struct api_doc *d, const std::string &method, const std::string &target,
                   const struct reply &r);

// What is described and no reply has shown, one a line: statuses of operations, header fields of
// responses, members of bodies.
[[nodiscard]] std::string api_doc_unseen(const struct api_doc *d);

// Fails the test unless each example is as its schema says.
void api_doc_check_examples(const struct api_doc *d);
