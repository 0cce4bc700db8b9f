// libcurl as fast as its settings make it: what a fan-out costs with it and nothing around it.
//
// Multi handles of 100 nodes each on one event_base; a connection cache that holds them all; no walk of
// curl's name cache; descriptors stay registered between requests; easy handles are kept and used again;
// a window of requests.
#pragma once
#include <cstddef>
#include <cstdint>

struct curl_client;

[[nodiscard]] struct curl_client *curl_client_new(unsigned nodes, uint16_t port, const char *path,
                                                  size_t size, size_t window);
void curl_client_free(struct curl_client *c);

// Asks every node once. Returns how many new connections that took.
long curl_client_fan_out(struct curl_client *c);
