// Requests of end-to-end tests: curl for whole ones, sockets for broken ones.
#include "e2e.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <curl/curl.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmocka_cc.h"

constexpr long PATIENCE_MS = 60000;

struct pending {
    CURL *easy;
    struct curl_slist *headers;
    std::string body; // of the request
    struct reply reply;
    bool done;
};

static CURLM *the_multi;
static std::string the_ca, the_cert, the_key; // files; empty: none

static size_t on_bytes(char *data, size_t one, size_t size, void *arg)
{
    static_cast<std::string *>(arg)->append(data, one * size);
    return one * size;
}

void http_trust(const std::string &ca_file, const std::string &cert_file,
                const std::string &key_file)
{
    the_ca = ca_file;
    the_cert = cert_file;
    the_key = key_file;
}

// An empty name of a file would be a name.
static const char *text_or_null(const std::string &text)
{
    return text.empty() ? nullptr : text.c_str();
}

static void use_certificates(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_CAINFO, text_or_null(the_ca));
    curl_easy_setopt(easy, CURLOPT_SSLCERT, text_or_null(the_cert));
    curl_easy_setopt(easy, CURLOPT_SSLKEY, text_or_null(the_key));
}

static struct pending *start(const char *method, const std::string &url, const std::string &body,
                             const std::vector<std::string> &headers)
{
    if (!the_multi)
        the_multi = curl_multi_init();
    struct pending *p = new pending{};
    p->easy = curl_easy_init();
    p->body = body;
    for (const std::string &line : headers)
        p->headers = curl_slist_append(p->headers, line.c_str());
    curl_easy_setopt(p->easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(p->easy, CURLOPT_PROXY, "");
    use_certificates(p->easy);
    curl_easy_setopt(p->easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(p->easy, CURLOPT_TIMEOUT_MS, PATIENCE_MS);
    curl_easy_setopt(p->easy, CURLOPT_HTTPHEADER, p->headers);
    curl_easy_setopt(p->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(p->easy, CURLOPT_WRITEDATA, &p->reply.body);
    curl_easy_setopt(p->easy, CURLOPT_HEADERFUNCTION, on_bytes);
    curl_easy_setopt(p->easy, CURLOPT_HEADERDATA, &p->reply.head);
    curl_easy_setopt(p->easy, CURLOPT_PRIVATE, p);
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(p->easy, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(p->easy, CURLOPT_CUSTOMREQUEST, method);
    if (!body.empty() || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
        curl_easy_setopt(p->easy, CURLOPT_POSTFIELDS, p->body.c_str());
        curl_easy_setopt(p->easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(p->body.size()));
    }
    curl_multi_add_handle(the_multi, p->easy);
    int running = 0;
    curl_multi_perform(the_multi, &running);
    return p;
}

static void take_results()
{
    int left = 0;
    while (CURLMsg *message = curl_multi_info_read(the_multi, &left)) {
        struct pending *p = nullptr;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &p);
        long status = 0;
        curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(p->easy, CURLINFO_TOTAL_TIME, &p->reply.seconds);
        curl_easy_getinfo(p->easy, CURLINFO_NUM_CONNECTS, &p->reply.connects);
        p->reply.status = message->data.result == CURLE_OK ? static_cast<int>(status) : 0;
        p->done = true;
    }
}

static void pending_free(struct pending *p)
{
    curl_multi_remove_handle(the_multi, p->easy);
    curl_easy_cleanup(p->easy);
    curl_slist_free_all(p->headers);
    delete p;
}

struct pending *http_start(const char *method, const std::string &url, const std::string &body,
                           const std::vector<std::string> &headers)
{
    return start(method, url, body, headers);
}

void http_run()
{
    int running = 0;
    curl_multi_perform(the_multi, &running);
    take_results();
}

struct reply http_finish(struct pending *p)
{
    while (!p->done) {
        http_run();
        if (!p->done)
            curl_multi_poll(the_multi, nullptr, 0, 1000, nullptr);
    }
    const struct reply r = p->reply;
    pending_free(p);
    return r;
}

void http_abandon(struct pending *p)
{
    pending_free(p);
}

struct reply http(const char *method, const std::string &url, const std::string &body,
                  const std::vector<std::string> &headers)
{
    return http_finish(start(method, url, body, headers));
}

struct reply http_get(const std::string &url)
{
    return http("GET", url);
}

std::string reply_header(const struct reply &r, const char *name)
{
    const size_t length = strlen(name);
    for (size_t at = r.head.find('\n'); at != std::string::npos; at = r.head.find('\n', at + 1)) {
        const char *line = r.head.c_str() + at + 1;
        if (strncasecmp(line, name, length) != 0 || line[length] != ':')
            continue;
        const size_t begin = at + 1 + length + 1;
        const size_t end = r.head.find('\r', begin);
        const std::string value = r.head.substr(begin, end - begin);
        return value.substr(std::min(value.find_first_not_of(' '), value.size()));
    }
    return "";
}

int raw_connect(const std::string &url)
{
    const size_t colon = url.rfind(':');
    struct sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(atoi(url.c_str() + colon + 1)));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval patience = {.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, reinterpret_cast<struct sockaddr *>(&to), sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

int raw_open(const std::string &url, const std::string &bytes)
{
    const int fd = raw_connect(url);
    assert_true(fd >= 0);
    // a peer that refuses may close before all is sent
    if (send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0)
        assert_true(errno == EPIPE || errno == ECONNRESET);
    return fd;
}

std::string raw_read(int fd, const char *until)
{
    std::string got;
    char piece[65536];
    for (;;) {
        const ssize_t size = recv(fd, piece, sizeof piece, 0);
        if (size <= 0)
            break;
        got.append(piece, static_cast<size_t>(size));
        if (until && has(got, until))
            break;
    }
    return got;
}

std::string raw_exchange(const std::string &url, const std::string &bytes, const char *until)
{
    const int fd = raw_open(url, bytes);
    const std::string got = raw_read(fd, until);
    close(fd);
    return got;
}
