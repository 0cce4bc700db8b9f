// Fuzzes what cuts a Kubernetes server's JSON into objects. Oracles: the objects, the list without them
// and the result do not depend on how the bytes arrive; what is given away stood there and is braced.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "json_stream.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

constexpr size_t MOST = 300; // small, so that it is reached

static void check(bool holds)
{
    if (!holds)
        abort();
}

struct reading {
    struct json_stream stream;
    std::vector<std::string> objects;
    enum json_stream_result result;
    bool whole;
};

static bool on_object(void *arg, const char *data, size_t size)
{
    struct reading *r = static_cast<struct reading *>(arg);
    r->objects.emplace_back(data, size);
    return r->objects.size() < 500;
}

static struct reading read_in_pieces(enum json_stream_form form, const std::string &text,
                                     size_t step)
{
    struct reading r = {};
    r.stream.form = form;
    r.stream.object_max = r.stream.envelope_max = MOST;
    for (size_t at = 0; at < text.size() && r.result == JSON_STREAM_OK; at += step) {
        const std::string piece = text.substr(at, step); // a block of its own: reading beyond shows
        r.result = json_stream_feed(&r.stream, piece.data(), piece.size(), on_object, &r);
    }
    r.whole = r.result == JSON_STREAM_OK && json_stream_is_whole(&r.stream);
    return r;
}

static void check_form(enum json_stream_form form, const std::string &text, size_t step)
{
    const struct reading whole = read_in_pieces(form, text, text.size() + 1);
    const struct reading pieces = read_in_pieces(form, text, step);
    check(whole.result == pieces.result && whole.whole == pieces.whole);
    check(whole.objects == pieces.objects);
    check(whole.stream.envelope == pieces.stream.envelope);
    check(whole.stream.envelope.size() <= MOST && whole.stream.rest.size() <= MOST);
    size_t at = 0;
    for (const std::string &object : whole.objects) {
        check(object.size() >= 2 && object.size() <= MOST && object.front() == '{');
        at = text.find(object, at);
        check(at != std::string::npos);
        at += object.size();
    }
}

// The first byte says how the rest is cut.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const std::string text(reinterpret_cast<const char *>(data) + 1, size - 1);
    const size_t step = 1 + data[0] % 16;
    check_form(JSON_STREAM_OBJECTS, text, step);
    check_form(JSON_STREAM_LIST, text, step);
    return 0;
}
