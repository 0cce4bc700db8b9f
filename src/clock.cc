// Times as text.
#include "clock.h"

#include <cstdio>

std::string clock_text(int64_t wall_ms)
{
    const time_t seconds = static_cast<time_t>(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char day[32], text[48];
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, sizeof text, "%s.%03dZ", day, static_cast<int>(wall_ms % 1000));
    return text;
}
