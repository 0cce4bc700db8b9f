// Throw-away certificate authorities, certificates, and a folder that they are files of, for tests.
#pragma once
#include <string>

struct evp_pkey_st;
struct x509_st;

struct authority {
    struct evp_pkey_st *key;
    struct x509_st *certificate;
    std::string pem; // of the certificate
};

// PEM.
struct certificate {
    std::string cert, key;
};

[[nodiscard]] struct authority authority_new();
void authority_free(struct authority *a);

// `alt_names` such as "DNS:a,IP:127.0.0.1"; null: none. One that `seconds` is below 0 of has expired.
[[nodiscard]] struct certificate authority_issue(const struct authority *a, const char *common_name,
                                                 const char *alt_names, long seconds = 3600);

// The same with an RSA key, which is made slowly.
[[nodiscard]] struct certificate
authority_issue_rsa(const struct authority *a, const char *common_name, const char *alt_names);

// What a server on this machine has.
[[nodiscard]] struct certificate authority_issue_server(const struct authority *a);

// A new folder, and a file in it, written at once as a whole; its path.
[[nodiscard]] std::string folder_new();
std::string folder_put(const std::string &folder, const char *name, const std::string &text);
void folder_remove(const std::string &folder);
