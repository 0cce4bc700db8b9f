// http_client: whose certificates it trusts.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <event2/bufferevent_ssl.h>

#include "cmocka_cc.h"
#include "fetching.h"
#include "http_client.h"
#include "tcp_server.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// A certificate authority, and a server's context with a certificate of it.
struct authority {
    EVP_PKEY *key;
    X509 *certificate;
    std::string pem;
    SSL_CTX *context;
};

// Files and folders that were to be trusted besides what was given: curl calls these, in the place of the
// library's own.
static unsigned trusted_files, trusted_folders;

int X509_STORE_load_file(X509_STORE *, const char *)
{
    trusted_files++;
    return 1;
}

int X509_STORE_load_path(X509_STORE *, const char *)
{
    trusted_folders++;
    return 1;
}

// Not EVP_EC_gen: a macro with a cast that our warnings refuse.
static EVP_PKEY *key_new()
{
    static char curve[] = "P-256";
    return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve);
}

static void extend(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    assert_non_null(e);
    X509_add_ext(certificate, e, -1);
    X509_EXTENSION_free(e);
}

// A certificate for `key`, without its extensions and signature.
static X509 *certificate_new(EVP_PKEY *key, const char *name, X509 *issuer)
{
    X509 *c = X509_new();
    X509_set_version(c, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c), issuer ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(c), -3600);
    X509_gmtime_adj(X509_getm_notAfter(c), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char *>(name), -1, -1, 0);
    X509_set_issuer_name(c, X509_get_subject_name(issuer ? issuer : c));
    X509_set_pubkey(c, key);
    return c;
}

static std::string pem_of(X509 *certificate)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *data = nullptr;
    PEM_write_bio_X509(memory, certificate);
    const long size = BIO_get_mem_data(memory, &data);
    const std::string pem(data, static_cast<size_t>(size));
    BIO_free(memory);
    return pem;
}

// `address` is what the server's certificate is for.
static struct authority authority_new(const char *address)
{
    struct authority a = {};
    a.key = key_new();
    a.certificate = certificate_new(a.key, "a test's authority", nullptr);
    extend(a.certificate, NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(a.certificate, a.key, EVP_sha256());
    a.pem = pem_of(a.certificate);

    EVP_PKEY *key = key_new();
    X509 *certificate = certificate_new(key, "a test's server", a.certificate);
    extend(certificate, NID_subject_alt_name, address);
    X509_sign(certificate, a.key, EVP_sha256());
    a.context = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(a.context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(a.context, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return a;
}

static void authority_free(struct authority *a)
{
    SSL_CTX_free(a->context);
    X509_free(a->certificate);
    EVP_PKEY_free(a->key);
}

static struct bufferevent *on_wrap_tls(struct event_base *base, int fd, void *arg)
{
    struct authority *a = static_cast<struct authority *>(arg);
    return bufferevent_openssl_socket_new(base, fd, SSL_new(a->context), BUFFEREVENT_SSL_ACCEPTING,
                                          BEV_OPT_CLOSE_ON_FREE);
}

static struct fetching tls_begin(struct authority *a)
{
    struct fetching s = fetching_begin({{OK, TCP_KEEP}});
    tcp_server_wrap(s.server, on_wrap_tls, a);
    s.url.replace(0, 4, "https");
    return s;
}

static struct outcome tls_get(struct fetching *s, const std::string *ca_pem)
{
    struct fetch_options options = fetching_options(s->url.c_str(), nullptr);
    options.ca_pem = ca_pem;
    return fetching_do(s, &options);
}

static void https__authority_given__is_trusted_and_the_connection_kept(void **)
{
    struct authority a = authority_new("IP:127.0.0.1");
    struct fetching s = tls_begin(&a);

    const struct outcome first = tls_get(&s, &a.pem);
    const struct outcome second = tls_get(&s, &a.pem);

    assert_int_equal(first.status, FETCH_DONE);
    assert_string_equal(first.body.c_str(), "hello");
    assert_int_equal(second.status, FETCH_DONE);
    assert_int_equal(second.connects, 0);
    fetching_end(&s);
    authority_free(&a);
}

// curl's own default is to trust a folder in addition.
static void https__authority_given__is_all_that_is_trusted(void **)
{
    struct authority a = authority_new("IP:127.0.0.1");
    struct fetching s = tls_begin(&a);

    trusted_files = trusted_folders = 0;
    assert_int_equal(tls_get(&s, &a.pem).status, FETCH_DONE);

    assert_int_equal(trusted_files, 0);
    assert_int_equal(trusted_folders, 0);
    fetching_end(&s);
    authority_free(&a);
}

// What the client offered, each name behind its length.
static int on_offer(SSL *, const unsigned char **, unsigned char *, const unsigned char *names,
                    unsigned size, void *arg)
{
    static_cast<std::string *>(arg)->assign(reinterpret_cast<const char *>(names), size);
    return SSL_TLSEXT_ERR_NOACK;
}

static void https__protocols_offered__are_http_1_1_alone(void **)
{
    struct authority a = authority_new("IP:127.0.0.1");
    struct fetching s = tls_begin(&a);
    std::string offered = "none";
    SSL_CTX_set_alpn_select_cb(a.context, on_offer, &offered);

    assert_int_equal(tls_get(&s, &a.pem).status, FETCH_DONE);

    assert_string_equal(offered.c_str(), "\x08http/1.1");
    fetching_end(&s);
    authority_free(&a);
}

static void https__another_authority_or_none__is_refused(void **)
{
    struct authority a = authority_new("IP:127.0.0.1");
    struct authority other = authority_new("IP:127.0.0.1");
    struct fetching s = tls_begin(&a);
    const std::string nonsense = "no certificate";

    // the first leaves a trusted connection behind, which must not serve the others
    const struct outcome ours = tls_get(&s, &a.pem);
    const struct outcome others[] = {
        tls_get(&s, nullptr), // nor may what it trusted
        tls_get(&s, &other.pem),
        tls_get(&s, &nonsense),
    };
    const struct outcome again = tls_get(&s, &a.pem);

    assert_int_equal(ours.status, FETCH_DONE);
    assert_int_equal(again.status, FETCH_DONE);
    for (const struct outcome &o : others) {
        assert_int_equal(o.status, FETCH_TLS);
        assert_false(o.sent);
        assert_string_not_equal(o.error.c_str(), "");
    }
    assert_int_equal(tcp_server_requests(s.server).size(), 2);
    fetching_end(&s);
    authority_free(&other);
    authority_free(&a);
}

static void https__certificate_for_another_address__is_refused(void **)
{
    struct authority a = authority_new("IP:127.0.0.2,DNS:localhost");
    struct fetching s = tls_begin(&a);

    const struct outcome o = tls_get(&s, &a.pem);

    assert_int_equal(o.status, FETCH_TLS);
    fetching_end(&s);
    authority_free(&a);
}

static void https__connecting_elsewhere__checks_the_name_of_the_url(void **)
{
    struct authority a = authority_new("DNS:node.example");
    struct fetching s = tls_begin(&a);
    const std::string there = "::" + s.url.substr(s.url.find("127.0.0.1"));
    const std::string connect_to = there.substr(0, there.find('/'));
    struct fetch_options options = fetching_options("https://node.example:1/", nullptr);
    options.connect_to = connect_to.c_str();
    options.ca_pem = &a.pem;

    const struct outcome good = fetching_do(&s, &options);
    const struct outcome kept = fetching_do(&s, &options);
    options.url = "https://other.example:1/";
    const struct outcome bad = fetching_do(&s, &options);
    const struct outcome address = tls_get(&s, &a.pem); // by the same handles

    assert_int_equal(good.status, FETCH_DONE);
    assert_int_equal(kept.status, FETCH_DONE);
    assert_int_equal(kept.connects, 0);
    assert_int_equal(bad.status, FETCH_TLS);
    assert_int_equal(address.status, FETCH_TLS);
    fetching_end(&s);
    authority_free(&a);
}

static void https__server_of_old_tls__is_refused(void **)
{
    struct authority a = authority_new("IP:127.0.0.1");
    SSL_CTX_set_security_level(a.context, 0);
    SSL_CTX_set_min_proto_version(a.context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(a.context, TLS1_1_VERSION);
    struct fetching s = tls_begin(&a);

    const struct outcome o = tls_get(&s, &a.pem);

    assert_int_equal(o.status, FETCH_TLS);
    fetching_end(&s);
    authority_free(&a);
}

static void https__handshake_never_ends__is_connect(void **)
{
    struct authority a = authority_new("IP:127.0.0.1");
    struct fetching s = fetching_begin({{OK, TCP_KEEP}});
    s.url.replace(0, 4, "https");
    struct fetch_options options = fetching_options(s.url.c_str(), nullptr);
    options.connect_timeout_ms = 100;
    options.ca_pem = &a.pem;

    // a plain server waits for the end of a request that never comes
    const struct outcome o = fetching_do(&s, &options);

    assert_int_equal(o.status, FETCH_CONNECT);
    assert_true(o.ms >= 100 && o.ms < 3000);
    assert_false(o.sent);
    fetching_end(&s);
    authority_free(&a);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(https__authority_given__is_trusted_and_the_connection_kept),
        cmocka_unit_test(https__authority_given__is_all_that_is_trusted),
        cmocka_unit_test(https__protocols_offered__are_http_1_1_alone),
        cmocka_unit_test(https__another_authority_or_none__is_refused),
        cmocka_unit_test(https__certificate_for_another_address__is_refused),
        cmocka_unit_test(https__connecting_elsewhere__checks_the_name_of_the_url),
        cmocka_unit_test(https__server_of_old_tls__is_refused),
        cmocka_unit_test(https__handshake_never_ends__is_connect),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
