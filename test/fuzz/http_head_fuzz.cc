// Fuzzes the scanner of request heads. Oracle: the outcome does not depend on how the bytes are cut.
#include <algorithm>
#include <cstdlib>

#include "http_head.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_head_limits LIMITS = {.max_header = 300, .max_body = 100};

static void scan(struct http_head *h, const char *data, size_t size, size_t step)
{
    http_head_init(h, &LIMITS);
    for (size_t at = 0; at < size; at += step)
        if (!http_head_feed(h, data + at, std::min(step, size - at)))
            return;
}

static bool is_same(const struct http_head *a, const struct http_head *b)
{
    return a->state == b->state && a->status == b->status && a->detail == b->detail &&
           a->path == b->path && a->method == b->method && a->requests == b->requests &&
           a->body_left == b->body_left && a->header_bytes == b->header_bytes;
}

// The first byte says how the rest is cut.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *text = reinterpret_cast<const char *>(data) + 1;
    struct http_head whole, pieces;
    scan(&whole, text, size - 1, size);
    scan(&pieces, text, size - 1, 1 + data[0] % 16);
    if (!is_same(&whole, &pieces))
        abort();
    if ((whole.state == HTTP_HEAD_REFUSED) != (whole.status != 0))
        abort();
    if (whole.line.size() > LIMITS.max_header || whole.body_left > LIMITS.max_body)
        abort();
    return 0;
}
