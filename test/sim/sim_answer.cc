// HTTP replies as data.
#include "sim_answer.h"

#include "sim_http.h"
#include "sim_text.h"

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {307, "Temporary Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {410, "Gone"},
    {422, "Unprocessable Entity"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

static const char *reason_of(int status)
{
    for (const auto &row : reasons)
        if (row.status == status)
            return row.reason;
    return "Unknown";
}

std::string sim_answer_head(const struct sim_answer *a, std::string_view framing)
{
    std::string head;
    head.reserve(256);
    text_append(&head, "HTTP/1.1 %d %s\r\n", a->status, reason_of(a->status));
    head += a->headers;
    head += "Date: ";
    head.append(text_http_date(), TEXT_DATE_SIZE);
    head += "\r\n";
    head += framing;
    head += a->late_headers;
    head += "\r\n";
    return head;
}

std::string sim_answer_length(size_t size)
{
    std::string line;
    text_append(&line, "Content-Length: %zu\r\n", size);
    return line;
}

std::string sim_answer_bytes(const struct sim_conn *c, const struct sim_answer *a)
{
    const struct sim_request *r = sim_conn_request(c);
    std::string framing = sim_answer_length(a->body.size());
    if (!r->keep_alive)
        framing += "Connection: close\r\n";
    std::string bytes = sim_answer_head(a, framing);
    if (r->method != "HEAD")
        bytes += a->body;
    return bytes;
}

static void send_late(struct sim_conn *c)
{
    struct sim_play *play = sim_conn_play(c);
    sim_conn_write(c, play->bytes);
    play->bytes.clear();
    sim_conn_finish(c);
}

void sim_answer_send(struct sim_conn *c, const struct sim_answer *a)
{
    if (a->after_ms == 0) {
        sim_conn_write(c, sim_answer_bytes(c, a));
        sim_conn_finish(c);
        return;
    }
    sim_conn_play(c)->bytes = sim_answer_bytes(c, a);
    sim_conn_later(c, a->after_ms, send_late);
}

void sim_answer_text(struct sim_answer *a, int status, std::string_view text)
{
    a->status = status;
    a->headers = "Content-Type: text/plain\r\n";
    a->late_headers.clear();
    a->body = text;
}

void sim_answer_json(struct sim_answer *a, int status, std::string_view json)
{
    a->status = status;
    a->headers = "Content-Type: application/json; charset=utf-8\r\n";
    a->late_headers.clear();
    a->body = json;
}
