// What the listener agrees to, as a scanner of TLS sees it. Hellos are made byte by byte, so that all can
// be offered that a client could ask for, whether or not a library still has it.
#include <csignal>
#include <set>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "certificates.h"
#include "cmocka_cc.h"
#include "e2e.h"

constexpr unsigned TLS_1_2 = 0x0303, FALLBACK_SIGNAL = 0x5600;
constexpr unsigned ALERT = 21, HANDSHAKE = 22, SERVER_HELLO = 2; // RFC 8446, sections 4 and 5.1
constexpr unsigned HANDSHAKE_FAILURE = 40, PROTOCOL_VERSION = 70;
constexpr unsigned MOST_SUITES = 4096; // that one hello offers

typedef std::set<unsigned> suites;

static struct cluster the_cluster;
static struct authority the_authority;
static std::string the_folder;
static struct svc the_svc;

static void put_pair(bool rsa)
{
    const struct certificate pair =
        rsa ? authority_issue_rsa(&the_authority, "server", "IP:127.0.0.1")
            : authority_issue_server(&the_authority);
    folder_put(the_folder, "tls.crt", pair.cert);
    folder_put(the_folder, "tls.key", pair.key);
}

static int start_all(void **)
{
    the_cluster = cluster_start({"--nodes", "1"});
    the_authority = authority_new();
    the_folder = folder_new();
    put_pair(false);
    http_trust(folder_put(the_folder, "ca.crt", the_authority.pem));
    the_svc = svc_start({"--nodes", the_cluster.nodes, "--drain-delay", "0", "--certfile",
                         the_folder + "/tls.crt", "--keyfile", the_folder + "/tls.key"});
    return 0;
}

static int stop_all(void **)
{
    svc_stop(&the_svc);
    folder_remove(the_folder);
    authority_free(&the_authority);
    cluster_stop(&the_cluster);
    return 0;
}

static void put_number(std::string *out, size_t number, unsigned bytes)
{
    while (bytes-- > 0)
        *out += static_cast<char>(number >> (8 * bytes) & 0xff);
}

// `inside` behind its size, which has so many bytes.
static void put_block(std::string *out, const std::string &inside, unsigned bytes)
{
    put_number(out, inside.size(), bytes);
    *out += inside;
}

static std::string numbers(const std::vector<unsigned> &all)
{
    std::string out;
    for (const unsigned number : all)
        put_number(&out, number, 2);
    return out;
}

static void put_extension(std::string *out, unsigned type, const std::string &inside)
{
    put_number(out, type, 2);
    put_block(out, inside, 2);
}

static std::string extensions(bool tls13)
{
    std::string out, groups, signatures;
    put_block(&groups, numbers({0x1d, 0x17, 0x18}), 2); // X25519, P-256, P-384
    put_block(
        &signatures,
        numbers({0x403, 0x503, 0x603, 0x804, 0x805, 0x806, 0x401, 0x501, 0x601, 0x203, 0x201}), 2);
    put_extension(&out, 10, groups);
    put_extension(&out, 11, std::string("\x01\x00", 2)); // points as they are
    put_extension(&out, 13, signatures);
    put_extension(&out, 0xff01, std::string(1, '\0')); // renegotiation is secure
    if (tls13) {
        put_extension(&out, 43, "\x02\x03\x04");         // this version only
        put_extension(&out, 51, std::string("\0\0", 2)); // no key: the server asks for one
    }
    return out;
}

// A ClientHello in its record.
static std::string hello(unsigned version, const suites &offered, bool tls13)
{
    std::string body, message, record;
    put_number(&body, version, 2);
    body += std::string(32, 'r');
    put_block(&body, "", 1); // no session
    put_block(&body, numbers({offered.begin(), offered.end()}), 2);
    // deflate or no compression; TLS 1.3 has none, and refuses who speaks of any
    put_block(&body, std::string("\x01\x00", 2).substr(tls13 ? 1 : 0), 1);
    put_block(&body, extensions(tls13), 2);
    put_number(&message, 1, 1);
    put_block(&message, body, 3);
    put_number(&record, HANDSHAKE, 1);
    put_number(&record, 0x0301, 2);
    put_block(&record, message, 2);
    return record;
}

struct answer {
    unsigned alert; // 0: none, it has agreed
    unsigned version, suite, compression;
};

static std::string receive(int fd, size_t size)
{
    std::string got(size, '\0');
    assert_int_equal(recv(fd, got.data(), size, MSG_WAITALL), size);
    return got;
}

static unsigned number_at(const std::string &text, size_t at)
{
    return static_cast<unsigned char>(text[at]) * 256u + static_cast<unsigned char>(text[at + 1]);
}

// Offers; a connection each.
static struct answer offer(unsigned version, const suites &offered, bool tls13)
{
    const int fd = raw_open(the_svc.url, hello(version, offered, tls13));
    const std::string head = receive(fd, 5), body = receive(fd, number_at(head, 3));
    close(fd);
    if (static_cast<unsigned char>(head[0]) == ALERT)
        return {.alert = static_cast<unsigned char>(body[1]),
                .version = 0,
                .suite = 0,
                .compression = 0};
    assert_int_equal(head[0], HANDSHAKE);
    assert_int_equal(body[0], SERVER_HELLO);
    const size_t at = 4 + 2 + 32 + 1 + static_cast<unsigned char>(body[4 + 2 + 32]);
    return {.alert = 0,
            .version = number_at(body, 4),
            .suite = number_at(body, at),
            .compression = static_cast<unsigned char>(body[at + 2])};
}

static suites range(unsigned first, unsigned last)
{
    suites all;
    for (unsigned suite = first; suite <= last; suite++)
        if (suite != FALLBACK_SIGNAL) // which refuses by itself
            all.insert(suite);
    return all;
}

// All that it agrees to, of all that can be offered.
static suites scan(bool tls13)
{
    suites found;
    for (unsigned first = 0; first < 0x10000; first += MOST_SUITES) {
        suites offered = range(first, first + MOST_SUITES - 1);
        for (;;) {
            const struct answer a = offer(TLS_1_2, offered, tls13);
            if (a.alert != 0) {
                assert_int_equal(a.alert, HANDSHAKE_FAILURE);
                break;
            }
            assert_int_equal(a.version, TLS_1_2);
            assert_int_equal(a.compression, 0);
            assert_int_equal(offered.erase(a.suite), 1);
            found.insert(a.suite);
        }
    }
    return found;
}

// Forward secrecy, and encryption that authenticates: RFC 5289 and RFC 7905, RFC 8446 appendix B.4.
static void suites__agreed_to__are_forward_secret_and_aead(void **)
{
    assert_true(scan(false) == suites({0xc02b, 0xc02c, 0xcca9}));
    assert_true(scan(true) == suites({0x1301, 0x1302, 0x1303}));

    put_pair(true);
    kill(the_svc.daemon.pid, SIGHUP);
    program_wait_for(&the_svc.daemon, "the new certificate is in use");

    assert_true(scan(false) == suites({0xc02f, 0xc030, 0xcca8}));
    assert_true(scan(true) == suites({0x1301, 0x1302, 0x1303}));
}

// SSL 3.0 has no word of its own for it.
static void versions__of_old__are_refused_as_such(void **)
{
    for (unsigned version = 0x0300; version < TLS_1_2; version++) {
        const unsigned expected = version == 0x0300 ? HANDSHAKE_FAILURE : PROTOCOL_VERSION;
        for (unsigned first = 0; first < 0x10000; first += MOST_SUITES) {
            const suites offered = range(first, first + MOST_SUITES - 1);
            assert_int_equal(offer(version, offered, false).alert, expected);
        }
    }
}

struct client {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

static struct client client_new(int version, const std::string &protocols)
{
    struct client c = {};
    c.context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(c.context, version);
    SSL_CTX_set_max_proto_version(c.context, version);
    c.ssl = SSL_new(c.context);
    SSL_set_alpn_protos(c.ssl, reinterpret_cast<const unsigned char *>(protocols.data()),
                        static_cast<unsigned>(protocols.size()));
    c.fd = raw_connect(the_svc.url);
    SSL_set_fd(c.ssl, c.fd);
    ERR_clear_error();
    return c;
}

static void client_free(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
    close(c->fd);
}

static std::string agreed_protocol(const struct client *c)
{
    const unsigned char *data = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(c->ssl, &data, &size);
    return std::string(data, data + size);
}

static void renegotiation__that_a_client_begins__is_refused(void **)
{
    struct client c = client_new(TLS1_2_VERSION, "");
    assert_int_equal(SSL_connect(c.ssl), 1);
    assert_int_equal(SSL_get_secure_renegotiation_support(c.ssl), 1);

    assert_int_equal(SSL_renegotiate(c.ssl), 1);
    assert_int_equal(SSL_do_handshake(c.ssl), -1);

    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
    client_free(&c);
    assert_int_equal(http_get(the_svc.url + "/livez").status, 200);
}

static void protocols__offered__are_http_1_1_or_nothing(void **)
{
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        struct client both = client_new(version, "\x02h2\x08http/1.1");
        assert_int_equal(SSL_connect(both.ssl), 1);
        assert_text(agreed_protocol(&both), "http/1.1");
        client_free(&both);
        struct client none = client_new(version, "");
        assert_int_equal(SSL_connect(none.ssl), 1);
        assert_text(agreed_protocol(&none), "");
        client_free(&none);
        struct client other = client_new(version, "\x02h2");
        assert_int_equal(SSL_connect(other.ssl), -1);
        assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()),
                         SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
        client_free(&other);
    }
}

// A request that can be replayed would be one that changes something.
static void early_data__of_a_resumed_session__is_not_taken(void **)
{
    struct client c = client_new(TLS1_3_VERSION, "");
    static const char ask[] = "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    char reply[512];
    assert_int_equal(SSL_connect(c.ssl), 1);
    assert_int_equal(SSL_write(c.ssl, ask, sizeof ask - 1), sizeof ask - 1);
    while (SSL_read(c.ssl, reply, sizeof reply) > 0)
        ; // the session comes with it
    const SSL_SESSION *session = SSL_get0_session(c.ssl);
    assert_int_equal(SSL_SESSION_is_resumable(session), 1);
    assert_int_equal(SSL_SESSION_get_max_early_data(session), 0);
    client_free(&c);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suites__agreed_to__are_forward_secret_and_aead),
        cmocka_unit_test(versions__of_old__are_refused_as_such),
        cmocka_unit_test(renegotiation__that_a_client_begins__is_refused),
        cmocka_unit_test(protocols__offered__are_http_1_1_or_nothing),
        cmocka_unit_test(early_data__of_a_resumed_session__is_not_taken),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
