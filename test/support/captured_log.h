// Standard error as a file meanwhile, for tests of what is logged.
#pragma once
#include <cstdio>
#include <string>

struct captured_log {
    FILE *file;
    int stderr_before;
};

[[nodiscard]] struct captured_log captured_log_begin();
void captured_log_end(struct captured_log *log);

// What was written so far.
[[nodiscard]] std::string captured_log_text(const struct captured_log *log);
