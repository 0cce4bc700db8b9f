// The REST API of a tracer-node, as recorded from real ones: errors of GET are 400, of PUT and
// DELETE 404 with two documents, and what is empty is the JSON string "{}".
#include "sim_node_api.h"

#include <cjson/cJSON.h>
#include <strings.h>
#include <sys/random.h>

#include "sim_answer.h"
#include "sim_http.h"
#include "sim_node.h"
#include "sim_text.h"

static const char EMPTY[] = "\"{}\"";
static const char SESSIONS[] = "/v1/trace-session";
static const char HOOK_DIRECTORY[] = "/opt/trace-hooks/demo";

static const struct {
    const char *hook, *description;
} descriptions[] = {
    {"fail", "[\"Fail at once\"]"},
    {"silent", "[\"Print nothing\"]"},
    {"ticker", "[\"Print a line every 100 ms\",\"until stopped\"]"},
};

// A JSON string; of PUT and DELETE, followed by the document that the handler sends nevertheless.
static void answer_error(struct sim_answer *a, int status, std::string_view text)
{
    std::string body;
    text_append_json(&body, text);
    if (status == 404)
        body += EMPTY;
    sim_answer_json(a, status, body);
}

// 400 of a body that is no JSON: the handler forgets the content type, and Go guesses one.
static void answer_bad_body(struct sim_answer *a, std::string_view reason)
{
    a->status = 400;
    a->headers.clear();
    a->late_headers = "Content-Type: text/plain; charset=utf-8\r\n";
    a->body.clear();
    text_append_json(&a->body, reason);
}

// Parses the body of a request; null after it has answered. The caller frees.
static cJSON *parse_body(const struct sim_request *r, struct sim_answer *a)
{
    const char *end = nullptr;
    const size_t start = r->body.find_first_not_of(" \t\r\n");
    if (start == std::string_view::npos) {
        answer_bad_body(a, "EOF");
        return nullptr;
    }
    const std::string body(r->body);
    cJSON *json = cJSON_ParseWithOpts(body.c_str(), &end, 0);
    if (cJSON_IsObject(json))
        return json;
    if (cJSON_IsNull(json)) { // leaves all as it was
        cJSON_Delete(json);
        return cJSON_CreateObject();
    }
    if (json)
        answer_bad_body(a, "json: cannot unmarshal value into Go value");
    else if (end && static_cast<size_t>(end - body.c_str()) + 1 >= body.size())
        answer_bad_body(a, "unexpected EOF");
    else
        answer_bad_body(a, "invalid character looking for beginning of value");
    cJSON_Delete(json);
    return nullptr;
}

// Reads the decimal id of a path. False after it has answered with `status`.
static bool parse_id(std::string_view text, int status, uint64_t *id, struct sim_answer *a)
{
    if (text_number(text, id))
        return true;
    const bool digits = text.find_first_not_of("0123456789") == std::string_view::npos;
    std::string reason = "strconv.ParseUint: parsing \"" + std::string(text) + "\": ";
    reason += digits ? "value out of range" : "invalid syntax";
    answer_error(a, status, reason);
    return false;
}

static struct sim_session *find_session(struct sim_node *node, uint64_t id)
{
    const auto at = node->sessions.find(std::to_string(id));
    return at == node->sessions.end() ? nullptr : &at->second;
}

static void answer_no_session(struct sim_answer *a, int status, uint64_t id)
{
    answer_error(a, status, "No session with ID " + std::to_string(id));
}

static void answer_hooks(const struct sim_node *node, struct sim_answer *a)
{
    if (node->hooks.empty()) {
        sim_answer_json(a, 200, EMPTY);
        return;
    }
    std::string body = "{\"" + std::string(HOOK_DIRECTORY) + "\":{\"Tracers\":";
    char comma = '{';
    for (const std::string &hook : node->hooks) {
        body += comma;
        comma = ',';
        text_append_json(&body, hook);
        body += ":{\"Name\":";
        text_append_json(&body, hook);
        const char *description = "[]";
        for (const auto &row : descriptions)
            if (hook == row.hook)
                description = row.description;
        body += ",\"Description\":" + std::string(description) + "}";
    }
    sim_answer_json(a, 200, body + "}}}");
}

static void answer_sessions(const struct sim_node *node, struct sim_answer *a)
{
    std::string body;
    for (const auto &[id, session] : node->sessions) {
        body += body.empty() ? '{' : ',';
        sim_session_append(&body, &session, node->name);
    }
    sim_answer_json(a, 200, body.empty() ? EMPTY : body + '}');
}

static void answer_session(const struct sim_node *node, const struct sim_session *s,
                           struct sim_answer *a)
{
    std::string body = "{";
    sim_session_append(&body, s, node->name);
    sim_answer_json(a, 200, body + '}');
}

static void get_session(struct sim_node *node, std::string_view text, struct sim_answer *a)
{
    uint64_t id;
    if (text == "all") {
        answer_sessions(node, a);
        return;
    }
    if (!parse_id(text, 400, &id, a))
        return;
    const struct sim_session *s = find_session(node, id);
    if (s)
        answer_session(node, s, a);
    else
        answer_no_session(a, 400, id);
}

// The last member `name` in any case of letters that is not null, or null; *wrong: one was not `kind`.
static const cJSON *find_member(const cJSON *json, const char *name, int kind, bool *wrong)
{
    const cJSON *found = nullptr;
    const cJSON *item = nullptr;
    *wrong = false;
    cJSON_ArrayForEach(item, json)
    {
        if (strcasecmp(item->string, name) != 0 || cJSON_IsNull(item))
            continue;
        if (!(item->type & kind))
            *wrong = true;
        found = item;
    }
    return found;
}

static void answer_wrong_kind(struct sim_answer *a, const char *name, const char *kind)
{
    answer_bad_body(a, std::string("json: cannot unmarshal value into Go struct field ") + name +
                           " of type " + kind);
}

// The member `name`; false after it has answered where it is no string.
static bool take_string(const cJSON *json, const char *name, std::string *text,
                        struct sim_answer *a)
{
    bool wrong;
    const cJSON *item = find_member(json, name, cJSON_String, &wrong);
    if (wrong)
        answer_wrong_kind(a, name, "string");
    else
        *text = item ? item->valuestring : "";
    return !wrong;
}

static bool has_hook(const struct sim_node *node, std::string_view name)
{
    for (const std::string &hook : node->hooks)
        if (hook == name)
            return true;
    return false;
}

static uint64_t new_id(const struct sim_node *node)
{
    uint64_t id = 0;
    while (id == 0 || node->sessions.contains(std::to_string(id)))
        if (getrandom(&id, sizeof id, 0) != static_cast<ssize_t>(sizeof id))
            id = text_now_ms();
    return id;
}

static void add_params(struct sim_session *s, std::string_view arguments)
{
    while (!arguments.empty()) {
        const std::string_view word = text_next(&arguments, ' ');
        if (!word.empty())
            s->params.emplace_back(word);
    }
}

// Fills in the containers that match, and the command line that the hook prints first.
static void add_containers(const struct sim_node *node, struct sim_session *s, std::string_view pod,
                           std::string_view name)
{
    s->command = "tracing --run " + s->hook + " --args";
    for (const struct sim_container &container : node->containers) {
        if (!text_matches(pod, container.pod) || !text_matches(name, container.name))
            continue;
        s->containers[container.pod].push_back(container.id);
        for (unsigned pid : container.tasks)
            s->command += " --pid " + std::to_string(pid);
    }
    for (const std::string &param : s->params)
        s->command += ' ' + param;
}

static void post_session(struct sim_node *node, const struct sim_request *r, struct sim_answer *a)
{
    cJSON *json = parse_body(r, a);
    if (!json)
        return;
    struct sim_session s = {};
    std::string pod, container, arguments;
    const bool ok = take_string(json, "pod", &pod, a) &&
                    take_string(json, "container", &container, a) &&
                    take_string(json, "trace-hook", &s.hook, a) &&
                    take_string(json, "trace-arguments", &arguments, a) &&
                    take_string(json, "trace-user-context", &s.context, a);
    cJSON_Delete(json);
    if (!ok)
        return;
    add_params(&s, arguments);
    add_containers(node, &s, pod, container);
    if (s.containers.empty() || !has_hook(node, s.hook)) {
        sim_answer_json(a, 404, "{}");
        return;
    }
    s.id = new_id(node);
    answer_session(node, &s, a);
    node->sessions[std::to_string(s.id)] = s;
}

static void put_session(struct sim_node *node, const struct sim_request *r, std::string_view text,
                        struct sim_answer *a)
{
    uint64_t id;
    cJSON *json = parse_body(r, a);
    if (!json)
        return;
    bool wrong;
    const bool run = cJSON_IsTrue(find_member(json, "Run", cJSON_True | cJSON_False, &wrong));
    cJSON_Delete(json);
    if (wrong) {
        answer_wrong_kind(a, "Run", "bool");
        return;
    }
    if (!parse_id(text, 404, &id, a))
        return;
    struct sim_session *s = find_session(node, id);
    if (!s) {
        answer_no_session(a, 404, id);
    } else if (run && s->running) {
        answer_error(a, 404, "Tracing session is running already.");
    } else if (!run && s->running) {
        answer_error(a, 404, sim_session_end(s));
        s->running = false;
    } else {
        sim_answer_json(a, 200, EMPTY);
        a->after_ms = run ? sim_session_start_ms(s) : 0;
        s->running = run;
        s->started_ms = text_now_ms();
    }
}

static void delete_session(struct sim_node *node, std::string_view text, struct sim_answer *a)
{
    uint64_t id;
    if (text == "all") {
        node->sessions.clear();
        sim_answer_json(a, 200, EMPTY);
        return;
    }
    if (!parse_id(text, 404, &id, a))
        return;
    const struct sim_session *s = find_session(node, id);
    if (!s) {
        answer_no_session(a, 404, id);
        return;
    }
    if (s->running)
        answer_error(a, 404, sim_session_end(s));
    else
        sim_answer_json(a, 200, EMPTY);
    node->sessions.erase(std::to_string(id));
}

// The session id of `path`, or empty where the path is none of a session.
static std::string_view session_id(std::string_view path)
{
    constexpr size_t prefix = sizeof SESSIONS; // the slash takes the place of the zero byte
    if (path.size() <= prefix || !path.starts_with(SESSIONS) || path[prefix - 1] != '/')
        return {};
    const std::string_view id = path.substr(prefix);
    return id.find('/') == std::string_view::npos ? id : std::string_view{};
}

static bool is_route(std::string_view method, std::string_view path)
{
    if (method == "GET")
        return path == "/v1/pods" || path == "/v1/trace-hooks" || !session_id(path).empty();
    if (method == "POST")
        return path == SESSIONS;
    return (method == "PUT" || method == "DELETE") && !session_id(path).empty();
}

// A path with a slash too many is redirected, any other unknown one is not found.
static void answer_no_route(std::string_view method, std::string_view path, struct sim_answer *a)
{
    sim_answer_text(a, 404, "404 page not found");
    if (path.empty() || path.back() != '/')
        return;
    path.remove_suffix(1);
    if (!is_route(method, path))
        return;
    const std::string location(path);
    a->headers = "Location: " + location + "\r\n";
    a->body.clear();
    a->status = method == "GET" ? 301 : 307;
    if (method == "GET") {
        a->headers = "Content-Type: text/html; charset=utf-8\r\n" + a->headers;
        a->body = "<a href=\"" + location + "\">Moved Permanently</a>.\n\n";
    }
}

void sim_node_answer(struct sim_node *node, const struct sim_request *r, struct sim_answer *a)
{
    const std::string_view id = session_id(r->path);
    if (!is_route(r->method, r->path))
        answer_no_route(r->method, r->path, a);
    else if (r->method == "POST")
        post_session(node, r, a);
    else if (r->method == "PUT")
        put_session(node, r, id, a);
    else if (r->method == "DELETE")
        delete_session(node, id, a);
    else if (r->path == "/v1/pods")
        sim_answer_json(a, 200, node->pods_body);
    else if (r->path == "/v1/trace-hooks")
        answer_hooks(node, a);
    else
        get_session(node, id, a);
}
