// TLS of the REST listener. Owns the context that new connections take theirs from; an old one lives
// as long as its connections do.
#include "tls.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "log.h"
#include "tls_name.h"

static const size_t FILE_MAX = 256 * 1024;
static const long SESSION_SECONDS = 300; // a resumed session does not look at the certificate again
static const char CIPHERS[] =
    "ECDHE+AESGCM:ECDHE+CHACHA20"; // of TLS 1.2; those of 1.3 are all good
static const unsigned char PROTOCOLS[] = "\x08http/1.1";
static const char PLAIN_HTTP_REPLY[] =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
    "Content-Length: 106\r\nConnection: close\r\n\r\n"
    "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
    "\"detail\":\"This port speaks HTTPS: use https://.\"}";

// What the files hold. The key is cleared before it is given up.
struct pem_files {
    std::string cert, key, client_ca;
};

struct tls {
    struct tls_options options;
    SSL_CTX *context;
    unsigned char digest[EVP_MAX_MD_SIZE]; // of the files that `context` is of
    std::string problem;                   // why the present files cannot be used; empty: they are
};

// Takes the room beforehand: a text that grows leaves pieces of a key behind.
static bool read_file(const char *option, const std::string &path, std::string *text,
                      std::string *error)
{
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    text->resize(fd < 0 ? 0 : FILE_MAX);
    size_t size = 0;
    ssize_t n = fd < 0 ? -1 : 0;
    while (size < text->size() && (n = read(fd, text->data() + size, text->size() - size)) > 0)
        size += static_cast<size_t>(n);
    if (n < 0)
        *error = std::string(option) + ": " + path + ": " + strerror(errno);
    else if (size == FILE_MAX)
        *error = std::string(option) + ": " + path + ": too large";
    if (fd >= 0)
        close(fd);
    text->resize(size);
    return error->empty();
}

static bool read_files(const struct tls_options *o, struct pem_files *files, std::string *error)
{
    return read_file("--certfile", o->cert_file, &files->cert, error) &&
           read_file("--keyfile", o->key_file, &files->key, error) &&
           (o->client_ca.empty() ||
            read_file("--client-ca", o->client_ca, &files->client_ca, error));
}

static void clear_files(struct pem_files *files)
{
    files->key.resize(files->key.capacity()); // all that it has ever filled
    OPENSSL_cleanse(files->key.data(), files->key.size());
    files->key.clear();
}

static void digest_files(const struct pem_files *files, unsigned char *digest)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_DigestInit_ex(md, EVP_sha256(), nullptr);
    for (const std::string *text : {&files->cert, &files->key, &files->client_ca}) {
        const size_t size = text->size();
        EVP_DigestUpdate(md, &size, sizeof size);
        EVP_DigestUpdate(md, text->data(), size);
    }
    EVP_DigestFinal_ex(md, digest, nullptr);
    EVP_MD_CTX_free(md);
}

// There is nobody to ask for a passphrase; without this OpenSSL would ask the terminal.
static int on_passphrase(char *, int, int, void *)
{
    return 0;
}

static BIO *open_text(const std::string &text)
{
    return BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
}

// Whether reading certificates ended because there are no more, not because one is damaged.
static bool ended_well()
{
    const unsigned long e = ERR_peek_last_error();
    return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

// Every certificate of `pem`, in its order; none where one is damaged. The caller frees.
static STACK_OF(X509) * read_certificates(const std::string &pem)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    BIO *in = open_text(pem);
    while (X509 *one = PEM_read_bio_X509(in, nullptr, on_passphrase, nullptr))
        sk_X509_push(all, one);
    while (!ended_well() && sk_X509_num(all) > 0)
        X509_free(sk_X509_pop(all));
    BIO_free(in);
    return all;
}

static void free_certificates(STACK_OF(X509) * all)
{
    while (sk_X509_num(all) > 0)
        X509_free(sk_X509_pop(all));
    sk_X509_free(all);
}

bool tls_are_certificates(const std::string &pem)
{
    ERR_clear_error();
    STACK_OF(X509) *all = read_certificates(pem);
    const bool some = sk_X509_num(all) > 0;
    free_certificates(all);
    ERR_clear_error();
    return some;
}

static const char *last_reason()
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason ? reason : "unknown reason";
}

static bool use_chain(SSL_CTX *context, STACK_OF(X509) * chain)
{
    if (SSL_CTX_use_certificate(context, sk_X509_value(chain, 0)) != 1)
        return false;
    for (int i = 1; i < sk_X509_num(chain); i++)
        if (SSL_CTX_add1_chain_cert(context, sk_X509_value(chain, i)) != 1)
            return false;
    return true;
}

static bool use_pair(SSL_CTX *context, const struct tls_options *o, const struct pem_files *files,
                     std::string *error)
{
    STACK_OF(X509) *chain = read_certificates(files->cert);
    BIO *in = open_text(files->key);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, nullptr, on_passphrase, nullptr);
    BIO_free(in);
    if (sk_X509_num(chain) == 0)
        *error = "--certfile: " + o->cert_file + ": no PEM certificate, or a damaged one";
    else if (!key)
        *error = "--keyfile: " + o->key_file + ": no PEM private key, or an encrypted one";
    else if (X509_check_private_key(sk_X509_value(chain, 0), key) != 1)
        *error = "--keyfile: " + o->key_file + ": not the key of the certificate in " +
                 o->cert_file + ", which --certfile names";
    else if (!use_chain(context, chain))
        *error = "--certfile: " + o->cert_file + ": " + last_reason();
    else if (SSL_CTX_use_PrivateKey(context, key) != 1)
        *error = "--keyfile: " + o->key_file + ": " + last_reason();
    EVP_PKEY_free(key);
    free_certificates(chain);
    return error->empty();
}

// Has clients asked for a certificate. One that is not good ends the handshake; that there is none is
// for tls_refusal to say.
static bool use_client_ca(SSL_CTX *context, const struct tls_options *o,
                          const struct pem_files *files, std::string *error)
{
    if (o->client_ca.empty())
        return true;
    STACK_OF(X509) *all = read_certificates(files->client_ca);
    if (sk_X509_num(all) == 0)
        *error = "--client-ca: " + o->client_ca + ": no PEM certificate, or a damaged one";
    for (int i = 0; i < sk_X509_num(all); i++) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context), sk_X509_value(all, i));
        SSL_CTX_add_client_CA(context, sk_X509_value(all, i));
    }
    free_certificates(all);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    return error->empty();
}

// A client that offers only what we do not speak, such as h2, is told so (RFC 7301, section 3.2).
static int on_protocols(SSL *, const unsigned char **out, unsigned char *out_size,
                        const unsigned char *in, unsigned in_size, void *)
{
    unsigned char *chosen = nullptr;
    if (SSL_select_next_proto(&chosen, out_size, PROTOCOLS, sizeof PROTOCOLS - 1, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

// Answers a client that begins with plain HTTP, so that the person before it sees what is wrong.
static void on_progress(const SSL *ssl, int where, int result)
{
    if (where == SSL_CB_ACCEPT_EXIT && result <= 0 &&
        ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_HTTP_REQUEST)
        BIO_write(SSL_get_wbio(ssl), PLAIN_HTTP_REPLY, sizeof PLAIN_HTTP_REPLY - 1);
}

static void configure(SSL_CTX *context)
{
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context, CIPHERS);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    // no 34 KB of buffers for each idle connection; no guess at a chain from the clients' authorities
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    // sessions live in tickets, under keys of this context, not in our memory
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(context, PROTOCOLS, sizeof PROTOCOLS - 1);
    SSL_CTX_set_timeout(context, SESSION_SECONDS);
    SSL_CTX_set_alpn_select_cb(context, on_protocols, nullptr);
    SSL_CTX_set_info_callback(context, on_progress);
}

static SSL_CTX *context_new(const struct tls_options *o, const struct pem_files *files,
                            std::string *error)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context)
        log_fatal("no TLS: %s", last_reason());
    configure(context);
    if (!use_pair(context, o, files, error) || !use_client_ca(context, o, files, error)) {
        SSL_CTX_free(context);
        context = nullptr;
    }
    ERR_clear_error();
    return context;
}

// Takes the files as they are now. False: they cannot be used.
static bool load(struct tls *t, bool *changed, std::string *error)
{
    struct pem_files files;
    unsigned char digest[EVP_MAX_MD_SIZE] = {};
    error->clear();
    *changed = false;
    if (read_files(&t->options, &files, error)) {
        digest_files(&files, digest);
        *changed = memcmp(digest, t->digest, sizeof digest) != 0;
    }
    SSL_CTX *context = *changed ? context_new(&t->options, &files, error) : nullptr;
    clear_files(&files);
    if (!context)
        return error->empty();
    memcpy(t->digest, digest, sizeof digest);
    SSL_CTX_free(t->context);
    t->context = context;
    return true;
}

struct tls *tls_new(const struct tls_options *options, std::string *error)
{
    struct tls *t = new struct tls();
    t->options = *options;
    bool changed = false;
    if (load(t, &changed, error))
        return t;
    tls_free(t);
    return nullptr;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->context);
    delete t;
}

void tls_reread(struct tls *t)
{
    bool changed = false;
    std::string problem;
    // the files may have been swapped between the reading of one and the next
    const bool good = load(t, &changed, &problem) || load(t, &changed, &problem);
    if (!good && problem != t->problem)
        log_warn("%s; the certificate that was good last stays in use", problem.c_str());
    else if (good && (changed || !t->problem.empty()))
        log_info("--certfile: %s: %s", t->options.cert_file.c_str(),
                 changed ? "the new certificate is in use" : "good again");
    t->problem = problem;
}

struct ssl_st *tls_accept(const struct tls *t)
{
    return SSL_new(t->context);
}

std::string tls_refusal(const struct tls *t, const struct ssl_st *ssl)
{
    if (t->options.client_ca.empty())
        return "";
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    if (!certificate)
        return "This needs a client certificate.";
    const bool expired = X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0;
    const std::vector<std::string> names = tls_names_of(certificate);
    X509_free(certificate);
    if (expired) // since the handshake, or the one of the session that was resumed
        return "The client certificate has expired.";
    return tls_name_is_allowed(names, t->options.client_names)
               ? ""
               : "The client certificate is of " + tls_names_text(names) +
                     ", which is none of those who may ask.";
}

void tls_close(struct ssl_st *ssl)
{
    if (!SSL_is_init_finished(ssl) || (SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN) != 0)
        return;
    SSL_shutdown(ssl);
    ERR_clear_error();
}
