// Node replies for tests, made as they come from the network: fed, then answered.
#pragma once
#include <string>
#include <vector>

#include "aggregate.h"
#include "http_response.h"

// A node that answered.
struct node_reply reply_answer(const char *name, const struct request_kind *kind, int status,
                               const std::string &body);

// A node that did not.
struct node_reply reply_failure(const char *name, const struct request_kind *kind,
                                enum reason reason, enum effect effect, int64_t ms);

// The value of a header, "" where absent.
std::string header_of(const struct http_response *response, const char *name);

void replies_free(std::vector<struct node_reply> *replies);

// Makes the reply, so many nodes or members in a step.
void aggregate_in_steps_of(size_t most, const std::vector<struct node_reply> &replies,
                           const struct aggregate_options *options, struct http_response *out);
