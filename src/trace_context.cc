// The header traceparent: "00-<trace-id>-<parent-id>-<flags>".
#include "trace_context.h"

constexpr size_t TRACE_ID_AT = 3, TRACE_ID_SIZE = 32;
constexpr size_t PARENT_ID_AT = 36, PARENT_ID_SIZE = 16;
constexpr size_t FLAGS_AT = 53, WHOLE_SIZE = 55;

static bool is_hex(std::string_view text)
{
    return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

static bool is_id(std::string_view text)
{
    return is_hex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

bool trace_parent_is_good(std::string_view t)
{
    if (t.size() < WHOLE_SIZE)
        return false;
    const std::string_view version = t.substr(0, TRACE_ID_AT - 1);
    if (!is_hex(version) || version == "ff")
        return false;
    if (t.size() > WHOLE_SIZE && (version == "00" || t[WHOLE_SIZE] != '-'))
        return false;
    return t[TRACE_ID_AT - 1] == '-' && t[PARENT_ID_AT - 1] == '-' && t[FLAGS_AT - 1] == '-' &&
           is_id(t.substr(TRACE_ID_AT, TRACE_ID_SIZE)) &&
           is_id(t.substr(PARENT_ID_AT, PARENT_ID_SIZE)) &&
           is_hex(t.substr(FLAGS_AT, WHOLE_SIZE - FLAGS_AT));
}

// One bit is set in each id: never all zeros.
std::string trace_parent_new(const unsigned char random[TRACE_RANDOM_SIZE])
{
    std::string text = "00-";
    for (size_t i = 0; i < TRACE_RANDOM_SIZE; i++) {
        const bool first = i == 0 || i == TRACE_ID_SIZE / 2;
        const unsigned byte = first ? random[i] | 1U : random[i];
        if (i == TRACE_ID_SIZE / 2)
            text += '-';
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text + "-00";
}

std::string_view trace_id_of(std::string_view traceparent)
{
    return traceparent.substr(TRACE_ID_AT, TRACE_ID_SIZE);
}
