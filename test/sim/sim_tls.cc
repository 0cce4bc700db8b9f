// TLS of the API server.
#include "sim_tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

constexpr long LIFE_SECONDS = 7 * 24 * 3600;

static bool add_extension(X509 *cert, X509 *issuer, int id, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(nullptr, &context, id, value);
    const bool ok = extension && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

// A certificate without extensions and signature yet. The caller frees.
static X509 *certificate_new(const char *name, long serial, EVP_PKEY *key)
{
    X509 *cert = X509_new();
    if (!cert)
        return nullptr;
    X509_NAME *subject = X509_get_subject_name(cert);
    const unsigned char *text = reinterpret_cast<const unsigned char *>(name);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), LIFE_SECONDS);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, text, -1, -1, 0);
    X509_set_pubkey(cert, key);
    return cert;
}

static X509 *ca_new(EVP_PKEY *key)
{
    X509 *ca = certificate_new("tracer-sim CA", 1, key);
    if (ca && X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1 &&
        add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE") &&
        add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(ca, ca, NID_subject_key_identifier, "hash") &&
        X509_sign(ca, key, EVP_sha256()) > 0)
        return ca;
    X509_free(ca);
    return nullptr;
}

static X509 *server_new(EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key)
{
    X509 *cert = certificate_new("tracer-sim", 2, key);
    if (cert && X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 &&
        add_extension(cert, ca, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost") &&
        add_extension(cert, ca, NID_ext_key_usage, "serverAuth") &&
        add_extension(cert, ca, NID_authority_key_identifier, "keyid") &&
        X509_sign(cert, ca_key, EVP_sha256()) > 0)
        return cert;
    X509_free(cert);
    return nullptr;
}

static bool write_text(const std::string &path, const std::string &text)
{
    FILE *file = fopen(path.c_str(), "w");
    if (!file)
        return false;
    const bool ok = fwrite(text.data(), 1, text.size(), file) == text.size();
    return fclose(file) == 0 && ok;
}

static bool write_certificate(const std::string &path, X509 *cert)
{
    FILE *file = fopen(path.c_str(), "w");
    if (!file)
        return false;
    const bool ok = PEM_write_X509(file, cert) == 1;
    return fclose(file) == 0 && ok;
}

// The server's context, with the certificate that it presents. Null on failure.
static SSL_CTX *context_new(X509 *cert, EVP_PKEY *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context && SSL_CTX_use_certificate(context, cert) == 1 &&
        SSL_CTX_use_PrivateKey(context, key) == 1)
        return context;
    SSL_CTX_free(context);
    return nullptr;
}

// EVP_EC_gen() of OpenSSL 3.0 does the same, but its macro casts a const away.
static EVP_PKEY *key_new()
{
    return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
}

struct ssl_ctx_st *sim_tls_new(const std::string &directory, const std::string &token,
                               const std::string &name_space)
{
    EVP_PKEY *ca_key = key_new(), *key = key_new();
    X509 *ca = ca_key ? ca_new(ca_key) : nullptr;
    X509 *cert = ca && key ? server_new(key, ca, ca_key) : nullptr;
    SSL_CTX *context = cert ? context_new(cert, key) : nullptr;
    if (!context) {
        fprintf(stderr, "tracer-sim: cannot make certificates\n");
    } else if ((mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) ||
               !write_certificate(directory + "/ca.crt", ca) ||
               !write_text(directory + "/token", token.empty() ? "tracer-sim" : token) ||
               !write_text(directory + "/namespace", name_space)) {
        fprintf(stderr, "tracer-sim: cannot write to %s: %s\n", directory.c_str(), strerror(errno));
        SSL_CTX_free(context);
        context = nullptr;
    }
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return context;
}
