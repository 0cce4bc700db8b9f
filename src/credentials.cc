// Token and certificate files, read again as they rotate.
#include "credentials.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

static constexpr size_t FILE_MAX = 1024 * 1024;

struct secret_file {
    std::string path; // empty: there is none
    std::string text; // what was good last
    std::string problem;
    int64_t read_at_ms;
};

struct credentials {
    struct secret_file token, ca;
    uint64_t token_changes;
    std::string problem;
};

std::string credentials_header(const std::string &token)
{
    std::string line;
    line.reserve(token.size() + 32); // grown text would leave copies of the token behind
    line = "Authorization: Bearer ";
    line += token;
    return line;
}

void credentials_clear(std::string *secret)
{
    // to its full size first: a shorter text before may have left the end of a longer one behind
    secret->resize(secret->capacity());
    explicit_bzero(secret->data(), secret->size());
    secret->clear();
}

// Reads up to FILE_MAX bytes, without the white space around. The room is taken beforehand, so that no
// piece of a token stays behind where a growing text has been.
static bool read_file(const char *path, std::string *text, std::string *problem)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        *problem = std::string(path) + ": " + strerror(errno);
        return false;
    }
    text->resize(FILE_MAX);
    size_t size = 0;
    ssize_t n = 0;
    while (size < FILE_MAX && (n = read(fd, text->data() + size, FILE_MAX - size)) > 0)
        size += static_cast<size_t>(n);
    if (n < 0)
        *problem = std::string(path) + ": " + strerror(errno);
    else if (size == FILE_MAX)
        *problem = std::string(path) + ": too large";
    close(fd);
    text->resize(size);
    return n == 0;
}

static std::string_view trim(std::string_view text)
{
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first == text.npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// A token goes into a header line: nothing else may come of it.
static bool is_token(std::string_view text)
{
    for (const char c : text)
        if (c <= ' ' || c >= 0x7f)
            return false;
    return !text.empty();
}

// Certificates are not parsed here, but half a file is no file.
static bool is_pem(std::string_view text)
{
    constexpr std::string_view begin = "-----BEGIN CERTIFICATE-----";
    constexpr std::string_view end = "-----END CERTIFICATE-----";
    size_t at = 0, found = 0;
    while ((at = text.find(begin, at)) != text.npos) {
        const size_t next = text.find(begin, at + begin.size());
        at = text.find(end, at);
        if (at == text.npos || at > next)
            return false;
        found++;
    }
    return found > 0;
}

// Reads a file again and keeps it where it is good. Returns whether it is another one than before.
static bool reread(struct secret_file *f, bool (*is_good)(std::string_view), const char *want,
                   int64_t now_ms)
{
    if (f->path.empty())
        return false;
    f->read_at_ms = now_ms;
    f->problem.clear();
    std::string text;
    bool changed = false;
    if (read_file(f->path.c_str(), &text, &f->problem)) {
        const std::string_view inside = trim(text);
        if (!is_good(inside)) {
            f->problem = f->path + ": " + (inside.empty() ? "empty" : want);
        } else if (inside != f->text) {
            credentials_clear(&f->text);
            f->text = inside;
            changed = true;
        }
    }
    credentials_clear(&text);
    return changed;
}

static void note_problem(struct credentials *c)
{
    c->problem.clear();
    if (!c->token.problem.empty())
        c->problem = "token file " + c->token.problem;
    else if (!c->ca.problem.empty())
        c->problem = "CA file " + c->ca.problem;
}

void credentials_reread_token(struct credentials *c, int64_t now_ms)
{
    if (reread(&c->token, is_token, "no token", now_ms))
        c->token_changes++;
    note_problem(c);
}

void credentials_reread_ca(struct credentials *c, int64_t now_ms)
{
    (void)reread(&c->ca, is_pem, "no PEM certificates", now_ms);
    note_problem(c);
}

void credentials_refresh(struct credentials *c, int64_t now_ms)
{
    if (now_ms - c->token.read_at_ms >= CREDENTIALS_TOKEN_MS)
        credentials_reread_token(c, now_ms);
    if (now_ms - c->ca.read_at_ms >= CREDENTIALS_CA_MS)
        credentials_reread_ca(c, now_ms);
}

struct credentials *credentials_new(const char *token_file, const char *ca_file, int64_t now_ms,
                                    std::string *error)
{
    struct credentials *c = new struct credentials();
    c->token.path = token_file != nullptr ? token_file : "";
    c->ca.path = ca_file != nullptr ? ca_file : "";
    credentials_reread_token(c, now_ms);
    credentials_reread_ca(c, now_ms);
    if (c->problem.empty())
        return c;
    *error = c->problem;
    credentials_free(c);
    return nullptr;
}

void credentials_free(struct credentials *c)
{
    credentials_clear(&c->token.text);
    delete c;
}

const std::string &credentials_token(const struct credentials *c)
{
    return c->token.text;
}

const std::string &credentials_ca(const struct credentials *c)
{
    return c->ca.text;
}

uint64_t credentials_token_changes(const struct credentials *c)
{
    return c->token_changes;
}

const std::string &credentials_problem(const struct credentials *c)
{
    return c->problem;
}
