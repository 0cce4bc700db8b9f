// Faults of tracer-nodes.
#include "sim_fault.h"

#include <algorithm>

#include "sim_answer.h"
#include "sim_http.h"
#include "sim_text.h"

constexpr size_t BLOCK_SIZE = 64 * 1024;
constexpr uint64_t BIG_SIZE = 100 * 1000 * 1000;
constexpr unsigned RESET_MS = 50; // so that the client has read the first half
constexpr unsigned DRIP_MS = 1000;
constexpr unsigned SLOW_MS = 1000;

static const struct {
    const char *name;
    enum sim_fault_kind kind;
    bool needs_answer;
} kinds[] = {
    {"none", FAULT_NONE, true},
    {"refuse", FAULT_REFUSE, false},
    {"swallow", FAULT_SWALLOW, false},
    {"hang", FAULT_HANG, false},
    {"head-hang", FAULT_HEAD_HANG, true},
    {"drip", FAULT_DRIP, true},
    {"slow", FAULT_SLOW, true},
    {"reset", FAULT_RESET, true},
    {"early-close", FAULT_EARLY_CLOSE, true},
    {"short-length", FAULT_SHORT_LENGTH, true},
    {"garbage", FAULT_GARBAGE, false},
    {"bad-json", FAULT_BAD_JSON, false},
    {"truncated-json", FAULT_TRUNCATED_JSON, true},
    {"non-object", FAULT_NON_OBJECT, false},
    {"doubled", FAULT_DOUBLED, true},
    {"bad-utf8", FAULT_BAD_UTF8, false},
    {"big", FAULT_BIG, false},
    {"endless", FAULT_ENDLESS, false},
    {"redirect", FAULT_REDIRECT, false},
    {"http10", FAULT_HTTP10, true},
    {"continue", FAULT_CONTINUE, true},
    {"close-idle", FAULT_CLOSE_IDLE, false},
    {"close-after", FAULT_CLOSE_AFTER, true},
    {"status-500", FAULT_STATUS_500, false},
    {"error-data", FAULT_ERROR_DATA, true},
    {"status-404", FAULT_STATUS_404, false},
    {"status-503", FAULT_STATUS_503, false},
    {"status", FAULT_STATUS, false},
    {"gzip-lie", FAULT_GZIP_LIE, true},
};

bool sim_fault_kind_of(std::string_view name, enum sim_fault_kind *kind)
{
    for (const auto &row : kinds) {
        if (name != row.name)
            continue;
        *kind = row.kind;
        return true;
    }
    return false;
}

std::string sim_fault_names()
{
    std::string names;
    for (const auto &row : kinds)
        names += (names.empty() ? "" : " ") + std::string(row.name);
    return names;
}

bool sim_fault_needs_answer(enum sim_fault_kind kind)
{
    for (const auto &row : kinds)
        if (row.kind == kind)
            return row.needs_answer;
    return true;
}

struct sim_fault *sim_fault_find(std::vector<struct sim_fault> *faults, const struct sim_request *r)
{
    for (struct sim_fault &f : *faults) {
        if (f.count == 0 || (!f.method.empty() && f.method != r->method) ||
            !r->path.starts_with(f.path))
            continue;
        // a connection's first request finds it open: only a kept one can be closed as idle
        if (f.kind == FAULT_CLOSE_IDLE && r->number < 2)
            continue;
        if (f.count != FAULT_FOR_EVER)
            f.count--;
        return &f;
    }
    return nullptr;
}

static void on_reset_time(struct sim_conn *c)
{
    sim_conn_reset(c);
}

static void on_drip_time(struct sim_conn *c)
{
    struct sim_play *play = sim_conn_play(c);
    const size_t size = std::min(play->step, play->bytes.size() - play->sent);
    sim_conn_write(c, std::string_view(play->bytes).substr(play->sent, size));
    play->sent += size;
    if (play->sent < play->bytes.size())
        sim_conn_later(c, play->interval_ms, on_drip_time);
    else
        sim_conn_finish(c);
}

static void on_big_drained(struct sim_conn *c)
{
    struct sim_play *play = sim_conn_play(c);
    if (play->left == 0) {
        sim_conn_fill(c, nullptr);
        sim_conn_write(c, "\"}");
        sim_conn_finish(c);
        return;
    }
    const size_t size = static_cast<size_t>(std::min<uint64_t>(BLOCK_SIZE, play->left));
    play->left -= size;
    sim_conn_write(c, std::string(size, 'x'));
}

static void on_endless_drained(struct sim_conn *c)
{
    std::string chunk;
    text_append(&chunk, "%zx\r\n", BLOCK_SIZE);
    chunk.append(BLOCK_SIZE, 'x');
    chunk += "\r\n";
    sim_conn_write(c, chunk);
}

static void play_drip(struct sim_conn *c, const struct sim_fault *f, const struct sim_answer *a)
{
    struct sim_play *play = sim_conn_play(c);
    play->bytes = sim_answer_bytes(c, a);
    play->sent = 0;
    play->step = f->bytes ? static_cast<size_t>(f->bytes) : 1;
    play->interval_ms = f->after_ms ? static_cast<unsigned>(f->after_ms) : DRIP_MS;
    on_drip_time(c);
}

static void play_big(struct sim_conn *c, const struct sim_fault *f, struct sim_answer *a)
{
    static const char start[] = "{\"big\":\"";
    const uint64_t size = std::max<uint64_t>(f->bytes ? f->bytes : BIG_SIZE, 16);
    sim_answer_json(a, 200, "");
    std::string bytes = sim_answer_head(a, sim_answer_length(static_cast<size_t>(size)));
    bytes += start;
    sim_conn_play(c)->left = size - (sizeof start - 1) - 2;
    sim_conn_write(c, bytes);
    sim_conn_fill(c, on_big_drained);
}

static void play_endless(struct sim_conn *c, struct sim_answer *a)
{
    sim_answer_json(a, 200, "");
    std::string bytes = sim_answer_head(a, "Transfer-Encoding: chunked\r\n");
    bytes += "8\r\n{\"big\":\"\r\n";
    sim_conn_write(c, bytes);
    sim_conn_fill(c, on_endless_drained);
}

// Writes `bytes`, then closes.
static void write_close(struct sim_conn *c, std::string_view bytes)
{
    sim_conn_write(c, bytes);
    sim_conn_close(c);
}

// Faults that break the connection or its framing.
static void play_broken(struct sim_conn *c, const struct sim_fault *f, struct sim_answer *a)
{
    const size_t size = a->body.size();
    std::string bytes = sim_answer_head(a, sim_answer_length(size));
    if (f->kind == FAULT_HEAD_HANG) {
        sim_conn_write(c, bytes);
    } else if (f->kind == FAULT_RESET) {
        sim_conn_write(c, bytes + a->body.substr(0, size / 2));
        sim_conn_later(c, RESET_MS, on_reset_time);
    } else if (f->kind == FAULT_EARLY_CLOSE) {
        write_close(c, sim_answer_head(a, sim_answer_length(size + 100)) + a->body);
    } else if (f->kind == FAULT_SHORT_LENGTH) {
        sim_conn_write(c, sim_answer_head(a, sim_answer_length(size / 2)) + a->body);
        sim_conn_finish(c);
    } else if (f->kind == FAULT_HTTP10) {
        bytes = sim_answer_head(a, "") + a->body;
        write_close(c, bytes.replace(0, 8, "HTTP/1.0"));
    } else if (f->kind == FAULT_CONTINUE) {
        sim_conn_write(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n");
        sim_answer_send(c, a);
    } else {
        write_close(c, bytes + a->body); // close-after
    }
}

// Turns `a` into what faults of the contents make of it.
static void spoil_answer(const struct sim_conn *c, const struct sim_fault *f, struct sim_answer *a)
{
    if (f->kind == FAULT_SLOW) {
        a->after_ms += f->after_ms ? static_cast<unsigned>(f->after_ms) : SLOW_MS;
    } else if (f->kind == FAULT_BAD_JSON) {
        sim_answer_json(a, 200, "{\"a\":}");
    } else if (f->kind == FAULT_TRUNCATED_JSON) {
        a->body.resize(a->body.size() / 2);
    } else if (f->kind == FAULT_NON_OBJECT) {
        sim_answer_json(a, 200, "[1,2]");
    } else if (f->kind == FAULT_DOUBLED) {
        a->body += a->body;
    } else if (f->kind == FAULT_BAD_UTF8) {
        sim_answer_json(a, 200, "{\"bad-\xff\xfe\":{\"Containers\":{}}}");
    } else if (f->kind == FAULT_REDIRECT) {
        const std::string url = "http://" + f->location + std::string(sim_conn_request(c)->path);
        sim_answer_text(a, 301, "<a href=\"" + url + "\">Moved Permanently</a>.\n\n");
        a->headers = "Content-Type: text/html; charset=utf-8\r\nLocation: " + url + "\r\n";
    } else if (f->kind == FAULT_STATUS_500) {
        sim_answer_json(a, 500, "\"invalid argument\"");
    } else if (f->kind == FAULT_ERROR_DATA) {
        sim_answer_json(a, 500, "\"invalid argument\"" + a->body);
    } else if (f->kind == FAULT_STATUS_404) {
        sim_answer_text(a, 404, "404 page not found");
    } else if (f->kind == FAULT_STATUS_503) {
        sim_answer_text(a, 503, "Service Unavailable\n");
    } else if (f->kind == FAULT_STATUS) {
        sim_answer_json(a, f->status, "\"no\"");
    } else if (f->kind == FAULT_GZIP_LIE) {
        a->headers += "Content-Encoding: gzip\r\n";
    }
}

void sim_fault_play(struct sim_conn *c, const struct sim_fault *f, struct sim_answer *a)
{
    switch (f->kind) {
    case FAULT_REFUSE:
    case FAULT_SWALLOW:
    case FAULT_HANG: return; // never answered
    case FAULT_GARBAGE: write_close(c, "\x01\x02\xff no HTTP at all\r\n\r\n"); return;
    case FAULT_CLOSE_IDLE: sim_conn_close(c); return;
    case FAULT_DRIP: play_drip(c, f, a); return;
    case FAULT_BIG: play_big(c, f, a); return;
    case FAULT_ENDLESS: play_endless(c, a); return;
    case FAULT_HEAD_HANG:
    case FAULT_RESET:
    case FAULT_EARLY_CLOSE:
    case FAULT_SHORT_LENGTH:
    case FAULT_HTTP10:
    case FAULT_CONTINUE:
    case FAULT_CLOSE_AFTER: play_broken(c, f, a); return;
    case FAULT_NONE:
    case FAULT_SLOW:
    case FAULT_BAD_JSON:
    case FAULT_TRUNCATED_JSON:
    case FAULT_NON_OBJECT:
    case FAULT_DOUBLED:
    case FAULT_BAD_UTF8:
    case FAULT_REDIRECT:
    case FAULT_STATUS_500:
    case FAULT_ERROR_DATA:
    case FAULT_STATUS_404:
    case FAULT_STATUS_503:
    case FAULT_STATUS:
    case FAULT_GZIP_LIE: break;
    }
    spoil_answer(c, f, a);
    sim_answer_send(c, a);
}
