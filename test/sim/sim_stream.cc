// What a watch sends.
#include "sim_stream.h"

#include <cJSON.h>
#include <cstdlib>

#include "sim_http.h"
#include "sim_list.h"
#include "sim_text.h"

constexpr size_t BEHIND_MAX = size_t{64} * 1024 * 1024; // bytes a client may be behind
constexpr uint64_t BIG_SIZE = 20 * 1000 * 1000;
constexpr unsigned RESET_MS = 50; // so that the client has read the first half

static const struct {
    const char *name;
    enum sim_stream_kind kind;
} kinds[] = {
    {"end", STREAM_END},
    {"error-410", STREAM_ERROR_410},
    {"error-429", STREAM_ERROR_429},
    {"error-500", STREAM_ERROR_500},
    {"silent", STREAM_SILENT},
    {"cut", STREAM_CUT},
    {"cut-end", STREAM_CUT_END},
    {"reset", STREAM_RESET},
    {"stall", STREAM_STALL},
    {"garbage", STREAM_GARBAGE},
    {"big", STREAM_BIG},
    {"no-version", STREAM_NO_VERSION},
    {"unknown-type", STREAM_UNKNOWN_TYPE},
    {"one-byte", STREAM_ONE_BYTE},
    {"pairs", STREAM_PAIRS},
    {"crlf", STREAM_CRLF},
    {"no-newline", STREAM_NO_NEWLINE},
    {"pretty", STREAM_PRETTY},
};

bool sim_stream_kind_of(std::string_view name, enum sim_stream_kind *kind)
{
    for (const auto &row : kinds) {
        if (name != row.name)
            continue;
        *kind = row.kind;
        return true;
    }
    return false;
}

std::string sim_stream_names()
{
    std::string names;
    for (const auto &row : kinds)
        names += (names.empty() ? "" : " ") + std::string(row.name);
    return names;
}

static void append_chunk(std::string *out, std::string_view text)
{
    text_append(out, "%zx\r\n", text.size());
    *out += text;
    *out += "\r\n";
}

static void write_chunk(struct sim_stream *s, std::string_view text)
{
    std::string chunk;
    chunk.reserve(text.size() + 32);
    append_chunk(&chunk, text);
    *s->bytes += text.size();
    sim_conn_write(s->conn, chunk);
}

static void write_bytes(struct sim_stream *s, std::string_view text)
{
    std::string chunks;
    for (size_t i = 0; i < text.size(); i++)
        append_chunk(&chunks, text.substr(i, 1));
    *s->bytes += text.size();
    sim_conn_write(s->conn, chunks);
}

// An event waits for the next one, and they come in one chunk.
static void write_pairs(struct sim_stream *s, const std::string &event)
{
    const bool is_second = !s->held.empty();
    s->held += event;
    if (!is_second)
        return;
    write_chunk(s, s->held);
    s->held.clear();
}

static std::string pretty_of(const std::string &event)
{
    cJSON *tree = cJSON_Parse(event.c_str());
    char *printed = cJSON_Print(tree);
    const std::string text = printed ? std::string(printed) + '\n' : event;
    cJSON_free(printed);
    cJSON_Delete(tree);
    return text;
}

static void write_event(struct sim_stream *s, const std::string &event)
{
    const std::string_view line = event;
    if (s->fault.kind == STREAM_ONE_BYTE)
        write_bytes(s, line);
    else if (s->fault.kind == STREAM_PAIRS)
        write_pairs(s, event);
    else if (s->fault.kind == STREAM_CRLF)
        write_chunk(s, std::string(line.substr(0, line.size() - 1)) + "\r\n");
    else if (s->fault.kind == STREAM_NO_NEWLINE)
        write_chunk(s, line.substr(0, line.size() - 1));
    else if (s->fault.kind == STREAM_PRETTY)
        write_chunk(s, pretty_of(event));
    else
        write_chunk(s, line);
}

static std::string without_version(std::string event)
{
    static const char key[] = "\"resourceVersion\":\"";
    const size_t at = event.find(key);
    if (at == std::string::npos)
        return event;
    size_t end = event.find('"', at + sizeof key - 1) + 1;
    if (event[end] == ',')
        end++;
    return event.erase(at, end - at);
}

// The same event with a member in its metadata that nobody knows, to be of this size.
static std::string padded(std::string event, uint64_t size)
{
    static const char key[] = "\"metadata\":{", frame[] = "\"padding\":\"\",";
    const size_t at = event.find(key), least = event.size() + sizeof frame - 1;
    if (at == std::string::npos || size < least)
        return event;
    const std::string padding(static_cast<size_t>(size) - least, 'x');
    return event.insert(at + sizeof key - 1, "\"padding\":\"" + padding + "\",");
}

static void on_reset_time(struct sim_conn *c)
{
    sim_conn_reset(c);
}

// Sends what the fault makes of an event, once.
static enum sim_stream_state spoil_event(struct sim_stream *s, const std::string &event)
{
    const struct sim_stream_fault fault = s->fault;
    const std::string half = event.substr(0, event.size() / 2);
    s->fault.kind = STREAM_PLAIN;
    if (fault.kind == STREAM_BIG) {
        write_chunk(s, padded(event, fault.bytes ? fault.bytes : BIG_SIZE));
    } else if (fault.kind == STREAM_NO_VERSION) {
        write_chunk(s, without_version(event));
    } else if (fault.kind == STREAM_GARBAGE) {
        write_chunk(s, "\x01\x02 no JSON {[\n");
        write_chunk(s, event);
    } else if (fault.kind == STREAM_UNKNOWN_TYPE) {
        write_chunk(s, "{\"type\":\"RENAMED\"" + event.substr(event.find(",\"object\":")));
        write_chunk(s, event);
    } else {
        write_chunk(s, half);
        s->silent = true;
        if (fault.kind == STREAM_CUT_END)
            return STREAM_ENDS;
        if (fault.kind == STREAM_RESET)
            sim_conn_later(s->conn, RESET_MS, on_reset_time);
        else if (fault.kind == STREAM_CUT)
            sim_conn_close(s->conn);
        return fault.kind == STREAM_STALL ? STREAM_GOES_ON : STREAM_GONE;
    }
    return STREAM_GOES_ON;
}

static bool spoils_one(enum sim_stream_kind kind)
{
    return kind >= STREAM_CUT && kind <= STREAM_UNKNOWN_TYPE;
}

// Whether it is over after the events so far.
static enum sim_stream_state check_end(struct sim_stream *s)
{
    const enum sim_stream_kind kind = s->fault.kind;
    if (s->sent < s->fault.events || kind < STREAM_END || kind > STREAM_SILENT)
        return STREAM_GOES_ON;
    const std::string details =
        s->fault.retry_after > 0
            ? "{\"retryAfterSeconds\":" + std::to_string(s->fault.retry_after) + '}'
            : "";
    s->fault.kind = STREAM_PLAIN;
    if (kind == STREAM_ERROR_410)
        sim_stream_send_error(s, 410, "too old resource version: 1 (2)", details);
    else if (kind == STREAM_ERROR_429)
        sim_stream_send_error(s, 429, "storage is (re)initializing", details);
    else if (kind == STREAM_ERROR_500)
        sim_stream_send_error(s, 500, "Internal error occurred: injected", details);
    s->silent = kind == STREAM_SILENT;
    return s->silent ? STREAM_GOES_ON : STREAM_ENDS;
}

enum sim_stream_state sim_stream_begin(struct sim_stream *s, const struct sim_stream_fault *fault)
{
    s->fault = *fault;
    s->sent = 0;
    return check_end(s);
}

enum sim_stream_state sim_stream_send(struct sim_stream *s, const std::string &event)
{
    if (s->silent)
        return STREAM_GOES_ON;
    if (sim_conn_waiting(s->conn) > BEHIND_MAX) {
        sim_conn_reset(s->conn);
        return STREAM_GONE;
    }
    if (spoils_one(s->fault.kind) && s->sent == s->fault.events)
        return spoil_event(s, event);
    s->sent++;
    write_event(s, event);
    return check_end(s);
}

void sim_stream_send_error(struct sim_stream *s, int code, std::string_view message,
                           std::string_view details)
{
    std::string text = "{\"type\":\"ERROR\",\"object\":";
    sim_list_append_status(&text, code, message, details);
    write_event(s, text + "}\n");
}

void sim_stream_end(struct sim_stream *s)
{
    if (!s->held.empty())
        write_chunk(s, s->held);
    sim_conn_write(s->conn, "0\r\n\r\n");
}
