// The simulated cluster as data: tracer-nodes, their pods, the slices that list them. The only
// place that changes any of it: every change gets its resource version here.
#pragma once
#include <netinet/in.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim_event.h"
#include "sim_object.h"

struct event_base;
struct sim_authority;
struct sim_node;

constexpr size_t SLICE_MAX = 100;      // endpoints of a slice
constexpr size_t ENDPOINTS_MAX = 1000; // addresses of an Endpoints object

#define SIM_SERVICE "container-tracer-node"
#define SIM_APP     "container-tracer-backend"

// A pod that holds a tracer-node.
struct sim_pod {
    std::string name_space, name, uid, kube_node, ip, phase, app;
    uint16_t port;
    bool ready, terminating, serving;
    bool https;    // what its tracer-node speaks, and its slice says
    size_t number; // in the order they came: endpoints are listed by it
    uint64_t version;
    std::string slice;         // the key of the slice that lists it; empty: none
    bool published;            // watches know of it,
    std::string published_app; // with this label
    struct sim_node *node;
};

typedef std::map<size_t, const struct sim_pod *> sim_pods_by_number;

// The Endpoints object of one namespace.
struct sim_endpoints {
    uint64_t version;
    sim_pods_by_number ready, other;
};

// An EndpointSlice of the service, or one that somebody wrote by hand.
struct sim_slice {
    std::string name_space, name, uid, service;
    uint64_t version, generation;
    std::vector<std::string> pods; // keys
    bool https;                    // all of them
    std::string manual_address;    // of one that names no pod
    uint16_t manual_port;
};

struct sim_cluster_options {
    struct event_base *base;
    std::string prefix, name_space;
    struct in_addr first_address;
    size_t pods_per_node, pods_size;
    std::string
        node_ca_file; // where the nodes' certification authority is written; empty: no node has one
};

struct sim_cluster {
    struct sim_cluster_options options;
    struct sim_authority *authority; // of the nodes that speak https; null: none does
    uint16_t port;                   // of all tracer-nodes
    size_t next_address;             // offset of the next node's address
    size_t next_number;              // of the next pod
    uint64_t next_slice;
    uint64_t version;   // resource version
    uint64_t compacted; // every older version is expired
    uint64_t next_uid;
    time_t born;
    std::vector<std::string> order;                        // node names as they were added
    std::map<std::string, struct sim_pod> pods;            // "namespace/name" -> pod
    std::map<std::string, std::string> nodes;              // node name -> key of its pod
    std::map<std::string, struct sim_slice> slices;        // "namespace/name" -> slice
    std::map<std::string, struct sim_endpoints> endpoints; // by namespace
    std::map<std::string, std::string> uids; // "kind/namespace/name" of the objects above
    struct sim_log logs[RESOURCES];
    sim_event_fn on_event; // may be null
    void *arg;
};

[[nodiscard]] struct sim_cluster *sim_cluster_new(const struct sim_cluster_options *options);
void sim_cluster_free(struct sim_cluster *c);

// Starts `count` nodes that all listen on one port. False, with errno.
[[nodiscard]] bool sim_cluster_start(struct sim_cluster *c, size_t count);

struct sim_pod_options {
    std::string name;                       // of the tracer-node in this simulator
    std::string kube_node, pod, name_space; // empty: made of the name
    std::string app, phase;                 // empty: as usual
    bool ready;
    bool has_pods;
    bool https;                    // only where there is an authority
    std::vector<std::string> pods; // what the tracer-node traces, where has_pods
};

// Adds one node with its pod. Null, with errno: EEXIST where there is such a node or pod.
struct sim_pod *sim_cluster_add(struct sim_cluster *c, const struct sim_pod_options *options);

// Borrowed, or null.
[[nodiscard]] struct sim_pod *sim_cluster_find(struct sim_cluster *c, const std::string &node);

// Deletes the node's pod, as a real cluster does in two steps, and ends the node and all connections
// to it.
void sim_cluster_remove(struct sim_cluster *c, const std::string &node);

// To be called after any change of a pod's fields: versions rise as in a real cluster.
void sim_cluster_changed(struct sim_cluster *c, struct sim_pod *pod);

// Gives the node's pod another address. False, with errno.
[[nodiscard]] bool sim_cluster_readdress(struct sim_cluster *c, struct sim_pod *pod);

// Another authority, and a certificate of it for each node that speaks https, from the next connection
// on. `write`: also into the file. False, with errno: EINVAL where there was no authority.
[[nodiscard]] bool sim_cluster_rotate(struct sim_cluster *c, bool write);

// Writes the certificate of the authority of now. False, with errno.
[[nodiscard]] bool sim_cluster_write_ca(const struct sim_cluster *c);

// Adds, or replaces, a slice with one endpoint that names no pod; removes any slice.
void sim_cluster_add_slice(struct sim_cluster *c, const struct sim_slice *slice);
[[nodiscard]] bool sim_cluster_remove_slice(struct sim_cluster *c, const std::string &key);

// The uid of an object, always the same for the same key.
[[nodiscard]] const std::string &sim_cluster_uid(struct sim_cluster *c, const std::string &key);
