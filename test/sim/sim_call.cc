// Control requests about the API server.
#include "sim_call.h"

#include <cerrno>
#include <cstring>

#include "sim_answer.h"
#include "sim_fault.h"
#include "sim_kube.h"
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

static void post_api_fault(const struct sim_call *call)
{
    struct sim_kube_fault fault = {};
    fault.kind = sim_call_text(call, "kind");
    fault.status = static_cast<int>(text_query_number(call->query, "status", 0));
    if (fault.kind.empty() || fault.kind.starts_with("status"))
        fault.kind = "status";
    if (fault.kind == "status" && (fault.status < 400 || fault.status > 599)) {
        sim_call_bad(call, "status= is missing, or none of an error");
        return;
    }
    fault.path = sim_call_text(call, "path");
    fault.count = text_query_number(call->query, "count", FAULT_FOR_EVER);
    fault.later_pages = text_query_number(call->query, "page", 1) >= 2;
    fault.retry_after = static_cast<unsigned>(
        text_query_number(call->query, "retry-after", fault.status == 429 ? 1 : 0));
    if (sim_kube_add_fault(call->kube, &fault))
        sim_call_ok(call);
    else if (errno == 0)
        sim_call_bad(call, "kind= is one of: down hang garbage null-items status");
    else
        sim_call_done(call, false);
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
};

sim_call_fn sim_call_find(std::string_view method, std::string_view path)
{
    for (const auto &route : routes)
        if (method == route.method && path == route.path)
            return route.handle;
    return nullptr;
}
