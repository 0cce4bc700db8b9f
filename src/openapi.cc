// The description of the API.
#include "openapi.h"

#include "embed.h"

EMBED(openapi_json, "src/openapi.json");

std::string_view openapi_document()
{
    return {openapi_json, openapi_json_end};
}
