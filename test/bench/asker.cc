#include "asker.h"

#include <cstdlib>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

constexpr size_t PIECE = 1 << 20; // bytes of one read

struct asker *asker_new(uint16_t port, const char *path)
{
    struct sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct asker *a = new struct asker();
    a->fd = bench_connect(&address);
    a->request = std::string("GET ") + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    a->reply.resize(PIECE);
    return a;
}

void asker_free(struct asker *a)
{
    close(a->fd);
    delete a;
}

static std::string_view header(std::string_view head, std::string_view name)
{
    const size_t at = head.find(name);
    if (at == std::string_view::npos)
        return "";
    const size_t begin = at + name.size();
    return head.substr(begin, head.find("\r\n", begin) - begin);
}

// Reads until there are `size` bytes, or the end of the head where that is not known.
static void receive(struct asker *a, size_t *received)
{
    if (a->reply.size() < *received + PIECE)
        a->reply.resize((*received + PIECE) * 2);
    const ssize_t n = recv(a->fd, a->reply.data() + *received, PIECE, 0);
    if (n <= 0)
        bench_fail("the daemon: recv");
    *received += static_cast<size_t>(n);
}

bool asker_ask(struct asker *a, unsigned nodes)
{
    size_t received = 0;
    size_t end = std::string_view::npos;
    if (send(a->fd, a->request.data(), a->request.size(), MSG_NOSIGNAL) < 0)
        bench_fail("the daemon: send");
    while (end == std::string_view::npos) {
        receive(a, &received);
        end = std::string_view(a->reply.data(), received).find("\r\n\r\n");
    }
    const std::string head(a->reply.data(), end + 4);
    a->head = head.size();
    a->body = strtoul(std::string(header(head, "\r\nContent-Length: ")).c_str(), nullptr, 10);
    while (received < a->head + a->body)
        receive(a, &received);
    const std::string all =
        "total=" + std::to_string(nodes) + ", ok=" + std::to_string(nodes) + ",";
    return head.starts_with("HTTP/1.1 200 ") && header(head, "\r\nTracer-Nodes: ").starts_with(all);
}
