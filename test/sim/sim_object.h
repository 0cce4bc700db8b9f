// Kubernetes objects as JSON text, in the shape a real API server sends.
#pragma once
#include <string>

#include "sim_selector.h"

struct sim_cluster;
struct sim_pod;
struct sim_slice;

enum sim_resource { RESOURCE_PODS, RESOURCE_SLICES, RESOURCE_ENDPOINTS };
constexpr size_t RESOURCES = 3;

struct sim_resource_info {
    enum sim_resource resource;
    const char *group;   // empty: the core group
    const char *version; // of the API, with its group
    const char *name;    // in paths
    const char *kind;    // of one object
};
[[nodiscard]] const struct sim_resource_info *sim_resource_find(enum sim_resource resource);

// One object of a list, named by its key "namespace/name".
struct sim_object {
    enum sim_resource resource;
    std::string key, name_space, name, uid;
    uint64_t version;
    uint64_t generation; // 0: its kind has none
    std::vector<struct sim_label> labels;
    const struct sim_pod *pod;     // or
    const struct sim_slice *slice; // or neither: Endpoints
};

// One of them. It borrows from the cluster until it changes.
[[nodiscard]] struct sim_object sim_object_of_pod(const struct sim_pod *pod);
[[nodiscard]] struct sim_object sim_object_of_slice(const struct sim_slice *slice);
[[nodiscard]] struct sim_object sim_object_of_endpoints(struct sim_cluster *c,
                                                        const std::string &name_space);

// All objects of a resource, sorted by key. They borrow from the cluster until it changes.
[[nodiscard]] std::vector<struct sim_object> sim_objects(struct sim_cluster *c,
                                                         enum sim_resource resource);

// Appends the members of an object, without the braces: `"metadata":{..}`, then all others. Returns
// the size of *out where the metadata ended.
size_t sim_object_append_members(std::string *out, struct sim_cluster *c,
                                 const struct sim_object *object);

// Appends one item of a list. `metadata_only`: a PartialObjectMetadata.
void sim_object_append(std::string *out, struct sim_cluster *c, const struct sim_object *object,
                       bool metadata_only);
