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
static unsigned long the_lost_lines; // that the log had no room for

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

static std::string line_of(enum log_level level, const char *message)
{
    if (the_format == LOG_AS_TEXT)
        return clock_text(clock_wall_ms()) + " " + level_name(level) + " " + printable(message) +
               "\n";
    std::string line = "{\"time\":\"" + clock_text(clock_wall_ms()) + "\",\"level\":\"" +
                       level_name(level) + "\",\"msg\":";
    json_append_string(&line, message);
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
static void write_line(enum log_level level, const char *message)
{
    if (!is_writable()) {
        the_lost_lines++;
        return;
    }
    std::string line = line_of(level, message);
    if (line.size() > PIPE_BUF)
        line = line_of(level, std::string(message).substr(0, PIPE_BUF / 8).c_str());
    if (write(STDERR_FILENO, line.data(), line.size()) < 0 || the_lost_lines == 0)
        return;
    const std::string lost = std::to_string(the_lost_lines) + " lines of the log were lost";
    the_lost_lines = 0;
    write_line(LOG_AT_WARN, lost.c_str());
}

static void write_format(enum log_level level, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void write_format(enum log_level level, const char *format, va_list arguments)
{
    if (!log_wants(level))
        return;
    char message[2048];
    vsnprintf(message, sizeof message, format, arguments);
    write_line(level, message);
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
