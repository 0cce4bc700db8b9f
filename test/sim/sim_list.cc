// Lists: parameters, selectors, pages.
#include "sim_list.h"

#include "sim_answer.h"
#include "sim_cluster.h"
#include "sim_http.h"
#include "sim_text.h"

struct list {
    std::vector<struct sim_requirement> labels, fields;
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
        {400, "BadRequest"},         {401, "Unauthorized"}, {403, "Forbidden"},
        {405, "MethodNotAllowed"},   {410, "Expired"},      {422, "Invalid"},
        {503, "ServiceUnavailable"}, {504, "Timeout"},
    };
    for (const auto &row : reasons)
        if (row.code == code)
            return row.reason;
    return "InternalError";
}

void sim_list_status(struct sim_answer *a, int code, std::string_view message,
                     std::string_view details)
{
    a->status = code;
    a->headers = CONTENT_TYPE;
    a->body = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
              "\"message\":";
    text_append_json(&a->body, message);
    text_append(&a->body, ",\"reason\":\"%s\"", reason_of(code));
    if (!details.empty())
        a->body += ",\"details\":" + std::string(details);
    text_append(&a->body, ",\"code\":%d}\n", code);
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
    if (read_token(token, &list->version, &list->start))
        return true;
    sim_list_status(a, 400, "continue key is not valid", "");
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

static bool read_selectors(std::string_view query, bool is_pods, struct list *list,
                           struct sim_answer *a)
{
    std::string text, message;
    if (text_query(query, "labelSelector", &text) &&
        !selector_parse_labels(text, &list->labels, &message)) {
        sim_list_status(a, 400, message, "");
        return false;
    }
    if (text_query(query, "fieldSelector", &text) &&
        !selector_parse_fields(text, is_pods, &list->fields, &message)) {
        sim_list_status(a, 400, message, "");
        return false;
    }
    return true;
}

static bool is_listed(const struct list *list, const std::string &name_space,
                      const struct sim_object *object)
{
    return (name_space.empty() || object->name_space == name_space) && object->key > list->start &&
           selector_matches(list->labels, object->labels) &&
           selector_matches(list->fields, {{"metadata.name", object->name},
                                           {"metadata.namespace", object->name_space}});
}

static void answer_page(struct sim_cluster *c, const struct sim_target *target,
                        const struct list *list, struct sim_answer *a)
{
    const struct sim_resource_info *info = sim_resource_find(target->resource);
    std::string items, last, token;
    uint64_t count = 0;
    for (const struct sim_object &object : sim_objects(c, target->resource)) {
        if (!is_listed(list, target->name_space, &object))
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
    const bool is_pods = target->resource == RESOURCE_PODS;
    const std::string_view accept = sim_request_header(r, "Accept");
    list.metadata_only = is_pods && accept.find("as=PartialObjectMetadataList") != accept.npos;
    if (read_page(c, r->query, &list, a) && read_version(c, r->query, &list, a) &&
        read_selectors(r->query, is_pods, &list, a)) {
        if (target->page_limit > 0 && list.limit > target->page_limit)
            list.limit = target->page_limit;
        answer_page(c, target, &list, a);
    }
    if (target->resource == RESOURCE_ENDPOINTS)
        a->headers += "Warning: 299 - \"v1 Endpoints is deprecated in v1.33+; use "
                      "discovery.k8s.io/v1 EndpointSlice\"\r\n";
}
