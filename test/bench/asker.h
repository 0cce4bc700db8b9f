// Asks the daemon on one kept connection and reads its replies.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct asker {
    int fd;
    std::string request;
    std::vector<char> reply; // the latest, head and body
    size_t head, body;       // their sizes in it
};

[[nodiscard]] struct asker *asker_new(uint16_t port, const char *path);
void asker_free(struct asker *a);

// Asks once and reads the whole reply. False: it was none of status 200 that all `nodes` have their
// part in.
[[nodiscard]] bool asker_ask(struct asker *a, unsigned nodes);
