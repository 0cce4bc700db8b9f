// Fuzzes json_members: pieces of any size must give what the whole gives, and offsets lie inside.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "json_members.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

// Feeds `data` in pieces of sizes that `seed` decides; null where it is refused. Each piece is a
// block of its own, so that reading beyond it shows.
static struct json_members *read_in_pieces(const char *data, size_t size, uint32_t seed)
{
    struct json_members *m = json_members_new();
    bool ok = true;
    for (size_t at = 0; ok && at < size;) {
        seed = seed * 1664525 + 1013904223;
        const size_t wanted = seed >> 31 ? 1 : 1 + (seed >> 20) % 40;
        const size_t piece_size = wanted < size - at ? wanted : size - at;
        char *piece = static_cast<char *>(malloc(piece_size));
        require(piece != nullptr);
        memcpy(piece, data + at, piece_size);
        ok = json_members_feed(m, piece, piece_size);
        free(piece);
        at += piece_size;
    }
    const bool valid = json_members_end(m);
    require(ok || !valid);
    if (valid)
        return m;
    json_members_free(m);
    return nullptr;
}

static struct json_members *read_whole(const char *data, size_t size)
{
    struct json_members *m = json_members_new();
    if (json_members_feed(m, data, size) && json_members_end(m))
        return m;
    json_members_free(m);
    return nullptr;
}

static void require_same(const struct json_members *a, const struct json_members *b)
{
    require(json_members_documents(a) == json_members_documents(b));
    for (size_t i = 0; i < json_members_documents(a); i++) {
        const struct json_document *x = json_members_document(a, i);
        const struct json_document *y = json_members_document(b, i);
        require(x->kind == y->kind && x->offset == y->offset && x->size == y->size);
    }
    const std::span<const struct json_member> x = json_members_list(a), &y = json_members_list(b);
    require(x.size() == y.size());
    for (size_t i = 0; i < x.size(); i++)
        require(x[i].key == y[i].key && x[i].key_size == y[i].key_size &&
                x[i].value == y[i].value && x[i].value_size == y[i].value_size);
}

// Documents and members come one behind the other, without white space around them.
static void require_in_order(const struct json_members *m, const char *data, size_t size)
{
    size_t at = 0;
    require(json_members_documents(m) >= 1 && json_members_documents(m) <= JSON_MAX_DOCUMENTS);
    for (size_t i = 0; i < json_members_documents(m); i++) {
        const struct json_document *document = json_members_document(m, i);
        require(document->offset >= at && document->size > 0);
        at = size_t{document->offset} + document->size;
        require(at <= size);
        require(!memchr(" \t\r\n", data[document->offset], 4) &&
                !memchr(" \t\r\n", data[at - 1], 4));
    }
    at = 0;
    for (const struct json_member &member : json_members_list(m)) {
        require(member.key > at && member.key_size >= 2 && member.value_size > 0);
        require(member.value > size_t{member.key} + member.key_size);
        at = size_t{member.value} + member.value_size;
        require(at < size);
        require(data[member.key] == '"' && data[member.key + member.key_size - 1] == '"');
        require(!memchr(" \t\r\n", data[member.value], 4) && !memchr(" \t\r\n", data[at - 1], 4));
        require(data[at] == ',' || data[at] == '}' || memchr(" \t\r\n", data[at], 4));
    }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *const data = reinterpret_cast<const char *>(bytes);
    struct json_members *whole = read_whole(data, size);
    for (uint32_t seed = 1; seed <= 3; seed++) {
        struct json_members *pieces = read_in_pieces(data, size, seed);
        require((whole != nullptr) == (pieces != nullptr));
        if (pieces)
            require_same(whole, pieces);
        json_members_free(pieces);
    }
    if (whole)
        require_in_order(whole, data, size);
    json_members_free(whole);
    return 0;
}
