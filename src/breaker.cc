// A node's circuit breaker. Pure.
#include "breaker.h"

#include <algorithm>

bool breaker_succeed(struct breaker *b)
{
    const bool closed = b->open;
    *b = {};
    return closed;
}

bool breaker_fail(struct breaker *b, enum breaker_sign sign, const std::string &target,
                  int64_t now_ms)
{
    b->failures++;
    b->target = target;
    if (b->open) {
        // only the probe decides about the pause: requests that try it all the same change nothing
        if (!b->probing || sign == BREAKER_SILENT)
            return false;
        b->probing = false;
        b->pause_ms = std::min(b->pause_ms * 2, BREAKER_LONGEST_PAUSE_MS);
        b->next_probe_ms = now_ms + b->pause_ms;
        return false;
    }
    if (b->failures == BREAKER_FAILURES)
        b->next_probe_ms = now_ms + BREAKER_FIRST_PAUSE_MS;
    if (b->failures < BREAKER_FAILURES || sign == BREAKER_SILENT)
        return false;
    b->open = true;
    b->probing = false;
    b->opened_ms = now_ms;
    b->pause_ms = BREAKER_FIRST_PAUSE_MS;
    b->next_probe_ms = now_ms + b->pause_ms;
    return true;
}

bool breaker_is_due(const struct breaker *b, int64_t now_ms)
{
    const bool wanted = b->open || b->failures >= BREAKER_FAILURES;
    return wanted && !b->probing && now_ms >= b->next_probe_ms;
}

void breaker_probe(struct breaker *b)
{
    b->probing = true;
}
