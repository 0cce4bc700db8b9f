// JSON Schema, as much of it as the description of the API has.
#include "json_schema.h"

#include <cJSON.h>
#include <cmath>
#include <cstring>
#include <regex.h>

struct check {
    const cJSON *root;
    std::set<const cJSON *> *seen;
    std::string error; // the first one
};

static bool fail(struct check *c, const std::string &why)
{
    if (c->error.empty())
        c->error = why;
    return false;
}

static const cJSON *get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

const cJSON *schema_find(const cJSON *root, const char *pointer)
{
    const cJSON *at = strncmp(pointer, "#/", 2) == 0 ? root : nullptr;
    for (const char *name = pointer + 1; at && *name == '/';) {
        const size_t size = strcspn(name + 1, "/");
        at = get(at, std::string(name + 1, size).c_str());
        name += 1 + size;
    }
    return at;
}

const cJSON *schema_resolve(const cJSON *root, const cJSON *at)
{
    const cJSON *ref = get(at, "$ref");
    return ref ? schema_find(root, ref->valuestring) : at;
}

static bool has_type(const cJSON *value, const char *type)
{
    if (strcmp(type, "integer") == 0)
        return cJSON_IsNumber(value) && std::floor(value->valuedouble) == value->valuedouble;
    return (strcmp(type, "object") == 0 && cJSON_IsObject(value)) ||
           (strcmp(type, "array") == 0 && cJSON_IsArray(value)) ||
           (strcmp(type, "string") == 0 && cJSON_IsString(value)) ||
           (strcmp(type, "boolean") == 0 && cJSON_IsBool(value)) ||
           (strcmp(type, "null") == 0 && cJSON_IsNull(value));
}

static bool check_type(struct check *c, const cJSON *type, const cJSON *value)
{
    if (cJSON_IsString(type))
        return has_type(value, type->valuestring) ||
               fail(c, std::string("is no ") + type->valuestring);
    for (const cJSON *t = type->child; t; t = t->next)
        if (has_type(value, t->valuestring))
            return true;
    return fail(c, "has none of the types");
}

static bool check_pattern(struct check *c, const char *pattern, const cJSON *value)
{
    if (!cJSON_IsString(value))
        return true;
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return fail(c, std::string("no pattern: ") + pattern);
    const bool matches = regexec(&regex, value->valuestring, 0, nullptr, 0) == 0;
    regfree(&regex);
    return matches || fail(c, "\"" + std::string(value->valuestring) + "\" is not " + pattern);
}

static bool check_enum(struct check *c, const cJSON *words, const cJSON *value)
{
    for (const cJSON *w = words->child; w; w = w->next)
        if (cJSON_Compare(w, value, 1))
            return true;
    return fail(c, "is none of the words");
}

static bool check_schema(struct check *c, const cJSON *schema, const cJSON *value);

static bool check_one_of(struct check *c, const cJSON *schemas, const cJSON *value)
{
    size_t fit = 0;
    std::string errors;
    for (const cJSON *s = schemas->child; s; s = s->next) {
        std::set<const cJSON *> seen;
        struct check one = {.root = c->root, .seen = &seen, .error = ""};
        if (check_schema(&one, s, value)) {
            fit++;
            c->seen->insert(seen.begin(), seen.end());
        }
        errors += "; " + one.error;
    }
    return fit == 1 || fail(c, "fits " + std::to_string(fit) + " of oneOf" + errors);
}

static bool check_required(struct check *c, const cJSON *names, const cJSON *value)
{
    for (const cJSON *n = names->child; n; n = n->next)
        if (cJSON_IsObject(value) && !get(value, n->valuestring))
            return fail(c, std::string("has no ") + n->valuestring);
    return true;
}

// What a member has to be, or null for anything; *known: whether it may be there at all.
static const cJSON *schema_of_member(const cJSON *schema, const char *key, bool *known)
{
    const cJSON *properties = get(schema, "properties");
    const cJSON *more = get(schema, "additionalProperties");
    const cJSON *own = properties ? get(properties, key) : nullptr;
    *known = own || !properties || (more && !cJSON_IsFalse(more));
    if (own)
        return own;
    return cJSON_IsObject(more) ? more : nullptr;
}

static bool check_members(struct check *c, const cJSON *schema, const cJSON *value)
{
    for (const cJSON *m = cJSON_IsObject(value) ? value->child : nullptr; m; m = m->next) {
        bool known = false;
        const cJSON *own = schema_of_member(schema, m->string, &known);
        if (!known)
            return fail(c, std::string("has a member that is not described: ") + m->string);
        if (!own)
            continue;
        c->seen->insert(own);
        if (!check_schema(c, own, m)) {
            c->error = std::string(m->string) + ": " + c->error;
            return false;
        }
    }
    return true;
}

static bool check_items(struct check *c, const cJSON *schema, const cJSON *value)
{
    for (const cJSON *i = cJSON_IsArray(value) ? value->child : nullptr; i; i = i->next)
        if (!check_schema(c, schema, i))
            return false;
    return true;
}

static bool check_keyword(struct check *c, const cJSON *schema, const cJSON *k, const cJSON *value)
{
    const std::string name = k->string;
    if (name == "type")
        return check_type(c, k, value);
    if (name == "enum")
        return check_enum(c, k, value);
    if (name == "const")
        return cJSON_Compare(k, value, 1) || fail(c, "is not the constant");
    if (name == "pattern")
        return check_pattern(c, k->valuestring, value);
    if (name == "minimum")
        return !cJSON_IsNumber(value) || value->valuedouble >= k->valuedouble ||
               fail(c, "is too small");
    if (name == "maximum")
        return !cJSON_IsNumber(value) || value->valuedouble <= k->valuedouble ||
               fail(c, "is too large");
    if (name == "minItems")
        return cJSON_GetArraySize(value) >= k->valueint || fail(c, "has too few items");
    if (name == "oneOf")
        return check_one_of(c, k, value);
    if (name == "required")
        return check_required(c, k, value);
    if (name == "items")
        return check_items(c, k, value);
    if (name == "properties" || (name == "additionalProperties" && !get(schema, "properties")))
        return check_members(c, schema, value);
    if (name == "additionalProperties" || name == "description" || name == "format")
        return true;
    return fail(c, "the schema has the keyword " + name);
}

static bool check_schema(struct check *c, const cJSON *schema, const cJSON *value)
{
    const cJSON *s = schema_resolve(c->root, schema);
    if (!s)
        return fail(c, "a $ref leads nowhere");
    for (const cJSON *k = s->child; k; k = k->next)
        if (!check_keyword(c, s, k, value))
            return false;
    return true;
}

std::string schema_check(const cJSON *root, const cJSON *schema, const cJSON *value,
                         std::set<const cJSON *> *seen)
{
    struct check c = {.root = root, .seen = seen, .error = ""};
    if (!check_schema(&c, schema, value))
        return c.error;
    return "";
}
