// The REST API of a simulated tracer-node as a function: request in, answer out.
#pragma once

struct sim_answer;
struct sim_node;
struct sim_request;

// Acts on the request and fills `a`.
void sim_node_answer(struct sim_node *node, const struct sim_request *r, struct sim_answer *a);
