// What --help prints.
#include <algorithm>

#include "config_row.h"

// Adds `text` in lines of at most 80 columns, each indented.
static void append_wrapped(std::string *out, const std::string &text)
{
    constexpr size_t INDENT = 6, WIDTH = 80;
    size_t column = 0;
    for (size_t begin = 0; begin < text.size();) {
        const size_t space = std::min(text.find(' ', begin), text.size());
        const std::string word = text.substr(begin, space - begin);
        if (column == 0 || column + 1 + word.size() > WIDTH) {
            *out += (column == 0 ? "" : "\n") + std::string(INDENT, ' ');
            column = INDENT;
        } else {
            *out += ' ';
            column++;
        }
        *out += word;
        column += word.size();
        begin = space + 1;
    }
    *out += '\n';
}

static void append_row(std::string *out, const struct option_row &row)
{
    *out += "  --" + std::string(row.flag) + (row.value ? " " + std::string(row.value) : "");
    if (row.variable)
        *out += "  [" + std::string(row.variable) + "]";
    *out += "\n";
    append_wrapped(out, row.help + (row.standard ? " (default: " + std::string(row.standard) + ")"
                                                 : std::string()));
}

static const char *heading_of(enum option_group group)
{
    switch (group) {
    case GROUP_LISTENING: return "Listening";
    case GROUP_DISCOVERY: return "Finding the nodes";
    case GROUP_NODES: return "Asking the nodes";
    case GROUP_BOUNDS: return "Bounds";
    case GROUP_GENERAL: return "Log and help";
    case GROUP_COUNT: break;
    }
    return "";
}

std::string config_help()
{
    std::string out =
        "usage: tracer-svc [OPTION]...\n\n"
        "The one door to all tracer-node agents of a Kubernetes cluster: finds them,\n"
        "sends every request to all of them at once, answers once.\n\n"
        "A flag beats its environment variable, which beats the default.\n"
        "DURATION: 10 (seconds), 250ms, 10s, 1m. SIZE: 4096 (bytes), 64KiB, 1MiB.\n";
    for (int group = 0; group < GROUP_COUNT; group++) {
        out += "\n" + std::string(heading_of(static_cast<enum option_group>(group))) + ":\n";
        for (size_t i = 0; i < CONFIG_ROW_COUNT; i++)
            if (CONFIG_ROWS[i].group == group && CONFIG_ROWS[i].help)
                append_row(&out, CONFIG_ROWS[i]);
    }
    return out + "\nSee tracer-svc(8) for the API and examples.\n";
}
