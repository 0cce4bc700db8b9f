// Fuzzes what reads sessions' requests: any bytes as a number and as both bodies. Oracles: the C
// library's numbers; what is refused says why, and only JSON is refused for a member; the byte that is
// named is the first that is wrong; what follows the first value changes nothing.
#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include "json_members.h"
#include "session.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool begins(const std::string &text, const char *start)
{
    return text.rfind(start, 0) == 0;
}

static void check_id(const std::string &text)
{
    std::string error;
    errno = 0;
    const bool digits = text.find_first_not_of("0123456789") == std::string::npos;
    const bool number =
        digits && !text.empty() && strtoull(text.c_str(), nullptr, 10) <= UINT64_MAX && errno == 0;
    check(session_check_id(text, false, &error) == number && error.empty() == number);
    check(session_check_id(text, true, &error) == (number || text == "all"));
}

static bool is_one_object(const std::string &text)
{
    struct json_members *json = json_members_new();
    const bool one = json_members_feed(json, text.data(), text.size()) && json_members_end(json) &&
                     json_members_documents(json) == 1 &&
                     json_members_document(json, 0)->kind == JSON_OBJECT;
    json_members_free(json);
    return one;
}

typedef bool (*check_fn)(const char *body, size_t size, std::string *error);

// The byte that is named is wrong, and those before it are not.
static void check_place(const std::string &text, const std::string &error, check_fn session_check)
{
    static const char SAYS[] = "body: the JSON is wrong at byte ";
    const size_t at = strtoull(error.c_str() + sizeof SAYS - 1, nullptr, 10);
    check(begins(error, SAYS) && at >= 1 && at <= text.size());
    std::string before;
    check(!session_check(text.data(), at - 1, &before));
    check(!begins(before, SAYS));
    check(!session_check(text.data(), at, &before) && begins(before, SAYS));
}

static void check_body(const std::string &text, check_fn session_check)
{
    std::string error;
    const bool right = session_check(text.data(), text.size(), &error);
    check(right == error.empty());
    if (right) {
        const std::string longer = text + "{";
        check(session_check(longer.data(), longer.size(), &error));
        check(session_put_stops(text.data(), text.size()) ==
              session_put_stops(longer.data(), longer.size()));
    } else if (is_one_object(text)) {
        check(!begins(error, "body: "));
    } else if (begins(error, "body: the JSON is wrong")) {
        check_place(text, error, session_check);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const std::string text(reinterpret_cast<const char *>(data), size);
    check_id(text);
    check_body(text, session_check_post);
    check_body(text, session_check_put);
    std::string error;
    if (session_put_stops(text.data(), text.size()))
        check(session_check_put(text.data(), text.size(), &error));
    return 0;
}
