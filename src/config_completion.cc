// What --completion prints: how bash and zsh complete the options, made of their table.
#include <cstring>

#include "config_row.h"

static bool takes_file(const struct option_row &row)
{
    return row.value && strcmp(row.value, "FILE") == 0;
}

// One of some words: "text|json".
static bool takes_choice(const struct option_row &row)
{
    return row.value && strchr(row.value, '|');
}

static std::string spaced(std::string choices)
{
    for (char &c : choices)
        if (c == '|')
            c = ' ';
    return choices;
}

// The flags that `is_meant`, with `separator` between them.
static std::string flags_that(bool (*is_meant)(const struct option_row &), const char *separator)
{
    std::string flags;
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++)
        if (is_meant(CONFIG_ROWS[i]))
            flags += (flags.empty() ? "--" : std::string(separator) + "--") + CONFIG_ROWS[i].flag;
    return flags;
}

static bool is_any(const struct option_row &)
{
    return true;
}

static bool takes_text(const struct option_row &row)
{
    return row.value && !takes_file(row) && !takes_choice(row);
}

// bash makes words of "--flag", "=" and what follows it.
static std::string completion_of_bash()
{
    std::string out = "# bash completion for tracer-svc, made by tracer-svc --completion bash\n"
                      "_tracer_svc() {\n"
                      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
                      "\tif [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD - 2]}; fi\n"
                      "\tif [ \"$cur\" = = ]; then cur=; fi\n"
                      "\tCOMPREPLY=()\n"
                      "\tcase $prev in\n";
    out += "\t" + flags_that(takes_file, " | ") +
           ")\n\t\tcompopt -o filenames 2>/dev/null\n"
           "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n";
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++)
        if (takes_choice(CONFIG_ROWS[i]))
            out += "\t--" + std::string(CONFIG_ROWS[i].flag) +
                   ") mapfile -t COMPREPLY < <(compgen -W '" + spaced(CONFIG_ROWS[i].value) +
                   "' -- \"$cur\") ;;\n";
    out += "\t" + flags_that(takes_text, " | ") + ") ;;\n";
    return out + "\t*) mapfile -t COMPREPLY < <(compgen -W '" + flags_that(is_any, " ") +
           "' -- \"$cur\") ;;\n"
           "\tesac\n"
           "}\n"
           "complete -F _tracer_svc tracer-svc\n";
}

// A text between single quotes, within a part that ends with `end`.
static std::string quoted_for_zsh(const std::string &text, char end)
{
    std::string out;
    for (const char c : text) {
        if (c == '\'')
            out += "'\\'";
        else if (c == '\\' || c == ':' || c == '[' || c == end)
            out += '\\';
        out += c;
    }
    return out;
}

static std::string completion_of_zsh()
{
    std::string out = "#compdef tracer-svc\n"
                      "# zsh completion for tracer-svc, made by tracer-svc --completion zsh\n"
                      "_arguments";
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        const struct option_row &row = CONFIG_ROWS[i];
        out += " \\\n\t'--" + std::string(row.flag) + (row.value ? "=" : "") + "[" +
               quoted_for_zsh(row.help, ']') + "]";
        if (row.value)
            out += ":" + quoted_for_zsh(row.value, ':') + ":";
        if (takes_file(row))
            out += "_files";
        else if (takes_choice(row))
            out += "(" + spaced(row.value) + ")";
        out += "'";
    }
    return out + "\n";
}

std::string config_completion(enum config_shell shell)
{
    return shell == CONFIG_ZSH ? completion_of_zsh() : completion_of_bash();
}
