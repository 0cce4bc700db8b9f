// A service account's folder: DIR/token -> ..data/token, DIR/..data -> ..1, and the files in DIR/..1.
#include "sim_account.h"

#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sim_tls.h"

static const char *const names[] = {"ca.crt", "token", "namespace"};

static std::string round_name(const struct sim_account *a)
{
    return ".." + std::to_string(a->round);
}

static bool write_text(const std::string &path, const std::string &text)
{
    FILE *file = fopen(path.c_str(), "w");
    if (!file)
        return false;
    const bool ok = fwrite(text.data(), 1, text.size(), file) == text.size();
    return fclose(file) == 0 && ok;
}

// A link that was another before, or a file, is replaced in one step.
static bool write_link(const std::string &path, const std::string &target)
{
    const std::string part = path + ".part";
    unlink(part.c_str());
    return symlink(target.c_str(), part.c_str()) == 0 && rename(part.c_str(), path.c_str()) == 0;
}

static bool make_folder(const std::string &path)
{
    return mkdir(path.c_str(), 0700) == 0 || errno == EEXIST;
}

static void remove_round(const struct sim_account *a)
{
    const std::string folder = a->directory + '/' + round_name(a);
    for (const char *name : names)
        unlink((folder + '/' + name).c_str());
    rmdir(folder.c_str());
}

bool sim_account_write(struct sim_account *a)
{
    const struct sim_account old = *a;
    a->round++;
    const std::string folder = a->directory + '/' + round_name(a) + '/';
    if (!make_folder(a->directory) || !make_folder(folder) ||
        !write_text(folder + "ca.crt", a->ca) || !write_text(folder + "token", a->token) ||
        !write_text(folder + "namespace", a->name_space) ||
        !write_link(a->directory + "/..data", round_name(a)))
        return false;
    for (const char *name : names)
        if (!write_link(a->directory + '/' + name, std::string("..data/") + name))
            return false;
    remove_round(&old);
    return true;
}

bool sim_account_rotate(struct sim_account *a)
{
    struct ssl_ctx_st *tls = sim_tls_new(&a->ca);
    if (!tls)
        return false;
    SSL_CTX_free(a->tls); // open connections hold on to it
    a->tls = tls;
    return true;
}

struct sim_account *sim_account_new(const std::string &directory, const std::string &token,
                                    const std::string &name_space)
{
    struct sim_account *a = new sim_account{};
    a->directory = directory;
    a->token = token.empty() ? "tracer-sim" : token;
    a->name_space = name_space;
    if (!sim_account_rotate(a))
        fprintf(stderr, "tracer-sim: cannot make certificates\n");
    else if (!sim_account_write(a))
        fprintf(stderr, "tracer-sim: cannot write to %s: %s\n", directory.c_str(), strerror(errno));
    else
        return a;
    sim_account_free(a);
    return nullptr;
}

void sim_account_free(struct sim_account *a)
{
    if (!a)
        return;
    remove_round(a);
    for (const char *name : names)
        unlink((a->directory + '/' + name).c_str());
    unlink((a->directory + "/..data").c_str());
    SSL_CTX_free(a->tls);
    delete a;
}
