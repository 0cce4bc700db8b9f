// Tracing sessions.
#include "sim_session.h"

#include "sim_text.h"

constexpr unsigned TICK_MS = 100;
constexpr unsigned SILENT_MS = 5020; // as measured: the node waits five seconds for output
constexpr uint64_t LINES_MAX = 10000;

unsigned sim_session_start_ms(const struct sim_session *s)
{
    return s->hook == "silent" ? SILENT_MS : 0;
}

const char *sim_session_end(const struct sim_session *s)
{
    return s->hook == "fail" ? "exit status 1" : "signal: interrupt";
}

static void append_strings(std::string *out, const std::vector<std::string> &list)
{
    *out += '[';
    for (size_t i = 0; i < list.size(); i++) {
        if (i > 0)
            *out += ',';
        text_append_json(out, list[i]);
    }
    *out += ']';
}

static void append_containers(std::string *out, const struct sim_session *s)
{
    char comma = '{';
    for (const auto &[pod, ids] : s->containers) {
        *out += comma;
        text_append_json(out, pod);
        *out += ':';
        append_strings(out, ids);
        comma = ',';
    }
    *out += '}';
}

// What the hook has printed by now. The number is one that a double cannot hold.
static void append_output(std::string *out, const struct sim_session *s)
{
    if (!s->running) {
        *out += "null,\"Error\":null";
        return;
    }
    if (s->hook == "fail") {
        *out += "[],\"Error\":[\"no such tracepoint\"]";
        return;
    }
    if (s->hook == "silent") {
        *out += "[],\"Error\":[]";
        return;
    }
    uint64_t lines = (text_now_ms() - s->started_ms) / TICK_MS;
    if (lines > LINES_MAX)
        lines = LINES_MAX;
    *out += '[';
    text_append_json(out, s->command);
    for (uint64_t i = 1; i <= lines; i++)
        text_append(out, ",\"tick %llu 9007199254740993\"", static_cast<unsigned long long>(i));
    *out += "],\"Error\":[]";
}

void sim_session_append(std::string *out, const struct sim_session *s, std::string_view node)
{
    const unsigned long long id = s->id;
    text_append(out, "\"%llu\":{\"Id\":\"%llu\",\"Context\":", id, id);
    text_append_json(out, s->context);
    *out += ",\"Node\":";
    text_append_json(out, node);
    *out += ",\"Containers\":";
    append_containers(out, s);
    *out += ",\"TraceHook\":";
    text_append_json(out, s->hook);
    *out += ",\"TraceParams\":";
    append_strings(out, s->params);
    *out += s->running ? ",\"Running\":true,\"Output\":" : ",\"Running\":false,\"Output\":";
    append_output(out, s);
    *out += '}';
}
