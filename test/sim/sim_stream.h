// What a watch sends: events, each a chunk of its own, and the faults that spoil them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

struct sim_conn;

enum sim_stream_kind {
    STREAM_PLAIN,
    // after so many events it is over
    STREAM_END,
    STREAM_ERROR_410,
    STREAM_ERROR_429,
    STREAM_ERROR_500,
    STREAM_SILENT,
    // the event after so many is spoilt
    STREAM_CUT,
    STREAM_CUT_END,
    STREAM_RESET,
    STREAM_STALL,
    STREAM_GARBAGE,
    STREAM_BIG,
    STREAM_NO_VERSION,
    STREAM_UNKNOWN_TYPE,
    // all events are written in another way
    STREAM_ONE_BYTE,
    STREAM_PAIRS,
    STREAM_CRLF,
    STREAM_NO_NEWLINE,
    STREAM_PRETTY,
};

struct sim_stream_fault {
    enum sim_stream_kind kind;
    uint64_t events; // good ones before it
    uint64_t bytes;  // of a big event
    unsigned retry_after;
};

// False where `name` is no kind of fault.
[[nodiscard]] bool sim_stream_kind_of(std::string_view name, enum sim_stream_kind *kind);

// The names of all kinds, separated by blanks.
[[nodiscard]] std::string sim_stream_names();

struct sim_stream {
    struct sim_conn *conn;
    struct sim_stream_fault fault;
    uint64_t sent;   // events
    uint64_t *bytes; // a counter
    std::string held;
    bool silent; // sends nothing more, and does not end
};

enum sim_stream_state {
    STREAM_GOES_ON,
    STREAM_ENDS, // to be ended as it should be
    STREAM_GONE, // the connection is being closed: the last use of the stream
};

// Lets a fault take hold, at the begin or later.
[[nodiscard]] enum sim_stream_state sim_stream_begin(struct sim_stream *s,
                                                     const struct sim_stream_fault *fault);

// Sends one event, a line of JSON.
[[nodiscard]] enum sim_stream_state sim_stream_send(struct sim_stream *s, const std::string &event);

// Sends an ERROR event, after which a server ends the stream.
void sim_stream_send_error(struct sim_stream *s, int code, std::string_view message,
                           std::string_view details);

// Makes the body whole.
void sim_stream_end(struct sim_stream *s);
