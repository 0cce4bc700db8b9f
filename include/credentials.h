// The token and the trusted certificates for the API server, read again from their files as they rotate.
//
// A service account's token lives for an hour and is replaced long before; its certificates change
// when a cluster's do. Files are opened by path each time, since they are swapped by a symbolic link. A
// file that is empty, can not be read or makes no sense keeps what was known last. The token is never
// logged, and its memory is cleared before it is given up. Times are milliseconds of the caller's clock.
#pragma once
#include <cstdint>
#include <string>

constexpr int64_t CREDENTIALS_TOKEN_MS = 50 * 1000; // age at which the token is read again
constexpr int64_t CREDENTIALS_CA_MS = 60 * 1000;    // the same of the certificates

// Where a pod finds its service account's.
constexpr const char *CREDENTIALS_TOKEN_FILE =
    "/var/run/secrets/kubernetes.io/serviceaccount/token";
constexpr const char *CREDENTIALS_CA_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

struct credentials;

// Null and a message in `error` where a file can not be used. Null for a file: there is none.
[[nodiscard]] struct credentials *credentials_new(const char *token_file, const char *ca_file,
                                                  int64_t now_ms, std::string *error);
void credentials_free(struct credentials *c);

// Reads again what is old enough.
void credentials_refresh(struct credentials *c, int64_t now_ms);

// Read again at once: after a 401, and after a failed handshake.
void credentials_reread_token(struct credentials *c, int64_t now_ms);
void credentials_reread_ca(struct credentials *c, int64_t now_ms);

// Borrowed until the next refresh or reread; empty where there is no such file.
[[nodiscard]] const std::string &credentials_token(const struct credentials *c);
[[nodiscard]] const std::string &credentials_ca(const struct credentials *c);

// How often the token has changed: a request that was refused is worth repeating with another one.
[[nodiscard]] uint64_t credentials_token_changes(const struct credentials *c);

// Why a file could not be read again, or empty: for people. Borrowed like the token.
[[nodiscard]] const std::string &credentials_problem(const struct credentials *c);

// "Authorization: Bearer TOKEN", of which no copy is left behind; to be cleared after its use.
[[nodiscard]] std::string credentials_header(const std::string &token);

// Overwrites a text that held a token, and empties it.
void credentials_clear(std::string *secret);
