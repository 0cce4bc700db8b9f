// Kubernetes objects as data. Pure: cJSON in, plain structs out.
//
// cJSON's own getters ignore case, so that "Name" would be taken for "name": only the CaseSensitive
// ones are used.
#include "kube.h"

#include <arpa/inet.h>
#include <cstring>

#include <cJSON.h>

static constexpr size_t ENDPOINTS_MAX = 1000; // addresses an Endpoints object may hold

// A parsed document that frees itself.
struct document {
    cJSON *root;
    explicit document(const char *data, size_t size);
    ~document()
    {
        cJSON_Delete(root);
    }
    document(const document &) = delete;
    document &operator=(const document &) = delete;
};

// cJSON 1.7.15 reads a byte beyond a document that ends after a comma, unless a NUL is part of it; and
// it finds bytes behind the document only where it may look for that NUL.
document::document(const char *data, size_t size)
{
    const std::string text(data, size);
    root = cJSON_ParseWithLengthOpts(text.c_str(), text.size() + 1, nullptr, true);
}

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *value = member(object, name);
    return cJSON_IsString(value) ? value->valuestring : "";
}

static bool boolean_of(const cJSON *object, const char *name, bool otherwise)
{
    const cJSON *value = member(object, name);
    return cJSON_IsBool(value) ? cJSON_IsTrue(value) : otherwise;
}

// The first of an array's items, or null where it is no array.
static const cJSON *items_of(const cJSON *object, const char *name)
{
    const cJSON *value = member(object, name);
    return cJSON_IsArray(value) ? value->child : nullptr;
}

// An integer from `low` to `high`, or `otherwise`.
static int integer_of(const cJSON *object, const char *name, int low, int high, int otherwise)
{
    const cJSON *value = member(object, name);
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= low && value->valuedouble <= high))
        return otherwise;
    const int integer = static_cast<int>(value->valuedouble);
    return static_cast<double>(integer) < value->valuedouble ? otherwise : integer;
}

// The text where it is an IP address; it becomes part of a URL.
static std::string address_of(const char *text)
{
    unsigned char binary[sizeof(struct in6_addr)];
    const bool valid =
        inet_pton(AF_INET, text, binary) == 1 || inet_pton(AF_INET6, text, binary) == 1;
    return valid ? text : "";
}

static struct kube_port parse_port(const cJSON *port)
{
    const char *const protocol = text_of(port, "protocol");
    return {
        .name = text_of(port, "name"),
        .number = static_cast<uint16_t>(integer_of(port, "port", 1, 65535, 0)),
        .tcp = *protocol == '\0' || strcmp(protocol, "TCP") == 0,
        .https = strcmp(text_of(port, "appProtocol"), "https") == 0,
    };
}

static std::vector<struct kube_port> parse_ports(const cJSON *object)
{
    std::vector<struct kube_port> ports;
    for (const cJSON *p = items_of(object, "ports"); p != nullptr; p = p->next)
        ports.push_back(parse_port(p));
    return ports;
}

static std::string pod_address(const cJSON *status)
{
    std::string ip = address_of(text_of(status, "podIP"));
    for (const cJSON *i = items_of(status, "podIPs"); ip.empty() && i != nullptr; i = i->next)
        ip = address_of(text_of(i, "ip"));
    return ip;
}

static bool pod_is_ready(const cJSON *status)
{
    for (const cJSON *c = items_of(status, "conditions"); c != nullptr; c = c->next)
        if (strcmp(text_of(c, "type"), "Ready") == 0)
            return strcmp(text_of(c, "status"), "True") == 0;
    return false;
}

static void parse_pod(const cJSON *root, struct kube_item *item)
{
    const cJSON *const metadata = member(root, "metadata");
    const cJSON *const spec = member(root, "spec");
    const cJSON *const status = member(root, "status");
    item->pod = {
        .name = text_of(metadata, "name"),
        .ns = text_of(metadata, "namespace"),
        .uid = text_of(metadata, "uid"),
        .node = text_of(spec, "nodeName"),
        .phase = text_of(status, "phase"),
        .ip = pod_address(status),
        .ready = pod_is_ready(status),
        .deleting = *text_of(metadata, "deletionTimestamp") != '\0',
    };
}

// What both sources say of an endpoint; the address and the conditions are the caller's.
static struct kube_endpoint parse_target(const cJSON *item, const std::string &ns)
{
    struct kube_endpoint e = {};
    e.node = text_of(item, "nodeName");
    const cJSON *const target = member(item, "targetRef");
    if (strcmp(text_of(target, "kind"), "Pod") != 0)
        return e;
    e.pod_uid = text_of(target, "uid");
    e.pod_name = text_of(target, "name");
    e.pod_ns = text_of(target, "namespace");
    if (e.pod_ns.empty())
        e.pod_ns = ns;
    return e;
}

static void parse_slice(const cJSON *root, struct kube_item *item)
{
    const char *const type = text_of(root, "addressType");
    if (strcmp(type, "IPv4") != 0 && strcmp(type, "IPv6") != 0)
        return;
    const cJSON *const metadata = member(root, "metadata");
    struct kube_slice slice = {
        .ns = text_of(metadata, "namespace"),
        .service = text_of(member(metadata, "labels"), "kubernetes.io/service-name"),
        .ports = parse_ports(root),
        .endpoints = {},
        .truncated = false,
    };
    for (const cJSON *i = items_of(root, "endpoints"); i != nullptr; i = i->next) {
        struct kube_endpoint e = parse_target(i, slice.ns);
        // the addresses of one endpoint are the same thing: all but the first are to be ignored
        const cJSON *const address = items_of(i, "addresses");
        e.ip = address_of(cJSON_IsString(address) ? address->valuestring : "");
        const cJSON *const conditions = member(i, "conditions");
        e.ready = boolean_of(conditions, "ready", true);
        e.serving = boolean_of(conditions, "serving", true);
        e.terminating = boolean_of(conditions, "terminating", false);
        slice.endpoints.push_back(std::move(e));
    }
    item->slices.push_back(std::move(slice));
}

static void parse_addresses(const cJSON *subset, const char *name, bool ready,
                            struct kube_slice *slice)
{
    for (const cJSON *i = items_of(subset, name); i != nullptr; i = i->next) {
        struct kube_endpoint e = parse_target(i, slice->ns);
        e.ip = address_of(text_of(i, "ip"));
        e.ready = ready;
        e.serving = ready;
        slice->endpoints.push_back(std::move(e));
    }
}

static void parse_endpoints(const cJSON *root, struct kube_item *item)
{
    const cJSON *const metadata = member(root, "metadata");
    const cJSON *const annotations = member(metadata, "annotations");
    size_t addresses = 0;
    for (const cJSON *s = items_of(root, "subsets"); s != nullptr; s = s->next) {
        struct kube_slice slice = {};
        slice.ns = text_of(metadata, "namespace");
        slice.service = text_of(metadata, "name");
        slice.ports = parse_ports(s);
        parse_addresses(s, "addresses", true, &slice);
        parse_addresses(s, "notReadyAddresses", false, &slice);
        addresses += slice.endpoints.size();
        item->slices.push_back(std::move(slice));
    }
    const char *const capacity = text_of(annotations, "endpoints.kubernetes.io/over-capacity");
    for (struct kube_slice &slice : item->slices)
        slice.truncated = *capacity != '\0' || addresses >= ENDPOINTS_MAX;
}

// The kind of an object; with "List" behind it, of a list.
static const char *kind_of(enum kube_resource resource)
{
    switch (resource) {
    case KUBE_PODS: return "Pod";
    case KUBE_SLICES: return "EndpointSlice";
    case KUBE_ENDPOINTS: return "Endpoints";
    }
    return "";
}

// The kind may be missing: the items of a list have none.
static bool parse_item(enum kube_resource resource, const cJSON *root, struct kube_item *item)
{
    const char *const kind = text_of(root, "kind");
    const cJSON *const metadata = member(root, "metadata");
    const char *const name = text_of(metadata, "name");
    if (*name == '\0' || (*kind != '\0' && strcmp(kind, kind_of(resource)) != 0))
        return false;
    *item = {};
    item->key = std::string(text_of(metadata, "namespace")) + "/" + name;
    switch (resource) {
    case KUBE_PODS: parse_pod(root, item); break;
    case KUBE_SLICES: parse_slice(root, item); break;
    case KUBE_ENDPOINTS: parse_endpoints(root, item); break;
    }
    return true;
}

bool kube_parse_item(enum kube_resource resource, const char *data, size_t size,
                     struct kube_item *item)
{
    const struct document document(data, size);
    return parse_item(resource, document.root, item);
}

bool kube_parse_list_end(enum kube_resource resource, const char *data, size_t size,
                         struct kube_list_end *end, std::string *error)
{
    const struct document document(data, size);
    if (document.root == nullptr) {
        *error = "no valid JSON";
        return false;
    }
    const std::string want = std::string(kind_of(resource)) + "List";
    const char *const kind = text_of(document.root, "kind");
    if (kind != want) {
        *error = "want a " + want + ", not '" + kind + "'";
        if (strcmp(kind, "Status") == 0)
            *error += std::string(": ") + text_of(document.root, "message");
        return false;
    }
    const cJSON *const metadata = member(document.root, "metadata");
    end->version = text_of(metadata, "resourceVersion");
    end->next = text_of(metadata, "continue");
    return true;
}

// An older server says it in words only (Kubernetes issue 91073).
static bool says_version_too_large(const cJSON *root, const cJSON *details)
{
    for (const cJSON *c = items_of(details, "causes"); c != nullptr; c = c->next)
        if (strcmp(text_of(c, "reason"), "ResourceVersionTooLarge") == 0)
            return true;
    return strstr(text_of(root, "message"), "Too large resource version") != nullptr;
}

static bool parse_status(const cJSON *root, struct kube_status *status)
{
    if (strcmp(text_of(root, "kind"), "Status") != 0)
        return false;
    const cJSON *const details = member(root, "details");
    status->code = integer_of(root, "code", 0, 999, 0);
    status->reason = text_of(root, "reason");
    status->message = text_of(root, "message");
    status->retry_after_s = integer_of(details, "retryAfterSeconds", 1, 86400, -1);
    status->version_too_large = says_version_too_large(root, details);
    return true;
}

bool kube_parse_status(const char *data, size_t size, struct kube_status *status)
{
    const struct document document(data, size);
    return parse_status(document.root, status);
}

static enum kube_event_type parse_type(const char *type)
{
    static const struct {
        const char *name;
        enum kube_event_type type;
    } types[] = {
        {"ADDED", KUBE_ADDED},       {"MODIFIED", KUBE_MODIFIED}, {"DELETED", KUBE_DELETED},
        {"BOOKMARK", KUBE_BOOKMARK}, {"ERROR", KUBE_ERROR},
    };
    for (const auto &t : types)
        if (strcmp(type, t.name) == 0)
            return t.type;
    return KUBE_UNKNOWN;
}

bool kube_parse_event(enum kube_resource resource, const char *data, size_t size,
                      struct kube_event *event, std::string *error)
{
    const struct document document(data, size);
    const cJSON *const object = member(document.root, "object");
    const char *const type = text_of(document.root, "type");
    *event = {};
    event->type = parse_type(type);
    event->version = text_of(member(object, "metadata"), "resourceVersion");
    *error = std::string("an event '") + type + "' ";
    switch (event->type) {
    case KUBE_ADDED:
    case KUBE_MODIFIED:
    case KUBE_DELETED:
        *error += std::string("without a ") + kind_of(resource) + " that has a name and a version";
        return parse_item(resource, object, &event->item) && !event->version.empty();
    case KUBE_BOOKMARK: *error += "without a version"; return !event->version.empty();
    case KUBE_ERROR: *error += "without a Status"; return parse_status(object, &event->status);
    case KUBE_UNKNOWN: *error = "no event of a watch"; return *type != '\0';
    }
    return false;
}
