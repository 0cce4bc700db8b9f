// What a trace session's request body asks for, as far as it matters here. Pure.
#pragma once
#include <cstddef>

// Whether the body of a PUT is {"Run": false}: the key in any letter case, the last one counts, as in
// the tracer-node. Anything else, broken JSON included, is not.
[[nodiscard]] bool session_put_stops(const char *body, size_t size);
