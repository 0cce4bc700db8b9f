// Faults of the API server.
#include "sim_kube_fault.h"

#include "sim_answer.h"
#include "sim_fault.h"
#include "sim_http.h"
#include "sim_list.h"
#include "sim_text.h"
#include "sim_watch.h"

struct sim_kube_fault *sim_kube_fault_find(std::vector<struct sim_kube_fault> *faults,
                                           const struct sim_request *r)
{
    const bool is_watch = sim_watch_is_asked(r->query);
    std::string token;
    const bool later = text_query(r->query, "continue", &token) && !token.empty();
    for (struct sim_kube_fault &f : *faults) {
        if (f.count == 0 || !text_has_part(r->path, f.path) || (f.later_pages && !later) ||
            (is_watch ? f.only_lists : f.only_watches))
            continue;
        if (f.count != FAULT_FOR_EVER)
            f.count--;
        return &f;
    }
    return nullptr;
}

static void answer_429(const struct sim_kube_fault *f, struct sim_answer *a)
{
    sim_answer_text(a, 429, "Too many requests, please try again later.\n");
    a->headers = "Content-Type: text/plain; charset=utf-8\r\n"
                 "Retry-After: " +
                 std::to_string(f->retry_after) + "\r\nX-Content-Type-Options: nosniff\r\n";
}

void sim_kube_fault_answer(const struct sim_kube_fault *f, const struct sim_request *r,
                           struct sim_answer *a)
{
    struct sim_target target = {.resource = RESOURCE_PODS, .name_space = "", .page_limit = 0};
    (void)sim_target_read(r->path, &target);
    if (f->status == 429) {
        answer_429(f, a);
        return;
    }
    if (f->status == 302) {
        sim_answer_text(a, 302, "<a href=\"/version\">Found</a>.\n\n");
        a->headers = "Content-Type: text/html; charset=utf-8\r\nLocation: /version\r\n";
        return;
    }
    if (f->status == 401) {
        sim_list_status(a, 401, "Unauthorized", "");
    } else if (f->status == 403) {
        sim_list_forbidden(&target, sim_watch_is_asked(r->query) ? "watch" : "list", a);
    } else if (f->status == 410) {
        sim_list_status(a, 410,
                        sim_watch_is_asked(r->query)
                            ? "The resourceVersion for the provided watch is too old."
                            : "The provided continue parameter is too old to display a consistent "
                              "list result.",
                        "");
    } else if (f->status == 503) {
        sim_list_status(a, 503,
                        "the server is currently unable to handle "
                        "the request",
                        "");
    } else {
        sim_list_status(a, f->status, "Internal error occurred: injected", "");
    }
    if (f->retry_after > 0)
        a->headers += "Retry-After: " + std::to_string(f->retry_after) + "\r\n";
}
