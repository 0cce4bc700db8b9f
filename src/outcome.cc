// Names of outcomes, reasons and effects.
#include "outcome.h"

const char *outcome_name(enum outcome o)
{
    switch (o) {
    case OUTCOME_OK: return "ok";
    case OUTCOME_MISS: return "miss";
    case OUTCOME_ERROR: return "error";
    case OUTCOME_FAILED: return "failed";
    }
    return "";
}

const char *reason_name(enum reason r)
{
    switch (r) {
    case REASON_NONE: return "";
    case REASON_CONNECT: return "connect";
    case REASON_TIMEOUT: return "timeout";
    case REASON_RESET: return "reset";
    case REASON_BAD_JSON: return "bad-json";
    case REASON_TOO_LARGE: return "too-large";
    case REASON_TLS: return "tls";
    case REASON_CIRCUIT_OPEN: return "circuit-open";
    case REASON_NOT_READY: return "not-ready";
    case REASON_UNKNOWN_NODE: return "unknown-node";
    case REASON_NODE_ERROR: return "node-error";
    }
    return "";
}

const char *effect_name(enum effect e)
{
    switch (e) {
    case EFFECT_NONE: return "";
    case EFFECT_NOT_SENT: return "not-sent";
    case EFFECT_UNKNOWN: return "unknown";
    }
    return "";
}
