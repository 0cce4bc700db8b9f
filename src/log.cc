// The log: one line an event, written at once to standard error.
#include "log.h"

#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <poll.h>
#include <string>
#include <unistd.h>

#include <event2/event.h>

#include "clock.h"
#include "json_text.h"

static enum log_format the_format = LOG_AS_TEXT;
static enum log_level the_detail = LOG_AT_INFO;
static unsigned long the_lost_lines;     // that the log had no room for
static unsigned long the_repeated_lines; // that were the same as the last one written:
static enum log_level the_last_level = LOG_AT_INFO;
static std::string the_last_message;
static int64_t the_last_ms; // monotonic

constexpr int64_t REPEAT_MS = 10000; // a message that comes again after so long is news

struct log_record {
    enum log_level level;
    const char *message;
    const struct log_field *fields;
    size_t count;
};

void log_configure(enum log_format format, enum log_level most_detail)
{
    the_format = format;
    the_detail = most_detail;
}

bool log_wants(enum log_level level)
{
    return level <= the_detail;
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_AT_ERROR: return "error";
    case LOG_AT_WARN: return "warn";
    case LOG_AT_INFO: return "info";
    case LOG_AT_DEBUG: return "debug";
    }
    return "";
}

// Control characters and broken UTF-8 must not forge a second line or disturb a terminal.
static std::string printable(const char *message)
{
    std::string quoted;
    json_append_string(&quoted, message);
    std::string text;
    for (size_t i = 1; i + 1 < quoted.size(); i++) {
        const bool plain_escape =
            quoted[i] == '\\' && (quoted[i + 1] == '"' || quoted[i + 1] == '\\');
        text += quoted[plain_escape ? ++i : i];
    }
    return text;
}

static void append_field(std::string *line, const struct log_field *f)
{
    *line += ",";
    json_append_string(line, f->name);
    *line += ":";
    if (f->text)
        json_append_string(line, f->text);
    else
        *line += std::to_string(f->number);
}

static std::string line_of(const struct log_record *r)
{
    const std::string time = clock_text(clock_wall_ms());
    if (the_format == LOG_AS_TEXT)
        return time + " " + level_name(r->level) + " " + printable(r->message) + "\n";
    std::string line =
        "{\"time\":\"" + time + "\",\"level\":\"" + level_name(r->level) + "\",\"msg\":";
    json_append_string(&line, r->message);
    for (size_t i = 0; i < r->count; i++)
        append_field(&line, &r->fields[i]);
    return line + "}\n";
}

// Whether a line can be written without waiting for whoever reads the log.
static bool is_writable()
{
    struct pollfd sink = {.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
    return poll(&sink, 1, 0) == 1 && (sink.revents & POLLOUT);
}

// A log that is not read or can not be written must hold nothing up: its lines are counted, and the
// count is written when there is room again. A pipe that is writable takes PIPE_BUF bytes at once.
static bool write_record(const struct log_record *r)
{
    if (!is_writable()) {
        the_lost_lines++;
        return false;
    }
    std::string line = line_of(r);
    if (line.size() > PIPE_BUF) {
        const std::string begin = std::string(r->message).substr(0, PIPE_BUF / 8);
        const struct log_record less = {
            .level = r->level, .message = begin.c_str(), .fields = nullptr, .count = 0};
        line = line_of(&less);
    }
    return write(STDERR_FILENO, line.data(), line.size()) >= 0;
}

// Says what is missing of the log: `count` lines of a kind. Nothing where none is.
static void write_count(enum log_level level, unsigned long *count, const char *what)
{
    if (*count == 0)
        return;
    const std::string text = std::to_string(*count) + what;
    const struct log_record r = {
        .level = level, .message = text.c_str(), .fields = nullptr, .count = 0};
    if (write_record(&r))
        *count = 0;
}

static bool is_repeated(const struct log_record *r)
{
    const int64_t now_ms = clock_monotonic_ms();
    if (r->level == the_last_level && the_last_message == r->message &&
        now_ms - the_last_ms < REPEAT_MS)
        return true;
    the_last_level = r->level;
    the_last_message = r->message;
    the_last_ms = now_ms;
    return false;
}

static void write_line(const struct log_record *r)
{
    const enum log_level level = the_last_level;
    if (is_repeated(r)) {
        the_repeated_lines++;
        return;
    }
    write_count(level, &the_repeated_lines, " times more the line before");
    if (write_record(r))
        write_count(LOG_AT_WARN, &the_lost_lines, " lines of the log were lost");
}

static void write_format(enum log_level level, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void write_format(enum log_level level, const char *format, va_list arguments)
{
    if (!log_wants(level))
        return;
    char message[2048];
    vsnprintf(message, sizeof message, format, arguments);
    const struct log_record r = {.level = level, .message = message, .fields = nullptr, .count = 0};
    write_line(&r);
}

void log_event(enum log_level level, const char *message, const struct log_field *fields,
               size_t count)
{
    const struct log_record r = {
        .level = level, .message = message, .fields = fields, .count = count};
    if (log_wants(level))
        write_line(&r);
}

void log_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_format(LOG_AT_ERROR, format, arguments);
    va_end(arguments);
}

void log_warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_format(LOG_AT_WARN, format, arguments);
    va_end(arguments);
}

void log_info(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_format(LOG_AT_INFO, format, arguments);
    va_end(arguments);
}

void log_debug(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_format(LOG_AT_DEBUG, format, arguments);
    va_end(arguments);
}

void log_fatal(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_format(LOG_AT_ERROR, format, arguments);
    va_end(arguments);
    exit(1);
}

void log_from_libevent(int severity, const char *message)
{
    if (severity >= EVENT_LOG_ERR)
        log_error("libevent: %s", message);
    else if (severity == EVENT_LOG_WARN)
        log_warn("libevent: %s", message);
    else
        log_debug("libevent: %s", message);
}
