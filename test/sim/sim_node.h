// One simulated tracer-node: its containers, trace-hooks, sessions and faults, and the REST API
// that plays the real one byte for byte, its oddities included.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim_fault.h"
#include "sim_server.h"
#include "sim_session.h"
#include "sim_stats.h"

struct sim_container {
    std::string pod, name, id;
    unsigned parent;
    std::vector<unsigned> tasks;
};

struct sim_node {
    std::string name; // of its Kubernetes node, as its sessions tell it
    struct sim_server *server;
    struct ssl_ctx_st *tls; // null: plain HTTP
    std::string token;      // what it wants of `Authorization: Bearer`; empty: nothing
    std::vector<struct sim_container> containers; // sorted by pod
    std::vector<std::string> hooks;               // sorted
    // by the text of their id, as Go sorts the keys of the map it sends
    std::map<std::string, struct sim_session> sessions;
    std::vector<struct sim_fault> faults;
    struct sim_stats stats;
    std::string pods_body;
    std::string pods_reply; // the whole reply to GET /v1/pods; empty: to be made
    size_t pods_date;       // where the date is in it
};

struct sim_node_options {
    std::string name;
    std::vector<std::string> pods; // one container each
    size_t index;                  // of the node, for process ids
    size_t pods_size;              // about, of the body of GET /v1/pods; 0: as it comes
    struct event_base *base;
    struct in_addr address;
    uint16_t port;
    struct ssl_ctx_st *tls; // null: plain HTTP. Taken, also where there comes no node of it.
};

// Null, with errno, where the address cannot be had.
[[nodiscard]] struct sim_node *sim_node_new(const struct sim_node_options *options);
void sim_node_free(struct sim_node *node);

// Listens on another address from now on; connections to the old one are reset. False, with errno,
// where that cannot be had; the node then stays where it is.
[[nodiscard]] bool sim_node_move(struct sim_node *node, struct in_addr address);

// Shows this certificate from the next connection on. Takes `tls`.
void sim_node_set_tls(struct sim_node *node, struct ssl_ctx_st *tls);

// Gives the node other pods, or none.
void sim_node_set_pods(struct sim_node *node, const std::vector<std::string> &pods, size_t index,
                       size_t pods_size);

// Adds a fault, and makes the listener refuse or swallow where the fault says so.
[[nodiscard]] bool sim_node_add_fault(struct sim_node *node, const struct sim_fault *fault);

// False, with errno, where the listener could not come back.
[[nodiscard]] bool sim_node_heal(struct sim_node *node);
