// Reads what a trace session's request asks for. Pure.
#include "session.h"

#include <cJSON.h>
#include <strings.h>

// {"Run":false} is small; a body beyond this is not parsed, for that would hold the loop up.
constexpr size_t MOST_BODY = 65536;

bool session_put_stops(const char *body, size_t size)
{
    if (size == 0 || size > MOST_BODY)
        return false;
    cJSON *tree = cJSON_ParseWithLength(body, size);
    bool stops = false;
    const cJSON *member = nullptr;
    cJSON_ArrayForEach(member, tree)
    {
        if (member->string && strcasecmp(member->string, "run") == 0)
            stops = cJSON_IsFalse(member);
    }
    cJSON_Delete(tree);
    return stops;
}
