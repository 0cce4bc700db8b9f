// TLS of the REST listener: its certificate and key, read again as their files change, and which
// clients may ask.
//
// Knows OpenSSL and nothing of sockets or loops. Files are opened by path each time, since mounted
// secrets are swapped by a symbolic link. Files that cannot be used change nothing: what was good last
// stays. Connections keep what they began with.
#pragma once
#include <string>
#include <vector>

struct ssl_st;
struct tls;

struct tls_options {
    std::string cert_file; // PEM: the certificate, and those between it and the authority
    std::string key_file;  // PEM, not encrypted
    std::string client_ca; // PEM: the authorities of clients; empty: clients are not asked
    std::vector<std::string> client_names; // who may ask; empty: everyone with a good certificate
};

// Null, and a message that names the option in `error`, where the files cannot be used.
[[nodiscard]] struct tls *tls_new(const struct tls_options *options, std::string *error);
void tls_free(struct tls *t);

// Reads the files again. What becomes of it is written to the log when it changes.
void tls_reread(struct tls *t);

// Whether a text has PEM certificates, and none that is damaged.
[[nodiscard]] bool tls_are_certificates(const std::string &pem);

// The server's end of a new connection, with the certificate of now. Null: out of memory.
[[nodiscard]] struct ssl_st *tls_accept(const struct tls *t);

// Why the client of a connection may not ask now, a sentence for people; empty: it may. To be asked of
// each request: certificates expire while a connection is open.
[[nodiscard]] std::string tls_refusal(const struct tls *t, const struct ssl_st *ssl);

// Tells the client that no more comes (close_notify), if there was a handshake. Waits for nothing.
void tls_close(struct ssl_st *ssl);
