// Reviews: their requests as text, their answers by cJSON.
#include "review.h"

#include <cstring>

#include <cJSON.h>

#include "json_text.h"

static void append_strings(std::string *out, const std::vector<std::string> &texts)
{
    *out += '[';
    for (size_t i = 0; i < texts.size(); i++) {
        if (i > 0)
            *out += ',';
        json_append_string(out, texts[i]);
    }
    *out += ']';
}

std::string review_token_body(std::string_view token, std::string_view audience)
{
    std::string body;
    body.reserve(256 + 6 * (token.size() + audience.size()));
    body = R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":)";
    json_append_string(&body, token);
    body += ",\"audiences\":[";
    json_append_string(&body, audience);
    body += "]}}";
    return body;
}

static void append_extra(std::string *body, const struct review_user &user)
{
    *body += ",\"extra\":{";
    for (size_t i = 0; i < user.extra.size(); i++) {
        if (i > 0)
            *body += ',';
        json_append_string(body, user.extra[i].first);
        *body += ':';
        append_strings(body, user.extra[i].second);
    }
    *body += '}';
}

std::string review_access_body(const struct review_user &user, const struct review_access &access)
{
    std::string body =
        R"({"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":)";
    json_append_string(&body, user.name);
    body += ",\"groups\":";
    append_strings(&body, user.groups);
    if (!user.uid.empty()) {
        body += ",\"uid\":";
        json_append_string(&body, user.uid);
    }
    if (!user.extra.empty())
        append_extra(&body, user);
    body += ",\"nonResourceAttributes\":{\"path\":";
    json_append_string(&body, access.path);
    body += ",\"verb\":";
    json_append_string(&body, access.verb);
    body += "}}}";
    return body;
}

// ---- answers

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *value = member(object, name);
    return cJSON_IsString(value) ? value->valuestring : "";
}

static bool says_yes(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(member(object, name));
}

static std::vector<std::string> strings_of(const cJSON *list)
{
    std::vector<std::string> texts;
    for (const cJSON *t = cJSON_IsArray(list) ? list->child : nullptr; t; t = t->next)
        if (cJSON_IsString(t))
            texts.push_back(t->valuestring);
    return texts;
}

// Parses a review of that kind; null: it is none. cJSON cuts texts at an escaped NUL, which would make
// one name of another.
static cJSON *parse(const char *data, size_t size, const char *kind)
{
    const std::string text(data, size);
    if (text.find("\\u0000") != std::string::npos)
        return nullptr;
    cJSON *root = cJSON_ParseWithLengthOpts(text.c_str(), text.size() + 1, nullptr, true);
    if (strcmp(text_of(root, "kind"), kind) == 0 && cJSON_IsObject(member(root, "status")))
        return root;
    cJSON_Delete(root);
    return nullptr;
}

static void read_user(const cJSON *object, struct review_user *user)
{
    user->name = text_of(object, "username");
    user->uid = text_of(object, "uid");
    user->groups = strings_of(member(object, "groups"));
    user->extra.clear();
    const cJSON *extra = member(object, "extra");
    for (const cJSON *e = cJSON_IsObject(extra) ? extra->child : nullptr; e; e = e->next)
        user->extra.push_back({e->string, strings_of(e)});
}

static bool has_audience(const cJSON *status, std::string_view audience)
{
    for (const std::string &one : strings_of(member(status, "audiences")))
        if (one == audience)
            return true;
    return false;
}

static enum review_verdict read_token_status(const cJSON *status, std::string_view audience,
                                             struct review_user *user, std::string *reason)
{
    read_user(member(status, "user"), user);
    if (!says_yes(status, "authenticated") || user->name.empty())
        *reason = *text_of(status, "error") ? text_of(status, "error") : "not authenticated";
    else if (!has_audience(status, audience))
        *reason = "not for the audience " + std::string(audience);
    else
        return REVIEW_YES;
    *user = {};
    return REVIEW_NO;
}

enum review_verdict review_read_token(const char *data, size_t size, std::string_view audience,
                                      struct review_user *user, std::string *reason)
{
    cJSON *root = parse(data, size, "TokenReview");
    if (!root) {
        *reason = "the answer is no TokenReview";
        return REVIEW_NONSENSE;
    }
    const enum review_verdict verdict =
        read_token_status(member(root, "status"), audience, user, reason);
    cJSON_Delete(root);
    return verdict;
}

enum review_verdict review_read_access(const char *data, size_t size, std::string *reason)
{
    cJSON *root = parse(data, size, "SubjectAccessReview");
    if (!root) {
        *reason = "the answer is no SubjectAccessReview";
        return REVIEW_NONSENSE;
    }
    const cJSON *status = member(root, "status");
    const bool yes = says_yes(status, "allowed") && !says_yes(status, "denied");
    *reason = yes ? "" : text_of(status, "reason");
    if (!yes && reason->empty())
        *reason = text_of(status, "evaluationError");
    cJSON_Delete(root);
    return yes ? REVIEW_YES : REVIEW_NO;
}

size_t review_user_size(const struct review_user &user)
{
    size_t size = user.name.size() + user.uid.size();
    for (const std::string &group : user.groups)
        size += group.size();
    for (const auto &[key, values] : user.extra) {
        size += key.size();
        for (const std::string &value : values)
            size += value.size();
    }
    return size;
}
