// Throw-away certification authorities: for the API server, and for the tracer-nodes that speak https.
#pragma once
#include <string>

struct evp_pkey_st;
struct ssl_ctx_st;
struct x509_st;

struct sim_authority {
    struct evp_pkey_st *key;
    struct x509_st *certificate;
    std::string pem; // of the certificate
};

// Null on failure.
[[nodiscard]] struct sim_authority *sim_authority_new();
void sim_authority_free(struct sim_authority *a);

// A server's context, with a certificate of these names, such as "IP:127.0.0.1,DNS:localhost". Null on
// failure; the caller frees with SSL_CTX_free.
[[nodiscard]] struct ssl_ctx_st *sim_authority_issue(const struct sim_authority *a,
                                                     const char *names);

// Makes a CA, whose certificate goes to `ca` as PEM, and a server certificate for 127.0.0.1 and
// localhost. Null, and `ca` unchanged, on failure; the caller frees with SSL_CTX_free.
[[nodiscard]] struct ssl_ctx_st *sim_tls_new(std::string *ca);
