// Kubernetes objects as JSON text.
#include "sim_object.h"

#include <algorithm>

#include "sim_cluster.h"
#include "sim_text.h"

static const struct sim_resource_info infos[] = {
    {RESOURCE_PODS, "", "v1", "pods", "Pod"},
    {RESOURCE_SLICES, "discovery.k8s.io", "discovery.k8s.io/v1", "endpointslices", "EndpointSlice"},
    {RESOURCE_ENDPOINTS, "", "v1", "endpoints", "Endpoints"},
};

const struct sim_resource_info *sim_resource_find(enum sim_resource resource)
{
    return &infos[resource];
}

static struct sim_object object_of(enum sim_resource resource, const std::string &name_space,
                                   const std::string &name, uint64_t version)
{
    struct sim_object object = {};
    object.resource = resource;
    object.key = name_space + '/' + name;
    object.name_space = name_space;
    object.name = name;
    object.version = version;
    return object;
}

struct sim_object sim_object_of_pod(const struct sim_pod *pod)
{
    struct sim_object object = object_of(RESOURCE_PODS, pod->name_space, pod->name, pod->version);
    object.uid = pod->uid;
    object.generation = 1;
    object.labels = {{"app", pod->app}};
    object.pod = pod;
    return object;
}

struct sim_object sim_object_of_slice(const struct sim_slice *slice)
{
    struct sim_object object =
        object_of(RESOURCE_SLICES, slice->name_space, slice->name, slice->version);
    object.uid = slice->uid;
    object.generation = slice->generation;
    object.labels = {{"kubernetes.io/service-name", slice->service},
                     {"service.kubernetes.io/headless", ""}};
    if (slice->manual_address.empty())
        object.labels.push_back(
            {"endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"});
    object.slice = slice;
    return object;
}

struct sim_object sim_object_of_endpoints(struct sim_cluster *c, const std::string &name_space)
{
    struct sim_object object = object_of(RESOURCE_ENDPOINTS, name_space, SIM_SERVICE,
                                         c->endpoints.find(name_space)->second.version);
    object.uid = sim_cluster_uid(c, "endpoints/" + name_space);
    object.labels = {{"endpoints.kubernetes.io/managed-by", "endpoint-controller"},
                     {"service.kubernetes.io/headless", ""}};
    return object;
}

std::vector<struct sim_object> sim_objects(struct sim_cluster *c, enum sim_resource resource)
{
    std::vector<struct sim_object> objects;
    switch (resource) {
    case RESOURCE_PODS:
        for (const auto &[key, pod] : c->pods)
            objects.push_back(sim_object_of_pod(&pod));
        break;
    case RESOURCE_SLICES:
        for (const auto &[key, slice] : c->slices)
            objects.push_back(sim_object_of_slice(&slice));
        break;
    case RESOURCE_ENDPOINTS:
        for (const auto &[name_space, endpoints] : c->endpoints)
            objects.push_back(sim_object_of_endpoints(c, name_space));
        break;
    }
    return objects;
}

// `"metadata":{` up to the creation time.
static void append_metadata(std::string *out, const struct sim_cluster *c,
                            const struct sim_object *object)
{
    *out += "\"metadata\":{\"name\":";
    text_append_json(out, object->name);
    if (object->resource == RESOURCE_SLICES)
        *out += ",\"generateName\":\"" SIM_SERVICE "-\"";
    *out += ",\"namespace\":";
    text_append_json(out, object->name_space);
    text_append(out, ",\"uid\":\"%s\",\"resourceVersion\":\"%llu\"", object->uid.c_str(),
                static_cast<unsigned long long>(object->version));
    if (object->generation > 0)
        text_append(out, ",\"generation\":%llu",
                    static_cast<unsigned long long>(object->generation));
    *out += ",\"creationTimestamp\":\"" + text_iso_date(c->born) + '"';
}

static void append_labels(std::string *out, const std::vector<struct sim_label> &labels)
{
    *out += ",\"labels\":{";
    for (size_t i = 0; i < labels.size(); i++) {
        if (i > 0)
            *out += ',';
        text_append_json(out, labels[i].key);
        *out += ':';
        text_append_json(out, labels[i].value);
    }
    *out += '}';
}

static void append_managed_fields(std::string *out, const struct sim_cluster *c,
                                  const char *version, const char *fields)
{
    text_append(
        out,
        ",\"managedFields\":[{\"manager\":\"kube-controller-manager\",\"operation\":\"Update\","
        "\"apiVersion\":\"%s\",\"time\":\"%s\",\"fieldsType\":\"FieldsV1\","
        "\"fieldsV1\":%s}]",
        version, text_iso_date(c->born).c_str(), fields);
}

static const char HTTPS_PORT[] = ",\"appProtocol\":\"https\"";

static const char POD_FIELDS[] =
    "{\"f:metadata\":{\"f:labels\":{\".\":{},\"f:app\":{}}},\"f:spec\":{"
    "\"f:automountServiceAccountToken\":{},\"f:containers\":{\"k:{\\\"name\\\":\\\"c\\\"}\":{"
    "\".\":{},\"f:image\":{},\"f:imagePullPolicy\":{},\"f:name\":{},\"f:ports\":{\".\":{}},"
    "\"f:resources\":{},\"f:terminationMessagePath\":{},\"f:terminationMessagePolicy\":{}}},"
    "\"f:dnsPolicy\":{},\"f:enableServiceLinks\":{},\"f:nodeName\":{},\"f:restartPolicy\":{},"
    "\"f:schedulerName\":{},\"f:securityContext\":{},\"f:terminationGracePeriodSeconds\":{}},"
    "\"f:status\":{\"f:conditions\":{\".\":{},\"k:{\\\"type\\\":\\\"Ready\\\"}\":{\".\":{},"
    "\"f:lastProbeTime\":{},\"f:lastTransitionTime\":{},\"f:status\":{},\"f:type\":{}}},"
    "\"f:containerStatuses\":{},\"f:hostIP\":{},\"f:phase\":{},\"f:podIP\":{},\"f:podIPs\":{}}}";

static void append_pod_spec(std::string *out, const struct sim_pod *pod)
{
    text_append(out,
                ",\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"x\",\"ports\":[{"
                "\"containerPort\":%u,\"protocol\":\"TCP\"}],\"resources\":{},"
                "\"terminationMessagePath\":\"/dev/termination-log\","
                "\"terminationMessagePolicy\":\"File\",\"imagePullPolicy\":\"Always\"}],"
                "\"restartPolicy\":\"Always\",\"terminationGracePeriodSeconds\":30,"
                "\"dnsPolicy\":\"ClusterFirst\",\"automountServiceAccountToken\":false,"
                "\"nodeName\":",
                pod->port);
    text_append_json(out, pod->kube_node);
    *out += ",\"securityContext\":{},\"schedulerName\":\"default-scheduler\",\"tolerations\":[{"
            "\"key\":\"node.kubernetes.io/not-ready\",\"operator\":\"Exists\",\"effect\":"
            "\"NoExecute\",\"tolerationSeconds\":300}],\"priority\":0,\"enableServiceLinks\":true,"
            "\"preemptionPolicy\":\"PreemptLowerPriority\"}";
}

static void append_condition(std::string *out, const char *type, bool value)
{
    text_append(out,
                "{\"type\":\"%s\",\"status\":\"%s\",\"lastProbeTime\":null,"
                "\"lastTransitionTime\":null}",
                type, value ? "True" : "False");
}

static void append_pod_status(std::string *out, const struct sim_pod *pod)
{
    const char *const ip = pod->ip.c_str();
    const char *const ready = pod->ready ? "true" : "false";
    *out += ",\"status\":{\"phase\":";
    text_append_json(out, pod->phase);
    *out += ",\"conditions\":[";
    append_condition(out, "Ready", pod->ready);
    *out += ',';
    append_condition(out, "ContainersReady", pod->ready);
    *out += ',';
    append_condition(out, "PodScheduled", true);
    *out += ',';
    append_condition(out, "Initialized", true);
    text_append(out,
                "],\"hostIP\":\"10.64.200.1\",\"podIP\":\"%s\",\"podIPs\":[{\"ip\":\"%s\"}],"
                "\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"running\":{\"startedAt\":"
                "\"2026-01-01T00:00:00Z\"}},\"lastState\":{},\"ready\":%s,\"restartCount\":0,"
                "\"image\":\"x\",\"imageID\":\"x\"}],\"qosClass\":\"BestEffort\"}",
                ip, ip, ready);
}

static void append_pod_metadata(std::string *out, const struct sim_cluster *c,
                                const struct sim_object *object)
{
    const struct sim_pod *pod = object->pod;
    append_metadata(out, c, object);
    if (pod->terminating)
        *out += ",\"deletionTimestamp\":\"" + text_iso_date(c->born + 30) +
                "\",\"deletionGracePeriodSeconds\":30";
    append_labels(out, object->labels);
    append_managed_fields(out, c, "v1", POD_FIELDS);
    *out += '}';
}

// `"targetRef":{..}` of a pod.
static void append_reference(std::string *out, const struct sim_pod *pod)
{
    *out += "\"targetRef\":{\"kind\":\"Pod\",\"namespace\":";
    text_append_json(out, pod->name_space);
    *out += ",\"name\":";
    text_append_json(out, pod->name);
    *out += ",\"uid\":\"" + pod->uid + "\"}";
}

static void append_endpoint(std::string *out, const struct sim_pod *pod)
{
    text_append(out,
                "{\"addresses\":[\"%s\"],\"conditions\":{\"ready\":%s,\"serving\":%s,"
                "\"terminating\":%s},",
                pod->ip.c_str(), pod->ready && !pod->terminating ? "true" : "false",
                pod->serving ? "true" : "false", pod->terminating ? "true" : "false");
    append_reference(out, pod);
    *out += ",\"nodeName\":";
    text_append_json(out, pod->kube_node);
    *out += '}';
}

static uint16_t append_endpoints(std::string *out, const struct sim_cluster *c,
                                 const struct sim_slice *slice)
{
    uint16_t port = slice->manual_port;
    if (!slice->manual_address.empty())
        *out +=
            "{\"addresses\":[\"" + slice->manual_address + "\"],\"conditions\":{\"ready\":true}}";
    for (size_t i = 0; i < slice->pods.size(); i++) {
        const struct sim_pod *pod = &c->pods.find(slice->pods[i])->second;
        if (i > 0)
            *out += ',';
        append_endpoint(out, pod);
        port = pod->port;
    }
    return port;
}

static void append_slice_metadata(std::string *out, struct sim_cluster *c,
                                  const struct sim_object *object)
{
    const struct sim_slice *slice = object->slice;
    append_metadata(out, c, object);
    append_labels(out, object->labels);
    text_append(out,
                ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"name\":"
                "\"%s\",\"uid\":\"%s\",\"controller\":true,\"blockOwnerDeletion\":true}]",
                slice->service.c_str(), sim_cluster_uid(c, "service/" + slice->name_space).c_str());
    append_managed_fields(out, c, "discovery.k8s.io/v1",
                          "{\"f:addressType\":{},\"f:endpoints\":{},\"f:ports\":{}}");
    *out += '}';
}

static void append_slice_endpoints(std::string *out, const struct sim_cluster *c,
                                   const struct sim_slice *slice)
{
    std::string endpoints;
    const uint16_t port = append_endpoints(&endpoints, c, slice);
    *out += ",\"addressType\":\"IPv4\",\"endpoints\":";
    if (endpoints.empty()) // a slice that lists nothing says so with null
        *out += "null,\"ports\":null";
    else
        text_append(out, "[%s],\"ports\":[{\"name\":\"\",\"protocol\":\"TCP\",\"port\":%u%s}]",
                    endpoints.c_str(), port, slice->https ? HTTPS_PORT : "");
}

// The first `most` of `pods`.
static void append_addresses(std::string *out, const char *member, const sim_pods_by_number &pods,
                             size_t most)
{
    size_t count = 0;
    for (const auto &[number, pod] : pods) {
        if (count == most)
            break;
        text_append(out, "%s{\"ip\":\"%s\",\"nodeName\":",
                    count++ > 0 ? "," : ("\"" + std::string(member) + "\":[").c_str(),
                    pod->ip.c_str());
        text_append_json(out, pod->kube_node);
        *out += ',';
        append_reference(out, pod);
        *out += '}';
    }
    if (count > 0)
        *out += "],";
}

// An Endpoints object holds 1,000 addresses at most: ready ones are kept first, the rest is cut.
static void append_endpoints_metadata(std::string *out, const struct sim_cluster *c,
                                      const struct sim_object *object)
{
    const struct sim_endpoints *e = &c->endpoints.find(object->name_space)->second;
    append_metadata(out, c, object);
    append_labels(out, object->labels);
    if (e->ready.size() + e->other.size() > ENDPOINTS_MAX)
        *out += ",\"annotations\":{\"endpoints.kubernetes.io/over-capacity\":\"truncated\"}";
    append_managed_fields(out, c, "v1", "{\"f:subsets\":{}}");
    *out += '}';
}

static sim_pods_by_number speaking(const sim_pods_by_number &pods, bool https)
{
    sim_pods_by_number some;
    for (const auto &[number, pod] : pods)
        if (pod->https == https)
            some[number] = pod;
    return some;
}

// The addresses that have one port, which is of one protocol.
static void append_subset(std::string *out, const struct sim_cluster *c,
                          const struct sim_endpoints *e, bool https)
{
    const sim_pods_by_number good = speaking(e->ready, https), other = speaking(e->other, https);
    const size_t ready = std::min(good.size(), ENDPOINTS_MAX);
    if (good.empty() && other.empty())
        return;
    *out += out->back() == '[' ? "{" : ",{";
    append_addresses(out, "addresses", good, ready);
    append_addresses(out, "notReadyAddresses", other, ENDPOINTS_MAX - ready);
    text_append(out, "\"ports\":[{\"port\":%u,\"protocol\":\"TCP\"%s}]}", c->port,
                https ? HTTPS_PORT : "");
}

static void append_subsets(std::string *out, const struct sim_cluster *c,
                           const struct sim_object *object)
{
    const struct sim_endpoints *e = &c->endpoints.find(object->name_space)->second;
    if (e->ready.empty() && e->other.empty())
        return;
    *out += ",\"subsets\":[";
    append_subset(out, c, e, false);
    append_subset(out, c, e, true);
    *out += ']';
}

static void append_object_metadata(std::string *out, struct sim_cluster *c,
                                   const struct sim_object *object)
{
    switch (object->resource) {
    case RESOURCE_PODS: append_pod_metadata(out, c, object); break;
    case RESOURCE_SLICES: append_slice_metadata(out, c, object); break;
    case RESOURCE_ENDPOINTS: append_endpoints_metadata(out, c, object); break;
    }
}

size_t sim_object_append_members(std::string *out, struct sim_cluster *c,
                                 const struct sim_object *object)
{
    append_object_metadata(out, c, object);
    const size_t metadata_size = out->size();
    switch (object->resource) {
    case RESOURCE_PODS:
        append_pod_spec(out, object->pod);
        append_pod_status(out, object->pod);
        break;
    case RESOURCE_SLICES: append_slice_endpoints(out, c, object->slice); break;
    case RESOURCE_ENDPOINTS: append_subsets(out, c, object); break;
    }
    return metadata_size;
}

void sim_object_append(std::string *out, struct sim_cluster *c, const struct sim_object *object,
                       bool metadata_only)
{
    *out += '{';
    if (metadata_only) {
        *out += "\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",";
        append_object_metadata(out, c, object);
    } else {
        sim_object_append_members(out, c, object);
    }
    *out += '}';
}
