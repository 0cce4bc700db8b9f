// Addresses as text. Names are not looked up: nothing in the daemon may wait for a name server.
#include "address.h"

#include "units.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static bool is_ip(const std::string &host, int family)
{
    unsigned char binary[sizeof(struct in6_addr)];
    return inet_pton(family, host.c_str(), binary) == 1;
}

static bool parse_port(std::string_view text, uint16_t *port)
{
    if (text.empty() || text.size() > 5)
        return false;
    unsigned value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    *port = static_cast<uint16_t>(value);
    return value <= 65535;
}

static bool fail(std::string_view text, const char *why, std::string *error)
{
    *error =
        "'" + std::string(text) + "': " + why +
        "; it takes IP:port, [IPv6]:port or :port, such as 127.0.0.1:8080, [::1]:8080 or :8080";
    return false;
}

bool address_parse(std::string_view text, struct address *out, std::string *error)
{
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos)
        return fail(text, "no port", error);
    if (!parse_port(text.substr(colon + 1), &out->port))
        return fail(text, "the port is no number from 0 to 65535", error);
    out->host = text.substr(0, colon);
    if (out->host.find('\0') != std::string::npos)
        return fail(text, "a NUL byte", error);
    if (out->host.empty() || is_ip(out->host, AF_INET))
        return true;
    const size_t size = out->host.size();
    if (is_ip(out->host, AF_INET6))
        return fail(text, "an IPv6 address must be in brackets", error);
    if (size < 2 || out->host[0] != '[' || out->host[size - 1] != ']')
        return fail(text, "the host is no IP address", error);
    out->host = out->host.substr(1, size - 2);
    return is_ip(out->host, AF_INET6) || fail(text, "no IPv6 address in the brackets", error);
}

bool address_parse_named(std::string_view text, struct address *out)
{
    std::string ignored;
    if (address_parse(text, out, &ignored))
        return !out->host.empty() && out->port != 0;
    const size_t colon = text.rfind(':');
    int64_t port = 0;
    if (colon == std::string_view::npos || colon == 0 ||
        !units_parse_count(text.substr(colon + 1), &port) || port < 1 || port > UINT16_MAX)
        return false;
    out->host = text.substr(0, colon);
    out->port = static_cast<uint16_t>(port);
    // a name has a letter: numbers that are no address are no name either
    return out->host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789-._") == std::string::npos &&
           out->host.find_first_not_of("0123456789.") != std::string::npos;
}

bool address_is_ip(const std::string &host)
{
    return is_ip(host, AF_INET) || is_ip(host, AF_INET6);
}

bool address_is_loopback(const struct address &a)
{
    struct in6_addr six;
    struct in_addr four;
    if (inet_pton(AF_INET, a.host.c_str(), &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, a.host.c_str(), &six) != 1)
        return false;
    return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
}
