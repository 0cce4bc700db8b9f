// Throw-away certificates.
#include "certificates.h"

#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "cmocka_cc.h"

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

// Without its extensions and signature. `issuer` null: by itself.
static X509 *certificate_new(EVP_PKEY *key, const char *name, const X509 *issuer, long seconds)
{
    static long serial = getpid();
    X509 *c = X509_new();
    X509_set_version(c, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(c), -7200);
    X509_gmtime_adj(X509_getm_notAfter(c), seconds);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char *>(name), -1, -1, 0);
    X509_set_issuer_name(c, X509_get_subject_name(issuer ? issuer : c));
    X509_set_pubkey(c, key);
    return c;
}

static std::string text_of(BIO *memory)
{
    char *data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    const std::string text(data, static_cast<size_t>(size));
    BIO_free(memory);
    return text;
}

static std::string pem_of(const X509 *certificate)
{
    BIO *memory = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(memory, certificate);
    return text_of(memory);
}

static std::string pem_of_key(const EVP_PKEY *key)
{
    BIO *memory = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(memory, key, nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(memory);
}

struct authority authority_new()
{
    static int count = 0;
    const std::string name = "authority " + std::to_string(++count);
    struct authority a = {};
    a.key = key_new();
    a.certificate = certificate_new(a.key, name.c_str(), nullptr, 3600);
    extend(a.certificate, NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(a.certificate, a.key, EVP_sha256());
    a.pem = pem_of(a.certificate);
    return a;
}

void authority_free(struct authority *a)
{
    X509_free(a->certificate);
    EVP_PKEY_free(a->key);
}

// Takes the key.
static struct certificate issue(const struct authority *a, EVP_PKEY *key, const char *common_name,
                                const char *alt_names, long seconds)
{
    X509 *c = certificate_new(key, common_name, a->certificate, seconds);
    if (alt_names)
        extend(c, NID_subject_alt_name, alt_names);
    X509_sign(c, a->key, EVP_sha256());
    const struct certificate issued = {.cert = pem_of(c), .key = pem_of_key(key)};
    X509_free(c);
    EVP_PKEY_free(key);
    return issued;
}

struct certificate authority_issue(const struct authority *a, const char *common_name,
                                   const char *alt_names, long seconds)
{
    return issue(a, key_new(), common_name, alt_names, seconds);
}

struct certificate authority_issue_rsa(const struct authority *a, const char *common_name,
                                       const char *alt_names)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048});
    return issue(a, key, common_name, alt_names, 3600);
}

struct certificate authority_issue_server(const struct authority *a)
{
    return authority_issue(a, "server", "IP:127.0.0.1");
}

std::string folder_new()
{
    char path[] = "/tmp/certificates.XXXXXX";
    assert_non_null(mkdtemp(path));
    return path;
}

std::string folder_put(const std::string &folder, const char *name, const std::string &text)
{
    const std::string path = folder + "/" + name, fresh = path + ".new";
    FILE *f = fopen(fresh.c_str(), "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text.data(), 1, text.size(), f), text.size());
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(fresh.c_str(), path.c_str()), 0);
    return path;
}

void folder_remove(const std::string &folder)
{
    DIR *all = opendir(folder.c_str());
    assert_non_null(all);
    while (const struct dirent *one = readdir(all))
        if (one->d_name[0] != '.')
            unlink((folder + "/" + one->d_name).c_str());
    closedir(all);
    assert_int_equal(rmdir(folder.c_str()), 0);
}
