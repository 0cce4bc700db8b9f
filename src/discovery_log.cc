// The log lines of discovery.
#include "discovery_log.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "clock.h"
#include "kube_join.h"
#include "log.h"
#include "nodes.h"
#include "reflector.h"

static constexpr int64_t FAILURE_AGAIN_MS = 10 * 60 * 1000; // between two lines on one that lasts
static constexpr size_t NODES_MAX = 20; // with lines of their own: thousands would hold the loop up

static void log_node(size_t before, const char *what, const struct node_record &r)
{
    if (before >= NODES_MAX)
        return;
    log_debug("tracer-node %s (pod %s/%s, %s port %u, %s%s) %s", r.node.c_str(), r.ns.c_str(),
              r.pod.c_str(), r.host.c_str(), static_cast<unsigned>(r.port),
              r.ready ? "ready" : "not ready", r.terminating ? ", terminating" : "", what);
}

void discovery_log_changes(const struct nodes *db, const std::vector<struct node_record> &records)
{
    std::unordered_map<std::string_view, const struct node_record *> known;
    known.reserve(nodes_all(db).size());
    for (const struct node &node : nodes_all(db))
        known.emplace(node.record.key, &node.record);
    size_t came = 0, changed = 0;
    for (const struct node_record &record : records) {
        const auto at = known.find(record.key);
        if (at == known.end()) {
            log_node(came++, "came", record);
            continue;
        }
        if (*at->second != record)
            log_node(changed++, "changed", record);
        known.erase(at);
    }
    size_t went = 0;
    for (const auto &gone : known)
        log_node(went++, "went", *gone.second);
    if (came + changed + went > 0)
        log_info("tracer-nodes: %zu (%zu came, %zu went, %zu changed)", records.size(), came, went,
                 changed);
}

// Whether a complaint is due now.
static bool is_due(struct discovery_log::complaint *c, bool reason)
{
    c->checks = reason ? std::min(c->checks + 1, 3U) : 0;
    return c->checks == 2;
}

void discovery_log_complaints(struct discovery_log *log, const struct kube_joined *joined)
{
    if (is_due(&log->rejected, joined->rejected > 0))
        log_warn("%zu endpoints are not asked: no pod that matches --pods-selector stands behind",
                 joined->rejected);
    if (is_due(&log->without_port, joined->without_port > 0))
        log_warn("%zu endpoints are not asked: want an address and one TCP port, or one named http "
                 "or https",
                 joined->without_port);
    if (is_due(&log->namespaces, joined->namespaces.size() > 1))
        log_warn(
            "tracer-nodes are found in %zu namespaces, such as %s and %s: --namespace keeps to one",
            joined->namespaces.size(), joined->namespaces[0].c_str(),
            joined->namespaces[1].c_str());
}

void discovery_log_failure(struct discovery_log *log, const struct reflector_error *error,
                           bool synced, size_t known)
{
    const int64_t now_ms = clock_monotonic_ms();
    if (log->failing && error->failure == log->failure &&
        now_ms - log->failure_logged_ms < FAILURE_AGAIN_MS) {
        log_debug("discovery fails: %s", error->message);
        return;
    }
    log->failing = true;
    log->failure = error->failure;
    log->failure_logged_ms = now_ms;
    if (synced)
        log_warn("discovery fails, the tracer-nodes known (%zu) stay in use: %s", known,
                 error->message);
    else
        log_warn("discovery has not succeeded yet: %s", error->message);
}

void discovery_log_success(struct discovery_log *log)
{
    if (log->failing)
        log_info("discovery works again");
    log->failing = false;
}

void discovery_log_problem(struct discovery_log *log, const std::string &problem)
{
    if (problem == log->problem)
        return;
    if (!problem.empty())
        log_warn("what was read before stays in use: %s", problem.c_str());
    else
        log_info("the token and CA files are good again");
    log->problem = problem;
}
