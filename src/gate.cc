// Requests that wait for a review, and what those get who are not let in.
#include "gate.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_set>

#include "auth.h"
#include "http_response.h"
#include "problem.h"
#include "query.h"

constexpr size_t MOST_SHOWN = 512; // bytes of a path, in a reply

// A request that waits. Lives from gate_check until on_checked, or until its client leaves.
struct visitor {
    struct gate *gate;
    struct http_request *request;
    struct auth_check *check;
    struct review_access access;
};

struct gate {
    struct gate_options options;
    std::unordered_set<struct visitor *> waiting;
};

struct gate *gate_new(const struct gate_options *options)
{
    return new gate{.options = *options, .waiting = {}};
}

void gate_free(struct gate *g)
{
    if (!g)
        return;
    for (struct visitor *v : g->waiting) {
        auth_cancel(v->check);
        delete v;
    }
    delete g;
}

size_t gate_waiting(const struct gate *g)
{
    return g->waiting.size();
}

static void refuse(struct http_request *request, int status, const std::string &detail,
                   const char *name, const char *value)
{
    struct http_response response;
    problem_response(&response, status, detail);
    if (name)
        response.headers.push_back({.name = name, .value = value});
    http_reply(request, &response);
}

// What a token has to be, RFC 6750 (2.1): one word of visible ASCII. Empty where there is none.
static std::string_view bearer_token(std::string_view header)
{
    constexpr std::string_view scheme = "bearer ";
    if (header.size() <= scheme.size())
        return {};
    for (size_t i = 0; i < scheme.size(); i++)
        if ((header[i] | 0x20) != scheme[i])
            return {};
    const std::string_view token =
        header.substr(std::min(header.find_first_not_of(' ', scheme.size()), header.size()));
    for (const char c : token)
        if (c <= ' ' || c > '~' || c == ',')
            return {};
    return token;
}

static void refuse_token(const struct gate *g, struct http_request *request, bool is_there)
{
    const std::string audience = g->options.audience;
    if (is_there)
        refuse(request, 401,
               "this token is not accepted: it may have expired, or be for another audience than " +
                   audience,
               "WWW-Authenticate", "Bearer error=\"invalid_token\"");
    else
        refuse(
            request, 401,
            "this takes \"Authorization: Bearer TOKEN\" with a Kubernetes token for the audience " +
                audience + ", such as 'kubectl create token NAME --audience " + audience +
                "' makes",
            "WWW-Authenticate", "Bearer");
}

static void refuse_right(struct http_request *request, const struct review_access &access)
{
    const std::string user = http_request_user(request);
    const std::string path = access.path.substr(0, MOST_SHOWN);
    refuse(request, 403,
           user + " may not " + access.verb + " " + path +
               "; it takes a ClusterRole with that path in nonResourceURLs and that verb",
           nullptr, nullptr);
}

static void decide(struct gate *g, struct http_request *request, const struct review_access &access,
                   const struct auth_answer *answer)
{
    http_request_set_user(request, answer->user);
    switch (answer->outcome) {
    case AUTH_ALLOWED: g->options.enter(g->options.arg, request); break;
    case AUTH_BAD_TOKEN: refuse_token(g, request, true); break;
    case AUTH_DENIED: refuse_right(request, access); break;
    case AUTH_UNAVAILABLE:
        refuse(request, 503,
               "the Kubernetes API server, which knows who may do this, does not tell; try again",
               "Retry-After", "1");
        break;
    }
}

static void on_checked(void *arg, const struct auth_answer *answer)
{
    struct visitor *v = static_cast<struct visitor *>(arg);
    v->gate->waiting.erase(v);
    http_request_on_gone(v->request, nullptr, nullptr);
    decide(v->gate, v->request, v->access, answer);
    delete v;
}

static void on_client_gone(void *arg)
{
    struct visitor *v = static_cast<struct visitor *>(arg);
    auth_cancel(v->check);
    v->gate->waiting.erase(v);
    delete v;
}

// The methods of HTTP in small letters are RBAC's verbs. Who may GET may HEAD: it tells less.
static std::string verb_of(enum http_method method)
{
    std::string verb = http_method_name(method == HTTP_HEAD ? HTTP_GET : method);
    for (char &c : verb)
        c = static_cast<char>(c | 0x20);
    return verb;
}

void gate_check(struct gate *g, struct http_request *request, bool any_user)
{
    const std::string header = http_request_list(request, "Authorization");
    const std::string_view target = http_request_target(request);
    const enum http_method method = http_request_method(request);
    const struct auth_question question = {
        .token = bearer_token(header),
        .any_user = any_user,
        .changes = method != HTTP_GET && method != HTTP_HEAD,
        .access = {.path = query_decode(target.substr(0, target.find('?'))),
                   .verb = verb_of(method)},
    };
    struct auth_answer answer;
    if (question.token.empty()) {
        refuse_token(g, request, false);
    } else if (auth_recall(g->options.auth, &question, &answer)) {
        decide(g, request, question.access, &answer);
    } else if (g->waiting.size() >= g->options.max_waiting) {
        refuse(request, 503, "too many requests wait for the Kubernetes API server; try again",
               "Retry-After", "1");
    } else {
        struct visitor *v =
            new visitor{.gate = g, .request = request, .check = nullptr, .access = question.access};
        g->waiting.insert(v);
        http_request_on_gone(request, on_client_gone, v);
        v->check = auth_start(g->options.auth, &question, on_checked, v);
    }
}
