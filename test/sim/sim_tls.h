// A throw-away certification authority for the API server, written as a service account's folder.
#pragma once
#include <string>

struct ssl_ctx_st;

// Makes a CA and a server certificate for 127.0.0.1 and localhost, and writes ca.crt, token and
// namespace into `directory`, which is made if need be. Null after a message on stderr; the caller
// frees with SSL_CTX_free.
[[nodiscard]] struct ssl_ctx_st *sim_tls_new(const std::string &directory, const std::string &token,
                                             const std::string &name_space);
