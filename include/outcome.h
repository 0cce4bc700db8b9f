// What became of one request to one tracer-node, in the words that headers and logs use.
#pragma once

enum outcome { OUTCOME_OK, OUTCOME_MISS, OUTCOME_ERROR, OUTCOME_FAILED };

// Why there was no usable answer (OUTCOME_FAILED), or REASON_NODE_ERROR with OUTCOME_ERROR.
enum reason {
    REASON_NONE,
    REASON_CONNECT,      // refused, no route, or not established in time
    REASON_TIMEOUT,      // no whole answer within the deadline
    REASON_RESET,        // the connection ended before the answer did
    REASON_BAD_JSON,     // an answer that is not what a tracer-node sends
    REASON_TOO_LARGE,    // more bytes than --max-reply
    REASON_TLS,          // no trust or no handshake
    REASON_CIRCUIT_OPEN, // not asked: it failed again and again lately
    REASON_NOT_READY,    // not asked: Kubernetes says that it is not ready
    REASON_UNKNOWN_NODE, // not asked: `node=` names none that is known
    REASON_NODE_ERROR,   // it answered with an error of its own
};

// Whether a mutation that failed may have taken effect at the node.
enum effect { EFFECT_NONE, EFFECT_NOT_SENT, EFFECT_UNKNOWN };

[[nodiscard]] const char *outcome_name(enum outcome o); // "ok"
[[nodiscard]] const char *reason_name(enum reason r);   // "bad-json"; "" for REASON_NONE
[[nodiscard]] const char *effect_name(enum effect e);   // "not-sent"; "" for EFFECT_NONE
