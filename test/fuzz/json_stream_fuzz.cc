// Fuzzes what cuts a Kubernetes server's JSON into objects. Oracles: the objects, the list without them
// and the result do not depend on how the bytes arrive; what is given away stood there and is braced; of
// what cJSON can read it is what cJSON sees.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <cJSON.h>

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
                                     size_t step, size_t most)
{
    struct reading r = {};
    r.stream.form = form;
    r.stream.object_max = r.stream.envelope_max = most;
    for (size_t at = 0; at < text.size() && r.result == JSON_STREAM_OK; at += step) {
        const std::string piece = text.substr(at, step); // a block of its own: reading beyond shows
        r.result = json_stream_feed(&r.stream, piece.data(), piece.size(), on_object, &r);
    }
    r.whole = r.result == JSON_STREAM_OK && json_stream_is_whole(&r.stream);
    return r;
}

static void check_form(enum json_stream_form form, const std::string &text, size_t step)
{
    const struct reading whole = read_in_pieces(form, text, text.size() + 1, MOST);
    const struct reading pieces = read_in_pieces(form, text, step, MOST);
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

static std::string print(const cJSON *tree)
{
    char *const text = cJSON_PrintUnformatted(tree);
    const std::string printed = text != nullptr ? text : "";
    cJSON_free(text);
    return printed;
}

static std::string print_text(const std::string &text)
{
    cJSON *const tree = cJSON_ParseWithOpts(text.c_str(), nullptr, 1);
    const std::string printed = print(tree);
    cJSON_Delete(tree);
    return printed;
}

// Whether cJSON reads the text as JSON is to be read: it takes control characters for blanks, and an
// escaped name of the items is one that Kubernetes never sends.
static bool is_plain(const std::string &text)
{
    for (const char c : text)
        if (static_cast<unsigned char>(c) < ' ' && c != '\t' && c != '\r' && c != '\n')
            return false;
    return text.find("\\u") == text.npos && !text.starts_with("\xef\xbb\xbf");
}

// As far as cJSON finds objects one behind the other, so does the stream.
static void check_objects(const std::string &text, const struct reading &r)
{
    const char *at = text.c_str();
    for (size_t i = 0;; i++) {
        at += strspn(at, " \t\r\n");
        if (*at == '\0') {
            check(r.result == JSON_STREAM_OK && r.whole && r.objects.size() == i);
            return;
        }
        const char *end = nullptr;
        cJSON *const tree = *at == '{' ? cJSON_ParseWithOpts(at, &end, 0) : nullptr;
        if (tree == nullptr)
            return;
        check(i < r.objects.size());
        check(r.objects[i] == std::string(at, end));
        cJSON_Delete(tree);
        at = end;
    }
}

// The objects of all arrays that are called "items" are given; the envelope is the rest.
static void check_list(const std::string &text, const struct reading &r)
{
    cJSON *const tree = cJSON_ParseWithOpts(text.c_str(), nullptr, 1);
    const bool is_list = cJSON_IsObject(tree);
    size_t i = 0;
    check(!is_list || (r.result == JSON_STREAM_OK && r.whole));
    for (cJSON *member = is_list ? tree->child : nullptr; member != nullptr;
         member = member->next) {
        if (strcmp(member->string, "items") != 0 || !cJSON_IsArray(member))
            continue;
        for (cJSON *item = member->child, *next; item != nullptr; item = next) {
            next = item->next;
            if (!cJSON_IsObject(item))
                continue;
            check(i < r.objects.size());
            check(print(item) == print_text(r.objects[i++]));
            cJSON_ReplaceItemViaPointer(member, item, cJSON_CreateNumber(0));
        }
    }
    check(!is_list || i == r.objects.size());
    check(!is_list || print(tree) == print_text(r.stream.envelope));
    cJSON_Delete(tree);
}

static void check_meaning(const std::string &text, size_t step)
{
    const struct reading objects = read_in_pieces(JSON_STREAM_OBJECTS, text, step, SIZE_MAX);
    const struct reading list = read_in_pieces(JSON_STREAM_LIST, text, step, SIZE_MAX);
    if (is_plain(text) && objects.result != JSON_STREAM_STOPPED)
        check_objects(text, objects);
    if (is_plain(text) && list.result != JSON_STREAM_STOPPED)
        check_list(text, list);
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
    check_meaning(text, step);
    return 0;
}
