// GET /openapi.json: the API in the form that generators of clients and documentation read. Pure.
#pragma once
#include <string_view>

// src/openapi.json, which is in the program.
[[nodiscard]] std::string_view openapi_document();
