// One whole HTTP reply as data, before it is sent as it is or spoilt by a fault.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

struct sim_conn;

struct sim_answer {
    int status;
    std::string headers;      // lines before Date, each with its CRLF
    std::string late_headers; // lines after Content-Length, where Go puts a guessed Content-Type
    std::string body;
    unsigned after_ms; // how long the answer takes
};

// The head up to and with the empty line. `framing` is the line that tells the size of the body,
// with its CRLF, or empty.
[[nodiscard]] std::string sim_answer_head(const struct sim_answer *a, std::string_view framing);

// "Content-Length: n\r\n".
[[nodiscard]] std::string sim_answer_length(size_t size);

// Head and body as they should be, on the wire format that `c` asked for.
[[nodiscard]] std::string sim_answer_bytes(const struct sim_conn *c, const struct sim_answer *a);

// Sends the answer, after its delay, and finishes the request. Last use of `c`.
void sim_answer_send(struct sim_conn *c, const struct sim_answer *a);

// Turns `a` into a plain-text or a JSON answer.
void sim_answer_text(struct sim_answer *a, int status, std::string_view text);
void sim_answer_json(struct sim_answer *a, int status, std::string_view json);
