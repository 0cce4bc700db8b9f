// One log, one line an event, to standard error: text for people or JSON for machines.
//
// A message that is the same as the last one is not written again within ten seconds but counted, and the
// count stands behind the next that is written.
#pragma once
#include <cstddef>
#include <cstdint>

enum log_level { LOG_AT_ERROR, LOG_AT_WARN, LOG_AT_INFO, LOG_AT_DEBUG };
enum log_format { LOG_AS_TEXT, LOG_AS_JSON };

// Sets what is written and how; until then: text, info and above. Process-wide.
void log_configure(enum log_format format, enum log_level most_detail);

// Whether a line of this level would be written, for messages that cost something to make.
[[nodiscard]] bool log_wants(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

// A member of a line of JSON: `text`, or, where that is null, `number`.
struct log_field {
    const char *name;
    const char *text;
    int64_t number;
};

// Writes one line with fields that machines look for: in JSON as members behind "msg"; the text for people
// is `message` alone, which says the same. It must not be longer than 2 KiB.
void log_event(enum log_level level, const char *message, const struct log_field *fields,
               size_t count);

// Writes an error line and ends the process with status 1: start-up failures and out of memory.
[[noreturn]] void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Fits event_set_log_callback: libevent's own messages come here too.
void log_from_libevent(int severity, const char *message);
