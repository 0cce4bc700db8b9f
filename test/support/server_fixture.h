// A server under test with its loop: it answers some targets at once and keeps the rest for the test.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "http_server.h"

constexpr int LONG_MS = 40000; // unless something is wrong; less than the default time-outs

// /now is answered at once, /none with 204, /big with reply_size bytes; other requests are held.
struct server_fixture {
    struct event_base *base;
    struct http_server *server;
    uint16_t port;
    std::vector<std::string> seen; // method and target of each request
    std::string body, id;          // of the last request
    std::vector<struct http_request *> held;
    int gone;          // held requests whose client left
    size_t reply_size; // of /big
};

// CMocka's set-up and tear-down; the state is a struct server_fixture.
int server_fixture_setup(void **state);
int server_fixture_teardown(void **state);
[[nodiscard]] struct server_fixture *server_fixture_of(void **state);

// Short: 127.0.0.1:0, 2 KiB of header, 1 MiB of body, 100 connections.
[[nodiscard]] struct http_server_options server_fixture_options(struct server_fixture *f);

// Another server instead of the present one.
void server_fixture_restart(struct server_fixture *f, const struct http_server_options *options);

void server_fixture_reply(struct http_request *r, int status, std::string_view text);

// Turns the loop until so many requests were seen. False: not within LONG_MS.
bool server_fixture_wait_seen(struct server_fixture *f, size_t count);

// The same for `*value` to become `want`.
bool server_fixture_wait_gone(struct server_fixture *f, int want);
bool server_fixture_wait_connections(struct server_fixture *f, size_t want);

[[nodiscard]] std::string make_get(const char *target);
