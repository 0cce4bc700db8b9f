// Times as text.
#include "clock.h"

// The last digits of a number, with zeros before them.
static void put_digits(char *text, int digits, int number)
{
    for (char *p = text + digits; p > text; number /= 10)
        *--p = static_cast<char>('0' + number % 10);
}

// By hand: strftime and printf take ten times as long, and there are several times to each of thousands of
// nodes.
std::string clock_text(int64_t wall_ms)
{
    const int64_t ms = (wall_ms % 1000 + 1000) % 1000; // also before 1970
    const time_t seconds = static_cast<time_t>((wall_ms - ms) / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char text[] = "0000-00-00T00:00:00.000Z";
    put_digits(text, 4, utc.tm_year + 1900);
    put_digits(text + 5, 2, utc.tm_mon + 1);
    put_digits(text + 8, 2, utc.tm_mday);
    put_digits(text + 11, 2, utc.tm_hour);
    put_digits(text + 14, 2, utc.tm_min);
    put_digits(text + 17, 2, utc.tm_sec);
    put_digits(text + 20, 3, static_cast<int>(ms));
    return text;
}
