// Standard error as a file meanwhile.
#include "captured_log.h"

#include <unistd.h>

#include "cmocka_cc.h"

struct captured_log captured_log_begin()
{
    const struct captured_log log = {.file = tmpfile(), .stderr_before = dup(STDERR_FILENO)};
    dup2(fileno(log.file), STDERR_FILENO);
    return log;
}

void captured_log_end(struct captured_log *log)
{
    dup2(log->stderr_before, STDERR_FILENO);
    close(log->stderr_before);
    fclose(log->file);
}

std::string captured_log_text(const struct captured_log *log)
{
    const int fd = fileno(log->file);
    std::string text(static_cast<size_t>(lseek(fd, 0, SEEK_END)), '\0');
    assert_int_equal(pread(fd, text.data(), text.size(), 0), text.size());
    return text;
}
