// Reviews: who a token belongs to, and what a user may.
#include "sim_review.h"

#include <algorithm>

#include <cjson/cJSON.h>

#include "sim_answer.h"
#include "sim_http.h"
#include "sim_list.h"
#include "sim_text.h"

static const char OWN_AUDIENCE[] = "https://kubernetes.default.svc";

void sim_review_add_user(struct sim_reviews *s, const struct sim_user &user)
{
    for (struct sim_user &other : s->users) {
        if (other.token == user.token) {
            other = user;
            return;
        }
    }
    s->users.push_back(user);
}

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(value) ? value->valuestring : "";
}

static std::vector<std::string> texts_of(const cJSON *object, const char *name)
{
    std::vector<std::string> texts;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, name);
    for (const cJSON *t = list ? list->child : nullptr; t; t = t->next)
        if (cJSON_IsString(t))
            texts.push_back(t->valuestring);
    return texts;
}

static bool has(const std::vector<std::string> &list, const std::string &text)
{
    return std::find(list.begin(), list.end(), text) != list.end();
}

static void append_list(std::string *out, const std::vector<std::string> &texts)
{
    *out += '[';
    for (size_t i = 0; i < texts.size(); i++) {
        *out += i > 0 ? "," : "";
        text_append_json(out, texts[i]);
    }
    *out += ']';
}

// Those that were asked for and that the token has; a server is asked for its own where none was.
static std::vector<std::string> audiences_of(const cJSON *spec, const struct sim_user &user)
{
    std::vector<std::string> wanted = texts_of(spec, "audiences"), both;
    if (wanted.empty())
        wanted.push_back(OWN_AUDIENCE);
    for (const std::string &one : wanted)
        if (has(user.audiences, one))
            both.push_back(one);
    return both;
}

static std::string token_status(const struct sim_reviews *s, const cJSON *spec)
{
    for (const struct sim_user &user : s->users) {
        const std::vector<std::string> audiences = audiences_of(spec, user);
        if (user.token != text_of(spec, "token") || audiences.empty())
            continue;
        std::string status = R"({"authenticated":true,"user":{"username":)";
        text_append_json(&status, user.name);
        status += R"(,"uid":"uid-)" + user.name + R"(","groups":)";
        append_list(&status, user.groups);
        status += R"(,"extra":{"example.org/from":["sim"]}},"audiences":)";
        append_list(&status, audiences);
        return status + '}';
    }
    return R"({"user":{},"error":"invalid bearer token"})";
}

static bool applies(const struct sim_right &right, const cJSON *spec)
{
    const cJSON *what = cJSON_GetObjectItemCaseSensitive(spec, "nonResourceAttributes");
    const std::string path = text_of(what, "path"), verb = text_of(what, "verb");
    const bool is_prefix = !right.path.empty() && right.path.back() == '*';
    const bool path_fits = is_prefix ? path.starts_with(right.path.substr(0, right.path.size() - 1))
                                     : path == right.path;
    return path_fits && (has(right.verbs, verb) || has(right.verbs, "*")) &&
           (right.subject == text_of(spec, "user") || has(texts_of(spec, "groups"), right.subject));
}

static std::string access_status(const struct sim_reviews *s, const cJSON *spec)
{
    bool allowed = false, denied = false;
    for (const struct sim_right &right : s->rights) {
        allowed = allowed || applies(right, spec);
        denied = denied || (right.denied && applies(right, spec));
    }
    std::string status = allowed ? R"({"allowed":true)" : R"({"allowed":false)";
    if (denied)
        status += R"(,"denied":true,"reason":"a webhook says no")";
    return status + '}';
}

// The review as it came, with its status, as Go writes it.
static void answer(const std::string &body, const std::string &status, struct sim_answer *a)
{
    a->status = 201;
    a->headers = "Cache-Control: no-cache, private\r\nContent-Type: application/json\r\n";
    a->body = body.substr(0, body.rfind('}')) + R"(,"metadata":{},"status":)" + status + "}\n";
}

bool sim_review_answer(const struct sim_reviews *s, const struct sim_request *r,
                       struct sim_answer *a)
{
    const bool of_token = r->path == "/apis/authentication.k8s.io/v1/tokenreviews";
    if (!of_token && r->path != "/apis/authorization.k8s.io/v1/subjectaccessreviews")
        return false;
    const std::string body(r->body);
    cJSON *json = cJSON_Parse(body.c_str());
    const cJSON *spec = cJSON_GetObjectItemCaseSensitive(json, "spec");
    const std::string kind = of_token ? "TokenReview" : "SubjectAccessReview";
    if (r->method != "POST")
        sim_list_status(a, 405, "the server does not allow this method on the requested resource",
                        "{}");
    else if (text_of(json, "kind") != kind || !cJSON_IsObject(spec) ||
             sim_request_header(r, "Content-Type") != "application/json")
        sim_list_status(a, 400, "the body is no " + kind, "");
    else if (!of_token && *text_of(spec, "user") == '\0' && texts_of(spec, "groups").empty())
        sim_list_status(a, 422, "at least one of user or group must be specified", "");
    else
        answer(body, of_token ? token_status(s, spec) : access_status(s, spec), a);
    cJSON_Delete(json);
    return true;
}
