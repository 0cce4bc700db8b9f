// The description of the API beside what a daemon does.
#include "api_doc.h"

#include <cJSON.h>
#include <cstring>
#include <map>
#include <set>
#include <strings.h>

#include "cmocka_cc.h"
#include "e2e.h"
#include "json_schema.h"

struct api_doc {
    cJSON *root;
    std::set<std::string> statuses;                             // "GET /v1/pods 4XX"
    std::map<const cJSON *, std::set<const cJSON *>> responses; // their header fields
    std::set<const cJSON *> members;
};

static const cJSON *get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

struct api_doc *api_doc_new(const std::string &text)
{
    struct api_doc *d = new api_doc{};
    d->root = cJSON_ParseWithOpts(text.c_str(), nullptr, 1);
    if (!d->root || !get(d->root, "paths"))
        fail_msg("no OpenAPI document: %s", text.c_str());
    return d;
}

void api_doc_free(struct api_doc *d)
{
    cJSON_Delete(d->root);
    delete d;
}

static std::string upper(const char *word)
{
    std::string text = word;
    for (char &c : text)
        c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    return text;
}

static bool names_view(const cJSON *item)
{
    const char *view = "#/components/parameters/view";
    const cJSON *p = nullptr;
    cJSON_ArrayForEach(p, get(item, "parameters"))
    {
        if (strcmp(get(p, "$ref")->valuestring, view) == 0)
            return true;
    }
    return false;
}

std::vector<struct api_operation> api_doc_operations(const struct api_doc *d)
{
    std::vector<struct api_operation> all;
    const cJSON *item = nullptr, *op = nullptr;
    cJSON_ArrayForEach(item, get(d->root, "paths"))
    {
        cJSON_ArrayForEach(op, item)
        {
            if (get(op, "operationId"))
                all.push_back({upper(op->string), item->string, names_view(item)});
        }
    }
    return all;
}

static bool fits(const char *described, const std::string &path)
{
    const char *brace = strchr(described, '{');
    if (!brace)
        return path == described;
    const size_t size = static_cast<size_t>(brace - described);
    return path.size() > size && path.compare(0, size, described, size) == 0 &&
           path.find('/', size) == std::string::npos;
}

// What is described of a path: one that is written out goes before one with a parameter. Null: nothing.
static const cJSON *find_path(const struct api_doc *d, const std::string &target)
{
    const std::string path = target.substr(0, target.find('?'));
    const cJSON *paths = get(d->root, "paths"), *item = nullptr;
    if (const cJSON *same = get(paths, path.c_str()))
        return same;
    cJSON_ArrayForEach(item, paths)
    {
        if (fits(item->string, path))
            return item;
    }
    return nullptr;
}

static const cJSON *find_operation(const cJSON *item, const std::string &method)
{
    const cJSON *op = nullptr;
    cJSON_ArrayForEach(op, item)
    {
        if (get(op, "operationId") && upper(op->string) == method)
            return op;
    }
    return nullptr;
}

// The key of `responses` that a status comes under, or null.
static const cJSON *find_status(const cJSON *responses, int status)
{
    const std::string exact = std::to_string(status), range = exact.substr(0, 1) + "XX";
    for (const std::string &key : {exact, range, std::string("default")})
        if (const cJSON *found = get(responses, key.c_str()))
            return found;
    return nullptr;
}

bool api_doc_has(const struct api_doc *d, const struct api_operation *op, const char *status)
{
    const cJSON *found = find_operation(find_path(d, op->path), op->method);
    // what is not 200 is under "default" for HEAD
    if (op->method == "HEAD")
        found = find_operation(find_path(d, op->path), "GET");
    return get(get(found, "responses"), status) != nullptr;
}

// A value of a header field as JSON.
static cJSON *header_value(const cJSON *schema, const std::string &text)
{
    const cJSON *type = get(schema, "type");
    if (strcmp(type->valuestring, "integer") == 0)
        return cJSON_Parse(text.c_str());
    return cJSON_CreateString(text.c_str());
}

static void check_field(struct api_doc *d, const cJSON *response, const std::string &name,
                        const std::string &value, const std::string &what)
{
    // these frame a message, whatever the API (RFC 9110, RFC 9112)
    for (const char *framing : {"Date", "Content-Type", "Content-Length", "Connection"})
        if (strcasecmp(name.c_str(), framing) == 0)
            return;
    const cJSON *field = cJSON_GetObjectItem(get(response, "headers"), name.c_str());
    if (!field)
        fail_msg("%s: the field %s is not described", what.c_str(), name.c_str());
    d->responses[response].insert(field);
    const cJSON *schema = get(schema_resolve(d->root, field), "schema");
    cJSON *json = header_value(schema, value);
    std::set<const cJSON *> seen;
    const std::string error = json ? schema_check(d->root, schema, json, &seen) : "is no number";
    cJSON_Delete(json);
    if (!error.empty())
        fail_msg("%s: %s: %s: %s", what.c_str(), name.c_str(), value.c_str(), error.c_str());
}

static void check_fields(struct api_doc *d, const cJSON *response, const struct reply &r,
                         const std::string &what)
{
    const size_t last = r.head.rfind("HTTP/1."); // behind a 100
    for (size_t at = r.head.find("\r\n", last) + 2; at < r.head.size();) {
        const size_t end = r.head.find("\r\n", at), colon = r.head.find(": ", at);
        if (end == at)
            break;
        check_field(d, response, r.head.substr(at, colon - at),
                    r.head.substr(colon + 2, end - colon - 2), what);
        at = end + 2;
    }
    const cJSON *field = nullptr;
    cJSON_ArrayForEach(field, get(response, "headers"))
    {
        if (cJSON_IsTrue(get(schema_resolve(d->root, field), "required")) &&
            reply_header(r, field->string).empty())
            fail_msg("%s: %s is missing", what.c_str(), field->string);
    }
}

static cJSON *body_value(const std::string &type, const std::string &body)
{
    return has(type, "json") ? cJSON_ParseWithOpts(body.c_str(), nullptr, 1)
                             : cJSON_CreateString(body.c_str());
}

static void check_body(struct api_doc *d, const cJSON *response, const struct reply &r,
                       const std::string &what)
{
    const std::string type = reply_header(r, "Content-Type");
    const cJSON *content = get(get(response, "content"), type.c_str());
    if (!content)
        fail_msg("%s: the type %s is not described", what.c_str(), type.c_str());
    cJSON *value = body_value(type, r.body);
    const std::string error =
        value ? schema_check(d->root, get(content, "schema"), value, &d->members) : "is no JSON";
    cJSON_Delete(value);
    if (!error.empty())
        fail_msg("%s: %s: %s", what.c_str(), error.c_str(), r.body.c_str());
}

// A HEAD says what a GET would.
static void check_head(const struct api_doc *d, const cJSON *item, const struct reply &r,
                       const std::string &what)
{
    const cJSON *responses = get(get(item, "get"), "responses");
    const cJSON *same = schema_resolve(d->root, find_status(responses, r.status));
    if (!same)
        fail_msg("%s: GET has no such status", what.c_str());
    const std::string type = reply_header(r, "Content-Type");
    if (!get(get(same, "content"), type.c_str()))
        fail_msg("%s: GET has no such type: %s", what.c_str(), type.c_str());
    assert_text(r.body, "");
}

void api_doc_check(struct api_doc *d, const std::string &method, const std::string &target,
                   const struct reply &r)
{
    const cJSON *item = find_path(d, target), *op = find_operation(item, method);
    const cJSON *responses = op ? get(op, "responses") : get(d->root, "x-other-requests");
    const std::string name = op ? method + " " + item->string : "x-other-requests";
    const std::string what = method + " " + target + ": " + std::to_string(r.status);
    const cJSON *status = find_status(responses, r.status);
    if (!status)
        fail_msg("%s: the status is not described: %s", what.c_str(), r.body.c_str());
    const cJSON *response = schema_resolve(d->root, status);
    d->statuses.insert(name + " " + status->string);
    check_fields(d, response, r, what);
    if (op && method == "HEAD")
        check_head(d, item, r, what);
    else if (method != "HEAD")
        check_body(d, response, r, what);
}

static void add_unseen_statuses(const struct api_doc *d, const std::string &name,
                                const cJSON *responses, std::string *out)
{
    const cJSON *status = nullptr;
    cJSON_ArrayForEach(status, responses)
    {
        const std::string key = name + " " + status->string;
        if (d->statuses.count(key) == 0)
            *out += key + "\n";
    }
}

// Of responses in components; others have none of their own.
static void add_unseen_fields(const struct api_doc *d, const cJSON *response, std::string *out)
{
    const auto seen = d->responses.find(response);
    const cJSON *field = nullptr;
    cJSON_ArrayForEach(field, get(response, "headers"))
    {
        if (seen == d->responses.end() || seen->second.count(field) == 0)
            *out += std::string(response->string) + " " + field->string + "\n";
    }
}

static bool is_of_requests(const cJSON *schema)
{
    return strncmp(schema->string, "TraceSessionR", 13) == 0;
}

static void add_unseen_members(const struct api_doc *d, std::string *out)
{
    const cJSON *schema = nullptr, *member = nullptr;
    cJSON_ArrayForEach(schema, schema_find(d->root, "#/components/schemas"))
    {
        cJSON_ArrayForEach(member, get(schema, "properties"))
        {
            if (d->members.count(member) == 0 && !is_of_requests(schema))
                *out += std::string(schema->string) + "." + member->string + "\n";
        }
    }
}

std::string api_doc_unseen(const struct api_doc *d)
{
    std::string out;
    for (const struct api_operation &op : api_doc_operations(d))
        add_unseen_statuses(
            d, op.method + " " + op.path,
            get(find_operation(get(get(d->root, "paths"), op.path.c_str()), op.method),
                "responses"),
            &out);
    add_unseen_statuses(d, "x-other-requests", get(d->root, "x-other-requests"), &out);
    const cJSON *response = nullptr;
    cJSON_ArrayForEach(response, schema_find(d->root, "#/components/responses"))
    {
        add_unseen_fields(d, response, &out);
    }
    add_unseen_members(d, &out);
    return out;
}

static void check_example(const struct api_doc *d, const cJSON *schema, const cJSON *value,
                          const char *where)
{
    std::set<const cJSON *> seen;
    const std::string error = schema_check(d->root, schema, value, &seen);
    if (!error.empty())
        fail_msg("the example of %s: %s", where, error.c_str());
}

// Examples are beside the schemas that they are of.
static size_t check_examples_below(const struct api_doc *d, const cJSON *at, const char *where)
{
    size_t count = 0;
    const cJSON *schema = get(at, "schema"), *one = get(at, "example"), *child = nullptr;
    if (schema && one) {
        check_example(d, schema, one, where);
        count++;
    }
    const cJSON *examples = schema ? get(at, "examples") : nullptr;
    cJSON_ArrayForEach(child, examples)
    {
        check_example(d, schema, get(schema_resolve(d->root, child), "value"), where);
        count++;
    }
    cJSON_ArrayForEach(child, at)
    {
        count += check_examples_below(d, child, child->string ? child->string : where);
    }
    return count;
}

void api_doc_check_examples(const struct api_doc *d)
{
    assert_true(check_examples_below(d, d->root, "the document") > 20);
}
