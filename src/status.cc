// The database as a document for people and scripts. Pure.
#include "status.h"

#include <algorithm>

#include "clock.h"
#include "discovery.h"
#include "json_text.h"
#include "nodes.h"
#include "rope.h"

// "" for never.
static std::string time_text(int64_t wall_ms)
{
    return wall_ms == 0 ? "" : clock_text(wall_ms);
}

static void append_key(std::string *out, const char *key)
{
    *out += '"';
    *out += key;
    *out += "\":";
}

static void append_text(std::string *out, const char *key, std::string_view text)
{
    append_key(out, key);
    if (text.empty())
        *out += "null";
    else
        json_append_string(out, text);
}

static void append_number(std::string *out, const char *key, int64_t number)
{
    append_key(out, key);
    *out += std::to_string(number);
}

// Null where there was no answer.
static void append_status(std::string *out, int status)
{
    *out += "\"status\":" + (status == 0 ? "null" : std::to_string(status));
}

static void append_bool(std::string *out, const char *key, bool value)
{
    append_key(out, key);
    *out += value ? "true" : "false";
}

static void append_discovery(std::string *out, const struct discovery_status *d, int64_t now_ms)
{
    append_text(out, "source", d->source);
    *out += ',';
    append_text(out, "mode", d->mode);
    *out += ',';
    append_bool(out, "synced", d->synced);
    *out += ',';
    append_text(out, "last-success", d->age_ms < 0 ? "" : clock_text(now_ms - d->age_ms));
    *out += ",\"age-ms\":";
    *out += d->age_ms < 0 ? "null" : std::to_string(d->age_ms);
    *out += ',';
    append_number(out, "lists", static_cast<int64_t>(d->lists));
    *out += ',';
    append_number(out, "watches", static_cast<int64_t>(d->watches));
    *out += ',';
    append_number(out, "events", static_cast<int64_t>(d->events));
    *out += ',';
    append_number(out, "failures", static_cast<int64_t>(d->failures));
    *out += ',';
    append_number(out, "failures-in-row", static_cast<int64_t>(d->failures_in_row));
    *out += ',';
    append_number(out, "rejected-endpoints", static_cast<int64_t>(d->rejected));
    *out += ',';
    append_text(out, "last-error", d->last_error);
}

static void append_outcome(std::string *out, const struct node &n)
{
    *out += "\"last-outcome\":";
    if (!n.asked) {
        *out += "null";
        return;
    }
    *out += '{';
    append_text(out, "outcome", outcome_name(n.outcome));
    *out += ',';
    append_text(out, "reason", reason_name(n.reason));
    *out += ',';
    append_status(out, n.status);
    *out += ',';
    append_number(out, "ms", n.ms);
    *out += ',';
    append_text(out, "at", time_text(n.outcome_at_ms));
    *out += '}';
}

static void append_failure(std::string *out, const struct node &n)
{
    append_text(out, "failing-since", time_text(n.failing_since_ms));
    *out += ",\"last-failure\":";
    const struct node_failure &f = n.last_failure;
    if (f.at_ms == 0) {
        *out += "null";
        return;
    }
    *out += '{';
    append_text(out, "reason", reason_name(f.reason));
    *out += ',';
    append_status(out, f.status);
    *out += ',';
    append_number(out, "ms", f.ms);
    *out += ',';
    append_text(out, "at", time_text(f.at_ms));
    *out += ',';
    append_text(out, "detail", f.detail);
    *out += '}';
}

static void append_circuit(std::string *out, const struct breaker &b)
{
    *out += "\"circuit\":{";
    append_text(out, "state", b.open ? "open" : "closed");
    *out += ',';
    append_number(out, "failures-in-row", b.failures);
    *out += '}';
}

// `current_ms`: wall clock, when all nodes were last known to be there; 0: never.
static void append_node(std::string *out, const struct node &n, int64_t current_ms)
{
    *out += '{';
    append_text(out, "name", n.face->name);
    *out += ',';
    append_text(out, "node", n.record.node);
    *out += ',';
    append_text(out, "pod", n.record.pod);
    *out += ',';
    append_text(out, "namespace", n.record.ns);
    *out += ',';
    append_text(out, "address", n.face->base.substr(n.face->base.find("://") + 3));
    *out += ',';
    append_bool(out, "ready", n.record.ready);
    *out += ',';
    append_bool(out, "terminating", n.record.terminating);
    *out += ',';
    append_text(out, "first-seen", time_text(n.first_seen_ms));
    *out += ',';
    append_text(out, "last-seen", time_text(std::max(n.last_seen_ms, current_ms)));
    *out += ',';
    append_outcome(out, n);
    *out += ',';
    append_failure(out, n);
    *out += ',';
    append_circuit(out, n.breaker);
    *out += '}';
}

void status_document(const struct nodes *db, const struct status_facts *facts, struct rope *out)
{
    const struct discovery_status *discovery = facts->discovery;
    const int64_t now_ms = facts->now_ms;
    std::string text = "{\"discovery\":{";
    append_discovery(&text, discovery, now_ms);
    text += "},\"requests\":{";
    append_number(&text, "in-progress", static_cast<int64_t>(facts->in_progress));
    text += ',';
    append_number(&text, "max", static_cast<int64_t>(facts->max_requests));
    text += "},\"loop\":{";
    append_number(&text, "longest-hold-up-ms", facts->hold_up_ms);
    text += "},\"nodes\":[";
    bool first = true;
    const int64_t current_ms = discovery->age_ms < 0 ? 0 : now_ms - discovery->age_ms;
    for (const struct node &n : nodes_all(db)) {
        text += first ? "" : ",";
        first = false;
        append_node(&text, n, current_ms);
        rope_add_text(out, text); // one for all would be copied again and again as it grows
        text.clear();
    }
    rope_add_text(out, text + "]}\n");
}
