// Control requests about the API server.
#include "sim_call.h"

#include <cerrno>
#include <cstring>

#include "sim_account.h"
#include "sim_answer.h"
#include "sim_cluster.h"
#include "sim_fault.h"
#include "sim_kube.h"
#include "sim_server.h"
#include "sim_text.h"

void sim_call_ok(const struct sim_call *call)
{
    sim_answer_text(call->answer, 200, "ok\n");
}

void sim_call_bad(const struct sim_call *call, const std::string &reason)
{
    sim_answer_text(call->answer, 400, reason + '\n');
}

void sim_call_done(const struct sim_call *call, bool ok)
{
    if (ok)
        sim_call_ok(call);
    else
        sim_answer_text(call->answer, 409, std::string(strerror(errno)) + '\n');
}

std::string sim_call_text(const struct sim_call *call, const char *name)
{
    std::string value;
    (void)text_query(call->query, name, &value);
    return value;
}

bool sim_call_flag(const struct sim_call *call, const char *name, bool fallback)
{
    const std::string value = sim_call_text(call, name);
    return value.empty() ? fallback : value == "true" || value == "1";
}

// What /api-fault and /watch-fault have in common. False after it has answered.
static bool read_fault(const struct sim_call *call, struct sim_kube_fault *fault)
{
    fault->status = static_cast<int>(text_query_number(call->query, "status", 0));
    if (fault->kind == "status" && (fault->status < 400 || fault->status > 599)) {
        sim_call_bad(call, "status= is missing, or none of an error");
        return false;
    }
    fault->path = sim_call_text(call, "path");
    fault->count = text_query_number(call->query, "count", FAULT_FOR_EVER);
    fault->retry_after = static_cast<unsigned>(
        text_query_number(call->query, "retry-after", fault->status == 429 ? 1 : 0));
    return true;
}

static void post_api_fault(const struct sim_call *call)
{
    struct sim_kube_fault fault = {};
    const std::string verb = sim_call_text(call, "verb");
    fault.kind = sim_call_text(call, "kind");
    if (fault.kind.empty() || fault.kind.starts_with("status"))
        fault.kind = "status";
    fault.later_pages = text_query_number(call->query, "page", 1) >= 2;
    fault.only_lists = verb == "list";
    fault.only_watches = verb == "watch";
    if (!read_fault(call, &fault))
        return;
    if (fault.kind != "stream" && sim_kube_add_fault(call->kube, &fault))
        sim_call_ok(call);
    else if (fault.kind == "stream" || errno == 0)
        sim_call_bad(call, "kind= is one of: down hang garbage null-items status");
    else
        sim_call_done(call, false);
}

// Of a watch that is asked for, or of those that are open.
static void post_watch_fault(const struct sim_call *call)
{
    struct sim_kube_fault fault = {};
    fault.kind = sim_call_text(call, "kind");
    if (sim_stream_kind_of(fault.kind, &fault.stream.kind))
        fault.kind = "stream";
    if (fault.kind != "stream" && fault.kind != "status" && fault.kind != "redirect" &&
        fault.kind != "hang") {
        sim_call_bad(call, "kind= is one of: status redirect hang " + sim_stream_names());
        return;
    }
    if (!read_fault(call, &fault))
        return;
    if (fault.kind == "redirect") {
        fault.kind = "status";
        fault.status = 302;
    }
    fault.only_watches = true;
    fault.stream.events = text_query_number(call->query, "events", 0);
    fault.stream.bytes = text_query_number(call->query, "bytes", 0);
    fault.stream.retry_after = fault.retry_after;
    if (!sim_call_flag(call, "open", false)) {
        sim_call_done(call, sim_kube_add_fault(call->kube, &fault));
    } else if (fault.kind != "stream") {
        sim_call_bad(call, "a watch that is open has been answered already");
    } else {
        sim_watch_spoil(&call->kube->watches, fault.path, &fault.stream);
        sim_call_ok(call);
    }
}

static void delete_watch_fault(const struct sim_call *call)
{
    sim_kube_heal_watches(call->kube);
    sim_call_ok(call);
}

static void post_watch_end(const struct sim_call *call)
{
    sim_watch_end(&call->kube->watches, sim_call_text(call, "path"),
                  sim_call_flag(call, "reset", false));
    sim_call_ok(call);
}

static void post_compact(const struct sim_call *call)
{
    sim_event_compact(call->cluster);
    sim_call_ok(call);
}

static void delete_api_fault(const struct sim_call *call)
{
    sim_call_done(call, sim_kube_heal(call->kube));
}

static void post_slices(const struct sim_call *call)
{
    call->kube->options.forbid_slices = sim_call_flag(call, "forbidden", false);
    sim_call_ok(call);
}

static void post_watch(const struct sim_call *call)
{
    sim_kube_forbid_watches(call->kube, sim_call_text(call, "path"),
                            sim_call_flag(call, "forbidden", false));
    sim_call_ok(call);
}

static void post_watch_bookmark(const struct sim_call *call)
{
    struct sim_watches *watches = &call->kube->watches;
    watches->bookmark_ms = text_query_number(call->query, "every", watches->bookmark_ms);
    sim_watch_bookmark(watches, sim_call_text(call, "path"));
    sim_call_ok(call);
}

// Writes the account's folder if that is wished; false after it has answered.
static bool write_account(const struct sim_call *call, bool wished)
{
    struct sim_account *account = call->kube->options.account;
    if (!wished || (account && sim_account_write(account)))
        return true;
    if (account)
        sim_call_done(call, false);
    else
        sim_call_bad(call, "there is no folder: --tls was not given");
    return false;
}

static void set_account_token(const struct sim_call *call, const char *name)
{
    std::string token;
    if (call->kube->options.account && text_query(call->query, name, &token))
        call->kube->options.account->token = token;
}

static void post_token(const struct sim_call *call)
{
    call->kube->options.token = sim_call_text(call, "value");
    const bool wished = sim_call_flag(call, "write", false);
    if (wished)
        set_account_token(call, "value");
    if (write_account(call, wished))
        sim_call_ok(call);
}

static void post_account_files(const struct sim_call *call)
{
    set_account_token(call, "token");
    if (write_account(call, true))
        sim_call_ok(call);
}

static void post_ca_rotate(const struct sim_call *call)
{
    if (!sim_kube_rotate(call->kube))
        sim_call_bad(call, "there are no certificates: --tls was not given");
    else if (write_account(call, sim_call_flag(call, "write", true)))
        sim_call_ok(call);
    if (sim_call_flag(call, "reset", false))
        sim_server_reset_conns(call->kube->server);
}

static void post_user(const struct sim_call *call)
{
    const struct sim_user user = {.token = sim_call_text(call, "token"),
                                  .name = sim_call_text(call, "name"),
                                  .groups = text_split(sim_call_text(call, "groups")),
                                  .audiences = text_split(sim_call_text(call, "audiences"))};
    if (user.token.empty() || user.name.empty()) {
        sim_call_bad(call, "token= and name= are needed");
        return;
    }
    sim_review_add_user(&call->kube->reviews, user);
    sim_call_ok(call);
}

static void delete_users(const struct sim_call *call)
{
    call->kube->reviews = {};
    sim_call_ok(call);
}

static void post_right(const struct sim_call *call)
{
    const struct sim_right right = {.subject = sim_call_text(call, "of"),
                                    .path = sim_call_text(call, "path"),
                                    .verbs = text_split(sim_call_text(call, "verbs")),
                                    .denied = sim_call_flag(call, "denied", false)};
    if (right.subject.empty() || right.path.empty() || right.verbs.empty()) {
        sim_call_bad(call, "of=, path= and verbs= are needed");
        return;
    }
    call->kube->reviews.rights.push_back(right);
    sim_call_ok(call);
}

void sim_call_append_resources(std::string *out, const struct sim_kube *k)
{
    char before = '{';
    for (size_t i = 0; i < RESOURCES; i++) {
        const enum sim_resource resource = static_cast<enum sim_resource>(i);
        text_append(out, "%c\"%s\":{", before, sim_resource_find(resource)->name);
        sim_stats_append_resource(out, &k->resources[i]);
        text_append(out, ",\"openWatches\":%zu}", sim_watch_count(&k->watches, resource));
        before = ',';
    }
    *out += '}';
}

static const struct {
    const char *method, *path;
    sim_call_fn handle;
} routes[] = {
    {"POST", "/api-fault", post_api_fault},
    {"DELETE", "/api-fault", delete_api_fault},
    {"POST", "/slices", post_slices},
    {"POST", "/watch", post_watch},
    {"POST", "/watch-bookmark", post_watch_bookmark},
    {"POST", "/watch-fault", post_watch_fault},
    {"DELETE", "/watch-fault", delete_watch_fault},
    {"POST", "/watch-end", post_watch_end},
    {"POST", "/compact", post_compact},
    {"POST", "/token", post_token},
    {"POST", "/user", post_user},
    {"DELETE", "/user", delete_users},
    {"POST", "/right", post_right},
    {"POST", "/account-files", post_account_files},
    {"POST", "/ca-rotate", post_ca_rotate},
};

sim_call_fn sim_call_find(std::string_view method, std::string_view path)
{
    for (const auto &route : routes)
        if (method == route.method && path == route.path)
            return route.handle;
    return nullptr;
}
