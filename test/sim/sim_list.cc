// Lists: parameters, selectors, pages.
#include "sim_list.h"

#include "sim_answer.h"
#include "sim_cluster.h"
#include "sim_http.h"
#include "sim_text.h"

struct list {
    struct sim_filter filter;
    std::string start; // the key before the page's first
    uint64_t version;  // of the list, as its first page had it
    uint64_t limit;    // 0: none
    bool metadata_only;
};

static const char CONTENT_TYPE[] = "Cache-Control: no-cache, private\r\n"
                                   "Content-Type: application/json\r\n";

static const char *reason_of(int code)
{
    static const struct {
        int code;
        const char *reason;
    } reasons[] = {
        {400, "BadRequest"},      {401, "Unauthorized"},
        {403, "Forbidden"},       {405, "MethodNotAllowed"},
        {410, "Expired"},         {422, "Invalid"},
        {429, "TooManyRequests"}, {503, "ServiceUnavailable"},
        {504, "Timeout"},
    };
    for (const auto &row : reasons)
        if (row.code == code)
            return row.reason;
    return "InternalError";
}

void sim_list_append_status(std::string *out, int code, std::string_view message,
                            std::string_view details)
{
    *out += "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
            "\"message\":";
    text_append_json(out, message);
    text_append(out, ",\"reason\":\"%s\"", reason_of(code));
    if (!details.empty())
        *out += ",\"details\":" + std::string(details);
    text_append(out, ",\"code\":%d}", code);
}

void sim_list_status(struct sim_answer *a, int code, std::string_view message,
                     std::string_view details)
{
    a->status = code;
    a->headers = CONTENT_TYPE;
    a->body.clear();
    sim_list_append_status(&a->body, code, message, details);
    a->body += '\n';
}

// Tokens are opaque; this one needs percent-encoding: a + that is not encoded arrives as a blank.
static std::string token_of(uint64_t version, const std::string &key)
{
    std::string token = "v1+/";
    text_append(&token, "%llu/", static_cast<unsigned long long>(version));
    for (const char c : key)
        text_append(&token, "%02x", static_cast<unsigned char>(c));
    return token + "==";
}

static bool read_token(std::string_view token, uint64_t *version, std::string *key)
{
    if (!token.starts_with("v1+/") || !token.ends_with("=="))
        return false;
    token.remove_prefix(4);
    token.remove_suffix(2);
    if (!text_number(text_next(&token, '/'), version) || token.size() % 2 != 0)
        return false;
    std::string escaped;
    for (size_t i = 0; i < token.size(); i += 2)
        escaped += '%' + std::string(token.substr(i, 2));
    *key = text_unescape(escaped, false);
    return !key->empty();
}

// Reads limit and continue. False after it has answered.
static bool read_page(const struct sim_cluster *c, std::string_view query, struct list *list,
                      struct sim_answer *a)
{
    std::string token;
    list->version = c->version;
    list->limit = text_query_number(query, "limit", 0);
    if (!text_query(query, "continue", &token) || token.empty())
        return true;
    if (!read_token(token, &list->version, &list->start)) {
        sim_list_status(a, 400, "continue key is not valid", "");
        return false;
    }
    if (list->version >= c->compacted)
        return true;
    sim_list_status(a, 410,
                    "The provided continue parameter is too old to display a consistent list "
                    "result. You must start a new list without the continue parameter.",
                    "");
    return false;
}

// Checks the resource version that is asked for. False after it has answered.
static bool read_version(const struct sim_cluster *c, std::string_view query, struct list *list,
                         struct sim_answer *a)
{
    std::string version, match;
    uint64_t number = 0;
    const bool has_version = text_query(query, "resourceVersion", &version) && !version.empty();
    const bool has_match = text_query(query, "resourceVersionMatch", &match) && !match.empty();
    if (has_match && (!has_version || !list->start.empty())) {
        sim_list_status(a, 422,
                        list->start.empty() ? "resourceVersionMatch: Forbidden: "
                                              "resourceVersionMatch is forbidden unless "
                                              "resourceVersion is provided"
                                            : "resourceVersionMatch: Forbidden: "
                                              "resourceVersionMatch is forbidden for continue",
                        "");
        return false;
    }
    if (!has_version)
        return true;
    if (!list->start.empty() || !text_number(version, &number)) {
        sim_list_status(a, 400,
                        list->start.empty()
                            ? "invalid resource version: " + version
                            : "specifying resource version is not allowed when using continue",
                        "");
        return false;
    }
    if (number > c->version) {
        sim_list_status(a, 504,
                        "Too large resource version: " + version +
                            ", current: " + std::to_string(c->version),
                        "{\"causes\":[{\"reason\":\"ResourceVersionTooLarge\",\"message\":"
                        "\"Too large resource version\"}],\"retryAfterSeconds\":1}");
        return false;
    }
    if (match == "Exact" && number != c->version) {
        sim_list_status(a, 410, "The resourceVersion for the provided list is too old.", "");
        return false;
    }
    if (number == 0)
        list->limit = 0; // from the watch cache: a real server ignores the limit there
    return true;
}

bool sim_target_read(std::string_view path, struct sim_target *t)
{
    for (const enum sim_resource resource : {RESOURCE_PODS, RESOURCE_SLICES, RESOURCE_ENDPOINTS}) {
        const struct sim_resource_info *info = sim_resource_find(resource);
        const std::string prefix = (*info->group ? "/apis/" : "/api/") + std::string(info->version);
        if (!path.starts_with(prefix + '/'))
            continue;
        std::string_view rest = path.substr(prefix.size() + 1);
        t->resource = resource;
        t->name_space.clear();
        if (rest.starts_with("namespaces/")) {
            text_next(&rest, '/');
            t->name_space = text_next(&rest, '/');
        }
        if (rest == info->name)
            return true;
    }
    return false;
}

void sim_list_forbidden(const struct sim_target *t, const char *verb, struct sim_answer *a)
{
    const struct sim_resource_info *info = sim_resource_find(t->resource);
    const std::string dot = *info->group ? "." : "";
    std::string message = info->name + dot + info->group +
                          " is forbidden: User \"system:serviceaccount:contrace:pod-reader\" "
                          "cannot " +
                          verb + " resource \"" + info->name + "\" in API group \"" + info->group;
    message += t->name_space.empty() ? "\" at the cluster scope"
                                     : "\" in the namespace \"" + t->name_space + '"';
    std::string details = "{";
    if (*info->group)
        details += "\"group\":\"" + std::string(info->group) + "\",";
    details += "\"kind\":\"" + std::string(info->name) + "\"}";
    sim_list_status(a, 403, message, details);
    a->headers += "X-Content-Type-Options: nosniff\r\n";
}

bool sim_filter_read(const struct sim_target *target, std::string_view query,
                     struct sim_filter *filter, struct sim_answer *a)
{
    std::string text, message;
    filter->name_space = target->name_space;
    if (text_query(query, "labelSelector", &text) &&
        !selector_parse_labels(text, &filter->labels, &message)) {
        sim_list_status(a, 400, message, "");
        return false;
    }
    if (text_query(query, "fieldSelector", &text) &&
        !selector_parse_fields(text, target->resource == RESOURCE_PODS, &filter->fields,
                               &message)) {
        sim_list_status(a, 400, message, "");
        return false;
    }
    return true;
}

bool sim_filter_matches(const struct sim_filter *filter, const std::string &name_space,
                        const std::string &name, const std::vector<struct sim_label> &labels)
{
    return (filter->name_space.empty() || name_space == filter->name_space) &&
           selector_matches(filter->labels, labels) &&
           selector_matches(filter->fields,
                            {{"metadata.name", name}, {"metadata.namespace", name_space}});
}

std::string sim_list_headers(enum sim_resource resource)
{
    std::string headers = CONTENT_TYPE;
    if (resource == RESOURCE_ENDPOINTS)
        headers += "Warning: 299 - \"v1 Endpoints is deprecated in v1.33+; use "
                   "discovery.k8s.io/v1 EndpointSlice\"\r\n";
    return headers;
}

static bool is_listed(const struct list *list, const struct sim_object *object)
{
    return object->key > list->start &&
           sim_filter_matches(&list->filter, object->name_space, object->name, object->labels);
}

static void answer_page(struct sim_cluster *c, const struct sim_target *target,
                        const struct list *list, struct sim_answer *a)
{
    const struct sim_resource_info *info = sim_resource_find(target->resource);
    std::string items, last, token;
    uint64_t count = 0;
    for (const struct sim_object &object : sim_objects(c, target->resource)) {
        if (!is_listed(list, &object))
            continue;
        if (list->limit > 0 && count == list->limit) {
            token = token_of(list->version, last);
            break;
        }
        if (count++ > 0)
            items += ',';
        sim_object_append(&items, c, &object, list->metadata_only);
        last = object.key;
    }
    const std::string kind =
        list->metadata_only ? "PartialObjectMetadataList" : std::string(info->kind) + "List";
    a->body = "{\"kind\":\"" + kind + "\",\"apiVersion\":\"" +
              (list->metadata_only ? "meta.k8s.io/v1" : info->version) +
              "\",\"metadata\":{\"resourceVersion\":\"" + std::to_string(list->version) + '"';
    if (!token.empty())
        a->body += ",\"continue\":\"" + token + '"';
    a->body += "},\"items\":[";
    a->body += items;
    a->body += "]}\n";
    a->status = 200;
    a->headers = CONTENT_TYPE;
}

void sim_list_answer(struct sim_cluster *c, const struct sim_target *target,
                     const struct sim_request *r, struct sim_answer *a)
{
    struct list list = {};
    const std::string_view accept = sim_request_header(r, "Accept");
    list.metadata_only = target->resource == RESOURCE_PODS &&
                         accept.find("as=PartialObjectMetadataList") != accept.npos;
    if (read_page(c, r->query, &list, a) && read_version(c, r->query, &list, a) &&
        sim_filter_read(target, r->query, &list.filter, a)) {
        if (target->page_limit > 0 && list.limit > target->page_limit)
            list.limit = target->page_limit;
        answer_page(c, target, &list, a);
    }
    a->headers = sim_list_headers(target->resource);
}
