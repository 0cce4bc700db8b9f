// A service account's folder as the kubelet mounts it, with the certificate that the API server shows
// to those who trust its ca.crt.
#pragma once
#include <string>

struct ssl_ctx_st;

struct sim_account {
    std::string directory, token, name_space;
    std::string ca;         // PEM
    struct ssl_ctx_st *tls; // what the server shows now
    unsigned round;         // of the folder
};

// Makes the certificates and writes the folder, which is made if need be. Null after a message on
// stderr.
[[nodiscard]] struct sim_account *sim_account_new(const std::string &directory,
                                                  const std::string &token,
                                                  const std::string &name_space);

// Removes what it wrote.
void sim_account_free(struct sim_account *a);

// Another certification authority, and a certificate of it; the folder stays as it is. False: all
// stays.
[[nodiscard]] bool sim_account_rotate(struct sim_account *a);

// Writes ca.crt, token and namespace: they change at once, as one link is replaced. False, with errno.
[[nodiscard]] bool sim_account_write(struct sim_account *a);
