// The names of a client certificate. Private to tls.
#pragma once
#include <string>
#include <vector>

struct x509_st;

// Its DNS names, or where it has none its common name. Nothing but printable ASCII is taken for a name.
[[nodiscard]] std::vector<std::string> tls_names_of(const struct x509_st *certificate);

// Whether one of them is allowed, in any case of letters; an empty list allows all.
[[nodiscard]] bool tls_name_is_allowed(const std::vector<std::string> &names,
                                       const std::vector<std::string> &allowed);

// For people: "a.example and 2 more", or "nobody".
[[nodiscard]] std::string tls_names_text(const std::vector<std::string> &names);
