// JSON strings as text. Pure.
#include "json_text.h"

#include <cstdint>
#include <cstdio>

#include "utf8.h"

static void append_control(std::string *out, unsigned char c)
{
    switch (c) {
    case '\n': *out += "\\n"; return;
    case '\r': *out += "\\r"; return;
    case '\t': *out += "\\t"; return;
    default: break;
    }
    char text[8];
    snprintf(text, sizeof text, "\\u%04x", c);
    *out += text;
}

// Behind the bytes at `p` that a string has as they are.
static const unsigned char *skip_plain(const unsigned char *p, const unsigned char *end)
{
    while (p < end && *p >= 0x20 && *p != '"' && *p != '\\' && *p != 0x7f) {
        const size_t size = *p < 0x80 ? 1 : utf8_sequence(p, end);
        if (size == 0)
            break;
        p += size;
    }
    return p;
}

void json_append_string(std::string *out, std::string_view text)
{
    *out += '"';
    const unsigned char *p = reinterpret_cast<const unsigned char *>(text.data());
    const unsigned char *const end = p + text.size();
    while (p < end) {
        const unsigned char *const run = p;
        p = skip_plain(p, end);
        out->append(reinterpret_cast<const char *>(run), static_cast<size_t>(p - run));
        if (p == end)
            break;
        const unsigned char c = *p++;
        if (c == '"' || c == '\\')
            out->append({'\\', static_cast<char>(c)});
        else if (c < 0x80)
            append_control(out, c);
        else
            *out += "\xef\xbf\xbd"; // no UTF-8
    }
    *out += '"';
}

static void append_code_point(std::string *out, uint32_t code)
{
    if (code < 0x80) {
        *out += static_cast<char>(code);
    } else if (code < 0x800) {
        *out += static_cast<char>(0xc0 | code >> 6);
        *out += static_cast<char>(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out += static_cast<char>(0xe0 | code >> 12);
        *out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
        *out += static_cast<char>(0x80 | (code & 0x3f));
    } else {
        *out += static_cast<char>(0xf0 | code >> 18);
        *out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
        *out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
        *out += static_cast<char>(0x80 | (code & 0x3f));
    }
}

// The four hex digits at `text`, which are known to be there.
static uint32_t hex4(std::string_view text)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 4 && i < text.size(); i++) {
        const char c = text[i];
        const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
        value = value << 4 | static_cast<uint32_t>(digit);
    }
    return value;
}

// Decodes the \u escape at `*at` (behind the 'u'), and the second half of a pair with it.
static void append_escape(std::string *out, std::string_view inside, size_t *at)
{
    uint32_t code = hex4(inside.substr(*at));
    *at += 4;
    if (code >= 0xd800 && code < 0xdc00 && inside.substr(*at, 2) == "\\u") {
        const uint32_t low = hex4(inside.substr(*at + 2));
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            *at += 6;
        }
    }
    append_code_point(out, code);
}

std::string json_decode_string(std::string_view inside)
{
    std::string out;
    out.reserve(inside.size());
    for (size_t i = 0; i < inside.size();) {
        const char c = inside[i++];
        if (c != '\\' || i == inside.size()) {
            out += c;
            continue;
        }
        const char escaped = inside[i++];
        switch (escaped) {
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case 'n': out += '\n'; break;
        case 'r': out += '\r'; break;
        case 't': out += '\t'; break;
        case 'u': append_escape(&out, inside, &i); break;
        default: out += escaped; break;
        }
    }
    return out;
}
