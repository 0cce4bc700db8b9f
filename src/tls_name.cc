// The names of a client certificate.
#include "tls_name.h"

#include <strings.h>

#include <openssl/x509v3.h>

// A name with anything else than ASCII that is seen, such as a NUL that hides its end, is nobody's.
static void add_name(std::vector<std::string> *names, const ASN1_STRING *text)
{
    const unsigned char *data = ASN1_STRING_get0_data(text);
    const std::string name(data, data + ASN1_STRING_length(text));
    for (const char c : name)
        if (c < ' ' || c > '~')
            return;
    if (!name.empty())
        names->push_back(name);
}

static void add_common_name(std::vector<std::string> *names, const X509 *certificate)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0)
        add_name(names, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

std::vector<std::string> tls_names_of(const struct x509_st *certificate)
{
    std::vector<std::string> names;
    bool has_dns = false;
    GENERAL_NAMES *all = static_cast<GENERAL_NAMES *>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);
        if (one->type != GEN_DNS)
            continue;
        has_dns = true;
        add_name(&names, one->d.dNSName);
    }
    GENERAL_NAMES_free(all);
    if (!has_dns)
        add_common_name(&names, certificate);
    return names;
}

bool tls_name_is_allowed(const std::vector<std::string> &names,
                         const std::vector<std::string> &allowed)
{
    for (const std::string &name : names)
        for (const std::string &one : allowed)
            if (strcasecmp(name.c_str(), one.c_str()) == 0)
                return true;
    return allowed.empty();
}

std::string tls_names_text(const std::vector<std::string> &names)
{
    if (names.empty())
        return "nobody";
    return names.size() == 1 ? names[0]
                             : names[0] + " and " + std::to_string(names.size() - 1) + " more";
}
