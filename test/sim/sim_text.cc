// Text helpers of the simulator.
#include "sim_text.h"

#include <cctype>
#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <cstring>

void text_append_json(std::string *out, std::string_view text)
{
    *out += '"';
    for (size_t i = 0; i < text.size(); i++) {
        const char c = text[i];
        const unsigned char u = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            *out += '\\';
            *out += c;
        } else if (c == '\n') {
            *out += "\\n";
        } else if (c == '\r') {
            *out += "\\r";
        } else if (c == '\t') {
            *out += "\\t";
        } else if (u < 0x20 || c == '<' || c == '>' || c == '&') {
            text_append(out, "\\u%04x", u);
        } else {
            *out += c;
        }
    }
    *out += '"';
}

void text_append(std::string *out, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    const int size = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (size > 0 && static_cast<size_t>(size) < sizeof line) {
        out->append(line, static_cast<size_t>(size));
        return;
    }
    if (size <= 0)
        return;
    const size_t before = out->size();
    out->resize(before + static_cast<size_t>(size) + 1);
    va_start(args, format);
    vsnprintf(out->data() + before, static_cast<size_t>(size) + 1, format, args);
    va_end(args);
    out->resize(before + static_cast<size_t>(size));
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

std::string text_unescape(std::string_view text, bool plus)
{
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '+' && plus) {
            out += ' ';
            continue;
        }
        if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
            hex_digit(text[i + 2]) >= 0) {
            out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
            continue;
        }
        out += text[i];
    }
    return out;
}

bool text_query(std::string_view query, std::string_view name, std::string *value)
{
    while (!query.empty()) {
        std::string_view rest = text_next(&query, '&');
        const std::string_view key = text_next(&rest, '=');
        if (text_unescape(key, true) != name)
            continue;
        *value = text_unescape(rest, true);
        return true;
    }
    value->clear();
    return false;
}

uint64_t text_query_number(std::string_view query, std::string_view name, uint64_t fallback)
{
    std::string text;
    uint64_t number;
    if (!text_query(query, name, &text) || !text_number(text, &number))
        return fallback;
    return number;
}

bool text_matches(std::string_view pattern, std::string_view text)
{
    size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            p++;
            t++;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*')
        p++;
    return p == pattern.size();
}

bool text_has_part(std::string_view path, std::string_view part)
{
    return part.ends_with('$') ? path.ends_with(part.substr(0, part.size() - 1))
                               : path.find(part) != std::string_view::npos;
}

bool text_equal_fold(std::string_view a, std::string_view b)
{
    if (a.size() != b.size())
        return false;
    for (size_t i = 0; i < a.size(); i++)
        if (tolower(static_cast<unsigned char>(a[i])) != tolower(static_cast<unsigned char>(b[i])))
            return false;
    return true;
}

std::string_view text_next(std::string_view *rest, char separator)
{
    const size_t at = rest->find(separator);
    const std::string_view word = rest->substr(0, at);
    *rest = at == std::string_view::npos ? std::string_view{} : rest->substr(at + 1);
    return word;
}

std::vector<std::string> text_split(std::string_view text)
{
    std::vector<std::string> words;
    while (!text.empty())
        words.emplace_back(text_next(&text, ','));
    return words;
}

bool text_number(std::string_view text, uint64_t *value)
{
    const char *const end = text.data() + text.size();
    const std::from_chars_result got = std::from_chars(text.data(), end, *value);
    return !text.empty() && got.ec == std::errc{} && got.ptr == end;
}

const char *text_http_date()
{
    static time_t last = 0;
    static char date[TEXT_DATE_SIZE + 1];
    const time_t now = time(nullptr);
    if (now != last) {
        struct tm parts;
        gmtime_r(&now, &parts);
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        last = now;
    }
    return date;
}

std::string text_iso_date(time_t when)
{
    struct tm parts;
    char date[32];
    gmtime_r(&when, &parts);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return date;
}

uint64_t text_now_ms()
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}
