// Certification authorities and the certificates of servers.
#include "sim_tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

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

static X509 *server_new(EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key, const char *names)
{
    X509 *cert = certificate_new("tracer-sim", 2, key);
    if (cert && X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 &&
        add_extension(cert, ca, NID_subject_alt_name, names) &&
        add_extension(cert, ca, NID_ext_key_usage, "serverAuth") &&
        add_extension(cert, ca, NID_authority_key_identifier, "keyid") &&
        X509_sign(cert, ca_key, EVP_sha256()) > 0)
        return cert;
    X509_free(cert);
    return nullptr;
}

static bool certificate_text(X509 *cert, std::string *text)
{
    char *bytes = nullptr;
    BIO *memory = BIO_new(BIO_s_mem());
    const bool ok = memory && PEM_write_bio_X509(memory, cert) == 1;
    const long size = ok ? BIO_get_mem_data(memory, &bytes) : 0;
    if (ok)
        text->assign(bytes, static_cast<size_t>(size));
    BIO_free(memory);
    return ok;
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

struct sim_authority *sim_authority_new()
{
    struct sim_authority *a = new sim_authority{};
    a->key = key_new();
    a->certificate = a->key ? ca_new(a->key) : nullptr;
    if (a->certificate && certificate_text(a->certificate, &a->pem))
        return a;
    sim_authority_free(a);
    return nullptr;
}

void sim_authority_free(struct sim_authority *a)
{
    if (!a)
        return;
    X509_free(a->certificate);
    EVP_PKEY_free(a->key);
    delete a;
}

struct ssl_ctx_st *sim_authority_issue(const struct sim_authority *a, const char *names)
{
    EVP_PKEY *key = key_new();
    X509 *cert = key ? server_new(key, a->certificate, a->key, names) : nullptr;
    SSL_CTX *context = cert ? context_new(cert, key) : nullptr;
    X509_free(cert);
    EVP_PKEY_free(key);
    return context;
}

struct ssl_ctx_st *sim_tls_new(std::string *ca)
{
    struct sim_authority *a = sim_authority_new();
    SSL_CTX *context = a ? sim_authority_issue(a, "IP:127.0.0.1,DNS:localhost") : nullptr;
    if (context)
        *ca = a->pem;
    sim_authority_free(a);
    return context;
}
