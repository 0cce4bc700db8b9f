// A throw-away certification authority for the API server.
#pragma once
#include <string>

struct ssl_ctx_st;

// Makes a CA, whose certificate goes to `ca` as PEM, and a server certificate for 127.0.0.1 and
// localhost. Null, and `ca` unchanged, on failure; the caller frees with SSL_CTX_free.
[[nodiscard]] struct ssl_ctx_st *sim_tls_new(std::string *ca);
