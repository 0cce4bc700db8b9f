// One HTTP/1.1 connection of the simulator, on a bufferevent. It takes requests one at a time, also
// where they were pipelined, and leaves every byte of the reply to its user: faults need that.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

struct sim_conn;
struct sim_server;

// All views borrow from the connection until the reply is finished.
struct sim_request {
    std::string_view head;   // request line and headers as sent
    std::string_view method; // upper case as sent
    std::string_view path;   // decoded
    std::string_view query;  // as sent
    std::string_view body;
    bool keep_alive;
    uint64_t number; // of this connection, from 1
};

// The value of a header, empty where it is absent.
[[nodiscard]] std::string_view sim_request_header(const struct sim_request *r,
                                                  std::string_view name);

[[nodiscard]] bool sim_request_has_header(const struct sim_request *r, std::string_view name);

typedef void (*sim_conn_fn)(struct sim_conn *c);
typedef void (*sim_conn_end_fn)(void *arg);

// What a reply that is sent by and by remembers between two steps.
struct sim_play {
    std::string bytes;
    size_t sent;
    size_t step; // bytes a step
    uint64_t left;
    unsigned interval_ms;
};

// Takes `fd`. The connection lives until the client, its user or the server ends it.
void sim_conn_new(struct sim_server *server, int fd);
[[nodiscard]] struct sim_conn *sim_conn_next(const struct sim_conn *c);

[[nodiscard]] const struct sim_request *sim_conn_request(const struct sim_conn *c);
[[nodiscard]] struct sim_play *sim_conn_play(struct sim_conn *c);

// Whoever sends a reply without end is told when the connection ends, whichever way. A null `on_end`
// undoes that.
void sim_conn_own(struct sim_conn *c, sim_conn_end_fn on_end, void *arg);
[[nodiscard]] void *sim_conn_owner(const struct sim_conn *c);

// Bytes that wait to be sent.
[[nodiscard]] size_t sim_conn_waiting(const struct sim_conn *c);

// Sends bytes as they are.
void sim_conn_write(struct sim_conn *c, std::string_view bytes);

// Calls `step` once after `ms`; a connection has one such timer. It dies with the connection.
void sim_conn_later(struct sim_conn *c, unsigned ms, sim_conn_fn step);

// Calls `fill` now and whenever all that was written has gone; null ends that.
void sim_conn_fill(struct sim_conn *c, sim_conn_fn fill);

// The last thing to do with a request: the reply is whole, the next request may come. Closes where
// the client asked for it. `c` may be gone afterwards, as after the two functions below.
void sim_conn_finish(struct sim_conn *c);

// FIN as soon as all that was written has gone.
void sim_conn_close(struct sim_conn *c);

// RST at once.
void sim_conn_reset(struct sim_conn *c);
