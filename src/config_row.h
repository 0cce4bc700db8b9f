// The rows of the option table, and what their values are made of: for the files of config only.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "config.h"

// The headings of --help, in its order.
enum option_group {
    GROUP_LISTENING,
    GROUP_DISCOVERY,
    GROUP_NODES,
    GROUP_BOUNDS,
    GROUP_GENERAL,
    GROUP_COUNT,
};

enum option_kind {
    KIND_TEXT,
    KIND_BOOL,
    KIND_ADDRESS,
    KIND_DURATION,
    KIND_SIZE,
    KIND_COUNT,
    KIND_NODES,
    KIND_URL,
    KIND_LABELS,
    KIND_FIELDS,
    KIND_NAMESPACE,
    KIND_LOG_FORMAT,
    KIND_AUTH,
    KIND_FILE,
    KIND_NAMES,
    KIND_HELP,
    KIND_VERSION,
    KIND_COMPLETION,
};

struct option_row {
    enum option_group group = GROUP_GENERAL;
    const char *flag;
    const char *variable = nullptr; // null: none
    const char *value = nullptr;    // what stands for the value in --help
    const char *standard = nullptr; // the default; null: none
    enum option_kind kind = KIND_TEXT;
    bool config::*flag_value = nullptr;
    std::string config::*text = nullptr;
    std::vector<std::string> config::*list = nullptr;
    int64_t config::*number = nullptr;
    int64_t least = 0, most = 0;
    const char *help = nullptr; // null: not shown
};

extern const struct option_row CONFIG_ROWS[];
extern const size_t CONFIG_ROW_COUNT;

// Sets in `c` what `row` stands for. False: `error` is what the option takes.
[[nodiscard]] bool config_set_value(const struct option_row &row, const std::string &text,
                                    struct config *c, std::string *error);
