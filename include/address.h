// An address to listen on or to connect to, as text: "IP:port", "[::1]:8080", ":8080". Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

struct address {
    std::string host; // an IP address without brackets; empty: all addresses
    uint16_t port;
};

// Reads `text`. False, and a sentence for people in `error` that says what it got and what it takes,
// where that is no address. A port of 0 is taken: the system chooses one.
[[nodiscard]] bool address_parse(std::string_view text, struct address *out, std::string *error);

// The same with a host name allowed in the place of an IP address, host and port not empty.
[[nodiscard]] bool address_parse_named(std::string_view text, struct address *out);

// A host that is no name.
[[nodiscard]] bool address_is_ip(const std::string &host);

// Only this machine reaches it.
[[nodiscard]] bool address_is_loopback(const struct address &a);
