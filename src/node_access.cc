// Our token and the trusted certificates for nodes. Owns what was good last of both.
#include "node_access.h"

#include <string_view>

#include "clock.h"
#include "credentials.h"
#include "http_client.h"
#include "log.h"
#include "tls.h"

constexpr int64_t DOUBT_MS = 1000; // between two times that a refusal has the files read again

// Certificates that fetches under way may still need after others have come.
struct trust {
    size_t users;
    std::string pem;
};

struct node_access {
    struct credentials *token, *ca; // null: there is no such file
    std::string ca_file;
    struct trust *trust;                   // null: the system's certificates
    std::string token_problem, ca_problem; // that the log knows of
    int64_t doubted_ms;                    // monotonic
    bool told_of_plain;
};

struct node_pass {
    struct node_access *access; // null: neither token nor certificates
    struct trust *trust;
    struct fetch_headers *plain;
    struct fetch_headers *secret; // with the token; null: there is none
};

static void trust_release(struct trust *t)
{
    if (t && --t->users == 0)
        delete t;
}

// Takes the certificates of the file as it is now. Returns whether they are others.
static bool take_trust(struct node_access *a, std::string *problem)
{
    const std::string &pem = credentials_ca(a->ca);
    if (a->trust && a->trust->pem == pem)
        return false;
    if (!tls_are_certificates(pem)) {
        *problem = "CA file " + a->ca_file + ": a certificate in it is damaged";
        return false;
    }
    trust_release(a->trust);
    a->trust = new trust{.users = 1, .pem = pem};
    return true;
}

// Tells of a file that was read again.
static void tell(const char *option, const std::string &problem, bool changed, std::string *known)
{
    if (!problem.empty() && problem != *known)
        log_warn("%s: %s; what was good last stays in use", option, problem.c_str());
    else if (changed)
        log_info("%s: the new one is in use", option);
    else if (problem.empty() && !known->empty())
        log_info("%s: good again", option);
    *known = problem;
}

static void reread_token(struct node_access *a)
{
    const uint64_t before = credentials_token_changes(a->token);
    credentials_reread_token(a->token, clock_monotonic_ms());
    tell("--node-token-file", credentials_problem(a->token),
         credentials_token_changes(a->token) != before, &a->token_problem);
}

static void reread_ca(struct node_access *a)
{
    credentials_reread_ca(a->ca, clock_monotonic_ms());
    std::string problem = credentials_problem(a->ca);
    const bool changed = problem.empty() && take_trust(a, &problem);
    tell("--node-ca", problem, changed, &a->ca_problem);
}

void node_access_reread(struct node_access *a)
{
    if (a->token)
        reread_token(a);
    if (a->ca)
        reread_ca(a);
}

void node_access_learn(struct node_access *a, const struct fetch_result *result)
{
    const bool refused = result->http_status == 401 || result->status == FETCH_TLS;
    if (!a || !refused)
        return;
    const int64_t now_ms = clock_monotonic_ms();
    if (now_ms - a->doubted_ms < DOUBT_MS)
        return;
    a->doubted_ms = now_ms;
    node_access_reread(a);
}

// Opens what the options name. False, and a message: a file can not be used.
static bool open_files(struct node_access *a, const struct node_access_options *o,
                       std::string *error)
{
    const int64_t now_ms = clock_monotonic_ms();
    std::string problem;
    if (!o->token_file.empty()) {
        a->token = credentials_new(o->token_file.c_str(), nullptr, now_ms, &problem);
        if (!a->token) {
            *error = "--node-token-file: " + problem;
            return false;
        }
    }
    if (o->ca_file.empty())
        return true;
    a->ca = credentials_new(nullptr, o->ca_file.c_str(), now_ms, &problem);
    if (a->ca && take_trust(a, &problem))
        return true;
    *error = "--node-ca: " + problem;
    return false;
}

struct node_access *node_access_new(const struct node_access_options *options, std::string *error)
{
    struct node_access *a = new struct node_access();
    a->ca_file = options->ca_file;
    a->doubted_ms = clock_monotonic_ms() - DOUBT_MS;
    if (open_files(a, options, error))
        return a;
    node_access_free(a);
    return nullptr;
}

void node_access_free(struct node_access *a)
{
    if (!a)
        return;
    if (a->token)
        credentials_free(a->token);
    if (a->ca)
        credentials_free(a->ca);
    trust_release(a->trust);
    delete a;
}

// The headers of requests that carry the token.
static struct fetch_headers *with_token(const std::vector<std::string> &lines,
                                        const std::string &token)
{
    std::vector<std::string> all = lines;
    all.push_back(credentials_header(token));
    struct fetch_headers *headers = fetch_headers_new(all);
    credentials_clear(&all.back());
    return headers;
}

struct node_pass *node_pass_new(struct node_access *a, const std::vector<std::string> &lines)
{
    struct node_pass *p = new node_pass{
        .access = a,
        .trust = a ? a->trust : nullptr,
        .plain = fetch_headers_new(lines),
        .secret = a && a->token ? with_token(lines, credentials_token(a->token)) : nullptr,
    };
    if (p->trust)
        p->trust->users++;
    return p;
}

void node_pass_free(struct node_pass *p)
{
    fetch_headers_free(p->plain);
    fetch_headers_free(p->secret);
    trust_release(p->trust);
    delete p;
}

void node_pass_apply(struct node_pass *p, struct fetch_options *fetch)
{
    const bool https = std::string_view(fetch->url).starts_with("https://");
    if (p->secret && !https && !p->access->told_of_plain) {
        log_warn("--node-token-file: the token is sent over https only, and not to %s nor to any "
                 "other node that speaks plain HTTP",
                 fetch->url);
        p->access->told_of_plain = true;
    }
    fetch->headers = https && p->secret ? p->secret : p->plain;
    fetch->ca_pem = https && p->trust ? &p->trust->pem : nullptr;
}
