// The client's end of TLS.
#include "tls_client.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "cmocka_cc.h"

static void use_certificate(SSL_CTX *context, const struct certificate *pair)
{
    BIO *cert = BIO_new_mem_buf(pair->cert.data(), static_cast<int>(pair->cert.size()));
    BIO *key = BIO_new_mem_buf(pair->key.data(), static_cast<int>(pair->key.size()));
    X509 *x = PEM_read_bio_X509(cert, nullptr, nullptr, nullptr);
    EVP_PKEY *k = PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr);
    assert_int_equal(SSL_CTX_use_certificate(context, x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, k), 1);
    X509_free(x);
    EVP_PKEY_free(k);
    BIO_free(cert);
    BIO_free(key);
}

// Goes on with the handshake, or reads.
static void go_on(struct tls_client *c)
{
    char piece[16384];
    for (;;) {
        ERR_clear_error();
        const bool open = SSL_is_init_finished(c->ssl) == 1;
        const int n = open ? SSL_read(c->ssl, piece, sizeof piece) : SSL_do_handshake(c->ssl);
        if (n > 0 && open)
            c->plain.append(piece, static_cast<size_t>(n));
        if (n > 0)
            continue;
        const int error = SSL_get_error(c->ssl, n);
        c->ended |= error == SSL_ERROR_ZERO_RETURN;
        c->failed |= error != SSL_ERROR_ZERO_RETURN && error != SSL_ERROR_WANT_READ;
        return;
    }
}

void tls_client_init(struct tls_client *c, const struct tls_client_options *options)
{
    *c = {};
    c->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(c->context, options->version == 0 ? 1 : 0);
    if (options->trusted) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(c->context), options->trusted->certificate);
        SSL_CTX_set_verify(c->context, SSL_VERIFY_PEER, nullptr);
    }
    if (options->certificate)
        use_certificate(c->context, options->certificate);
    SSL_CTX_set_min_proto_version(c->context, options->version);
    SSL_CTX_set_max_proto_version(c->context, options->version);
    SSL_CTX_set_alpn_protos(c->context,
                            reinterpret_cast<const unsigned char *>(options->protocols.data()),
                            static_cast<unsigned>(options->protocols.size()));
    c->ssl = SSL_new(c->context);
    SSL_set_bio(c->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (options->session)
        SSL_set_session(c->ssl, options->session);
    SSL_set_connect_state(c->ssl);
    go_on(c);
}

void tls_client_fini(struct tls_client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
}

void tls_client_take(struct tls_client *c, const std::string &bytes)
{
    if (!bytes.empty())
        BIO_write(SSL_get_rbio(c->ssl), bytes.data(), static_cast<int>(bytes.size()));
    go_on(c);
}

bool tls_client_is_open(const struct tls_client *c)
{
    return SSL_is_init_finished(c->ssl) == 1;
}

void tls_client_write(struct tls_client *c, const std::string &plain)
{
    const int size = static_cast<int>(plain.size());
    assert_int_equal(SSL_write(c->ssl, plain.data(), size), size);
}

void tls_client_close(struct tls_client *c)
{
    SSL_shutdown(c->ssl);
}

std::string tls_client_out(struct tls_client *c)
{
    BIO *out = SSL_get_wbio(c->ssl);
    std::string bytes(BIO_ctrl_pending(out), '\0');
    if (!bytes.empty())
        BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
}

std::string tls_client_peer(const struct tls_client *c)
{
    X509 *certificate = SSL_get1_peer_certificate(c->ssl);
    char name[256] = "";
    if (certificate)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                  sizeof name);
    X509_free(certificate);
    return name;
}

std::string tls_client_protocol(const struct tls_client *c)
{
    const unsigned char *data = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(c->ssl, &data, &size);
    return std::string(data, data + size);
}
