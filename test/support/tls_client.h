// The client's end of TLS for tests: bytes in, bytes out, and who carries them is the test's business.
#pragma once
#include <string>

#include "certificates.h"

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

struct tls_client_options {
    const struct authority *trusted;                 // null: anybody
    const struct certificate *certificate = nullptr; // null: none
    int version = 0;                                 // the only one, such as TLS1_1_VERSION; 0: any
    std::string protocols = "";                      // for ALPN, as on the wire
    struct ssl_session_st *session = nullptr;        // to resume
};

struct tls_client {
    struct ssl_ctx_st *context;
    struct ssl_st *ssl;
    std::string plain; // what was received and decrypted, and not taken
    bool failed;       // the handshake, or what came later
    bool ended;        // the server said that no more comes (close_notify)
};

void tls_client_init(struct tls_client *c, const struct tls_client_options *options);
void tls_client_fini(struct tls_client *c);

// Takes bytes that came from the server and goes on as far as it can.
void tls_client_take(struct tls_client *c, const std::string &bytes);
[[nodiscard]] bool tls_client_is_open(const struct tls_client *c); // the handshake is over

// Encrypts; for when the handshake is over.
void tls_client_write(struct tls_client *c, const std::string &plain);
void tls_client_close(struct tls_client *c); // close_notify

// What is to be sent to the server.
[[nodiscard]] std::string tls_client_out(struct tls_client *c);

// The common name of the server's certificate, and what ALPN has agreed on.
[[nodiscard]] std::string tls_client_peer(const struct tls_client *c);
[[nodiscard]] std::string tls_client_protocol(const struct tls_client *c);
