// TLS without a network: which files are taken, what handshakes come to, and whose certificates count.
#include <cstring>
#include <unistd.h>

#include <openssl/ssl.h>

#include "support/captured_log.h"
#include "support/certificates.h"
#include "support/cmocka_cc.h"
#include "support/tls_client.h"
#include "tls.h"

struct fixture {
    struct authority authority;
    std::string folder;
    struct tls_options options; // of good files
    struct captured_log log;
};

static int setup(void **state)
{
    struct fixture *f = new fixture{};
    f->authority = authority_new();
    f->folder = folder_new();
    const struct certificate pair = authority_issue(&f->authority, "first", "IP:127.0.0.1");
    f->options.cert_file = folder_put(f->folder, "tls.crt", pair.cert);
    f->options.key_file = folder_put(f->folder, "tls.key", pair.key);
    f->log = captured_log_begin();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    captured_log_end(&f->log);
    folder_remove(f->folder);
    authority_free(&f->authority);
    delete f;
    return 0;
}

static struct fixture *fixture_of(void **state)
{
    return static_cast<struct fixture *>(*state);
}

static size_t log_count(struct fixture *f, const char *part)
{
    const std::string text = captured_log_text(&f->log);
    size_t count = 0;
    for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at++)
        count++;
    return count;
}

static void put_pair(const struct fixture *f, const struct certificate &pair)
{
    folder_put(f->folder, "tls.crt", pair.cert);
    folder_put(f->folder, "tls.key", pair.key);
}

static struct tls *tls_good(const struct tls_options *options)
{
    std::string error;
    struct tls *t = tls_new(options, &error);
    if (!t)
        fail_msg("%s", error.c_str());
    return t;
}

// Two ends of a connection.
struct pair {
    SSL *server;
    struct tls_client client;
};

static void carry(struct pair *p)
{
    for (int i = 0; i < 4; i++) {
        const std::string up = tls_client_out(&p->client);
        if (!up.empty())
            BIO_write(SSL_get_rbio(p->server), up.data(), static_cast<int>(up.size()));
        char byte;
        (void)SSL_read(p->server, &byte, 1);
        char down[65536];
        const int n = BIO_read(SSL_get_wbio(p->server), down, sizeof down);
        if (n > 0)
            tls_client_take(&p->client, std::string(down, static_cast<size_t>(n)));
    }
}

static struct pair pair_begin(const struct tls *t, const struct tls_client_options &options)
{
    struct pair p;
    p.server = tls_accept(t);
    SSL_set_bio(p.server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(p.server);
    tls_client_init(&p.client, &options);
    carry(&p);
    return p;
}

static void pair_end(struct pair *p)
{
    tls_client_fini(&p->client);
    SSL_free(p->server);
}

// The name that a new client sees; "" where there is no handshake.
static std::string name_seen(const struct tls *t, const struct tls_client_options &options)
{
    struct pair p = pair_begin(t, options);
    const bool open = !p.client.failed && SSL_is_init_finished(p.server) == 1;
    const std::string name = open ? tls_client_peer(&p.client) : "";
    pair_end(&p);
    return name;
}

static void files__that_are_of_no_use__are_refused_naming_the_option(void **state)
{
    struct fixture *f = fixture_of(state);
    const struct tls_options *good = &f->options;
    const struct certificate other = authority_issue(&f->authority, "other", nullptr);
    const std::string none = f->folder + "/none";
    const std::string empty = folder_put(f->folder, "empty", "");
    const std::string key = folder_put(f->folder, "other.key", other.key);
    const std::string large = folder_put(f->folder, "large", std::string(300 * 1024, 'x'));
    const std::string half = folder_put(f->folder, "half", other.cert + other.cert.substr(0, 200));
    const struct {
        std::string cert, key, client_ca;
        std::string says;
    } cases[] = {
        {none, good->key_file, "", "--certfile: " + none + ": No such file"},
        {good->cert_file, none, "", "--keyfile: " + none + ": No such file"},
        {f->folder, good->key_file, "", "--certfile: " + f->folder + ": Is a directory"},
        {good->cert_file, good->key_file, none, "--client-ca: " + none + ": No such file"},
        {empty, good->key_file, "", "--certfile: " + empty + ": no PEM certificate"},
        {large, good->key_file, "", "--certfile: " + large + ": too large"},
        {half, key, "", "--certfile: " + half + ": no PEM certificate, or a damaged one"},
        {good->cert_file, empty, "", "--keyfile: " + empty + ": no PEM private key"},
        {good->cert_file, key, "", "--keyfile: " + key + ": not the key of the certificate"},
        {good->cert_file, good->key_file, empty, "--client-ca: " + empty + ": no PEM"},
    };

    for (const auto &c : cases) {
        const struct tls_options options = {
            .cert_file = c.cert, .key_file = c.key, .client_ca = c.client_ca, .client_names = {}};
        std::string error;
        assert_null(tls_new(&options, &error));
        if (error.rfind(c.says, 0) != 0)
            fail_msg("\"%s\" does not begin with \"%s\"", error.c_str(), c.says.c_str());
    }
}

static void reread__with_another_pair__is_for_new_connections(void **state)
{
    struct fixture *f = fixture_of(state);
    struct tls *t = tls_good(&f->options);
    struct pair old = pair_begin(t, {.trusted = &f->authority});

    put_pair(f, authority_issue(&f->authority, "second", "IP:127.0.0.1"));
    tls_reread(t);
    tls_reread(t);

    assert_string_equal(name_seen(t, {.trusted = &f->authority}).c_str(), "second");
    assert_int_equal(log_count(f, "the new certificate is in use"), 1);
    const char hello[] = "hello";
    assert_int_equal(SSL_write(old.server, hello, 5), 5);
    carry(&old);
    assert_string_equal(old.client.plain.c_str(), hello);
    pair_end(&old);
    tls_free(t);
}

static void reread__of_a_bad_pair__keeps_the_old_one_and_says_so_once(void **state)
{
    struct fixture *f = fixture_of(state);
    struct tls *t = tls_good(&f->options);
    const struct certificate second = authority_issue(&f->authority, "second", "IP:127.0.0.1");

    folder_put(f->folder, "tls.crt", second.cert);
    for (int i = 0; i < 3; i++)
        tls_reread(t);
    assert_int_equal(log_count(f, "not the key of the certificate"), 1);
    assert_string_equal(name_seen(t, {.trusted = &f->authority}).c_str(), "first");

    unlink(f->options.key_file.c_str());
    for (int i = 0; i < 3; i++)
        tls_reread(t);
    assert_int_equal(log_count(f, "No such file"), 1);
    assert_string_equal(name_seen(t, {.trusted = &f->authority}).c_str(), "first");

    folder_put(f->folder, "tls.key", second.key);
    tls_reread(t);
    assert_string_equal(name_seen(t, {.trusted = &f->authority}).c_str(), "second");
    assert_int_equal(log_count(f, "the new certificate is in use"), 1);
    tls_free(t);
}

static void reread__back_to_the_pair_in_use__says_that_it_is_good_again(void **state)
{
    struct fixture *f = fixture_of(state);
    const struct certificate pair = authority_issue(&f->authority, "third", nullptr);
    put_pair(f, pair);
    struct tls *t = tls_good(&f->options);

    folder_put(f->folder, "tls.key", "");
    tls_reread(t);
    folder_put(f->folder, "tls.key", pair.key);
    tls_reread(t);

    assert_int_equal(log_count(f, "no PEM private key"), 1);
    assert_int_equal(log_count(f, "good again"), 1);
    tls_free(t);
}

static void handshake__of_old_versions__is_refused(void **state)
{
    struct fixture *f = fixture_of(state);
    struct tls *t = tls_good(&f->options);

    for (const int version : {TLS1_VERSION, TLS1_1_VERSION})
        assert_string_equal(name_seen(t, {.trusted = nullptr, .version = version}).c_str(), "");
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION})
        assert_string_equal(name_seen(t, {.trusted = nullptr, .version = version}).c_str(),
                            "first");
    tls_free(t);
}

static void alpn__whatever_is_offered__is_http_1_1(void **state)
{
    struct fixture *f = fixture_of(state);
    struct tls *t = tls_good(&f->options);
    struct pair both = pair_begin(t, {.trusted = &f->authority, .protocols = "\x02h2\x08http/1.1"});
    struct pair none = pair_begin(t, {.trusted = &f->authority});
    struct pair h2 = pair_begin(t, {.trusted = &f->authority, .protocols = "\x02h2"});

    assert_string_equal(tls_client_protocol(&both.client).c_str(), "http/1.1");
    assert_true(tls_client_is_open(&none.client));
    assert_true(h2.client.failed);
    pair_end(&both);
    pair_end(&none);
    pair_end(&h2);
    tls_free(t);
}

static void chain__behind_the_certificate__is_sent(void **state)
{
    struct fixture *f = fixture_of(state);
    const struct certificate pair = authority_issue(&f->authority, "leaf", nullptr);
    put_pair(f, {.cert = pair.cert + f->authority.pem, .key = pair.key});
    struct tls *t = tls_good(&f->options);

    struct pair p = pair_begin(t, {.trusted = &f->authority});

    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(p.client.ssl)), 2);
    pair_end(&p);
    tls_free(t);
}

// What a client with this certificate is told; "no handshake" where there is none.
static std::string refusal_of(const struct tls *t, const struct certificate *certificate)
{
    struct pair p = pair_begin(t, {.trusted = nullptr, .certificate = certificate});
    const bool open = !p.client.failed && SSL_is_init_finished(p.server) == 1;
    const std::string said = open ? tls_refusal(t, p.server) : "no handshake";
    pair_end(&p);
    return said;
}

static void client__by_its_certificate__may_ask_or_not(void **state)
{
    struct fixture *f = fixture_of(state);
    struct authority other = authority_new();
    f->options.client_ca = folder_put(f->folder, "ca.crt", f->authority.pem);
    struct tls *any = tls_good(&f->options);
    f->options.client_names = {"Alice.example", "bob"};
    struct tls *some = tls_good(&f->options);
    const struct authority *a = &f->authority;
    const std::string nobody = "which is none of those who may ask.";
    const struct {
        struct certificate certificate;
        std::string any, some;
    } cases[] = {
        {authority_issue(a, "x", "DNS:z.example,DNS:alice.EXAMPLE"), "", ""},
        {authority_issue(a, "BOB", nullptr), "", ""},
        {authority_issue(a, "bob", "IP:127.0.0.1"), "", ""},
        {authority_issue(a, "bob", "DNS:eve.example"), "",
         "The client certificate is of eve.example, " + nobody},
        {authority_issue(a, "eve", "DNS:e,DNS:f,DNS:g"), "",
         "The client certificate is of e and 2 more, " + nobody},
        {authority_issue(a, "bobby", nullptr), "", "The client certificate is of bobby, " + nobody},
        {authority_issue(a, "bo\nb", nullptr), "",
         "The client certificate is of nobody, " + nobody},
        {authority_issue(a, "bob", nullptr, -60), "no handshake", "no handshake"},
        {authority_issue(&other, "bob", nullptr), "no handshake", "no handshake"},
    };

    for (const auto &c : cases) {
        assert_string_equal(refusal_of(any, &c.certificate).c_str(), c.any.c_str());
        assert_string_equal(refusal_of(some, &c.certificate).c_str(), c.some.c_str());
    }
    assert_string_equal(refusal_of(any, nullptr).c_str(), "This needs a client certificate.");
    tls_free(any);
    tls_free(some);
    authority_free(&other);
}

static void session__resumed__is_of_the_same_client_and_ends_with_the_files(void **state)
{
    struct fixture *f = fixture_of(state);
    f->options.client_ca = folder_put(f->folder, "ca.crt", f->authority.pem);
    f->options.client_names = {"alice"};
    struct tls *t = tls_good(&f->options);
    const struct certificate bob = authority_issue(&f->authority, "bob", nullptr);
    struct pair first = pair_begin(t, {.trusted = &f->authority, .certificate = &bob});
    SSL_SESSION *session = SSL_get1_session(first.client.ssl);
    tls_client_close(&first.client); // or OpenSSL takes the session for a broken one
    pair_end(&first);

    struct pair second = pair_begin(t, {.trusted = &f->authority, .session = session});
    put_pair(f, authority_issue(&f->authority, "second", nullptr));
    tls_reread(t);
    struct pair third = pair_begin(t, {.trusted = &f->authority, .session = session});

    assert_int_equal(SSL_session_reused(second.server), 1);
    assert_non_null(strstr(tls_refusal(t, second.server).c_str(), "is of bob"));
    assert_int_equal(SSL_session_reused(third.server), 0);
    assert_string_equal(tls_refusal(t, third.server).c_str(), "This needs a client certificate.");
    SSL_SESSION_free(session);
    pair_end(&second);
    pair_end(&third);
    tls_free(t);
}

static void client__whose_certificate_expires__may_not_ask_any_more(void **state)
{
    struct fixture *f = fixture_of(state);
    f->options.client_ca = folder_put(f->folder, "ca.crt", f->authority.pem);
    struct tls *t = tls_good(&f->options);
    const struct certificate bob = authority_issue(&f->authority, "bob", nullptr);
    struct pair p = pair_begin(t, {.trusted = &f->authority, .certificate = &bob});
    assert_string_equal(tls_refusal(t, p.server).c_str(), "");

    X509 *certificate = SSL_get1_peer_certificate(p.server);
    X509_gmtime_adj(X509_getm_notAfter(certificate), -1);
    X509_free(certificate);

    assert_string_equal(tls_refusal(t, p.server).c_str(), "The client certificate has expired.");
    pair_end(&p);
    tls_free(t);
}

static void close__after_a_handshake__tells_the_client(void **state)
{
    struct fixture *f = fixture_of(state);
    struct tls *t = tls_good(&f->options);
    struct pair p = pair_begin(t, {.trusted = &f->authority});
    SSL *fresh = tls_accept(t);

    tls_close(p.server);
    tls_close(p.server);
    tls_close(fresh); // has no client yet
    carry(&p);

    assert_true(p.client.ended);
    assert_false(p.client.failed);
    SSL_free(fresh);
    pair_end(&p);
    tls_free(t);
}

int main()
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(files__that_are_of_no_use__are_refused_naming_the_option),
        TEST(reread__with_another_pair__is_for_new_connections),
        TEST(reread__of_a_bad_pair__keeps_the_old_one_and_says_so_once),
        TEST(reread__back_to_the_pair_in_use__says_that_it_is_good_again),
        TEST(handshake__of_old_versions__is_refused),
        TEST(alpn__whatever_is_offered__is_http_1_1),
        TEST(chain__behind_the_certificate__is_sent),
        TEST(client__by_its_certificate__may_ask_or_not),
        TEST(session__resumed__is_of_the_same_client_and_ends_with_the_files),
        TEST(client__whose_certificate_expires__may_not_ask_any_more),
        TEST(close__after_a_handshake__tells_the_client),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
