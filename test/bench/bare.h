// The floor: kept sockets on epoll, one write and hardly more than one read a request.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct bare_node {
    int fd;
    size_t received; // bytes of the reply that is coming
};

struct bare {
    int epoll;
    size_t window; // requests under way at once
    size_t head;   // bytes of a reply's head
    size_t size;   // of its body
    std::string request;
    std::vector<struct bare_node> nodes;
    std::vector<char> replies; // where they are kept, one behind the other; empty: nowhere
};

[[nodiscard]] struct bare *bare_new(unsigned nodes, uint16_t port, const char *path, size_t size,
                                    size_t window, bool keeps);
void bare_free(struct bare *b);
void bare_fan_out(struct bare *b);
