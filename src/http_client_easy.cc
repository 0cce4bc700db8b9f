// The options of curl's easy handles and the sense of its result codes. Owns header lists; knows
// nothing of loops, connections or replies.
#include "http_client_easy.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <string_view>
#include <strings.h>

#include "address.h"
#include "log.h"

constexpr int64_t DEFAULT_CONNECT_MS = 1000; // where the caller names no time
constexpr long KUBERNETES_LIFETIME_S = 900;  // then to another of its servers, with today's CA

const char *fetch_status_name(enum fetch_status s)
{
    switch (s) {
    case FETCH_DONE: return "done";
    case FETCH_CONNECT: return "connect";
    case FETCH_TIMEOUT: return "timeout";
    case FETCH_RESET: return "reset";
    case FETCH_TOO_LARGE: return "too-large";
    case FETCH_TLS: return "tls";
    case FETCH_GARBAGE: return "garbage";
    case FETCH_STOPPED: return "stopped";
    }
    return "unknown";
}

static bool is_header(const std::string &line, const char *name)
{
    const size_t size = strlen(name);
    return line.size() > size && line[size] == ':' && strncasecmp(line.c_str(), name, size) == 0;
}

static bool has_control_character(const std::string &s)
{
    for (const char c : s)
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f)
            return true;
    return false;
}

static void headers_add(struct fetch_headers *h, const char *line)
{
    struct curl_slist *list = curl_slist_append(h->list, line);
    if (!list)
        log_fatal("out of memory: request headers");
    h->list = list;
}

struct fetch_headers *fetch_headers_new(const std::vector<std::string> &lines)
{
    struct fetch_headers *h = new fetch_headers{.list = nullptr, .without_body = nullptr};
    // what follows is of requests with a body; curl writes and compares headers slowly, byte by byte
    headers_add(h, "Expect:");       // curl waits a second for 100 Continue before a body of 1 MB
    headers_add(h, "Content-Type:"); // curl takes a body for a form
    for (const std::string &line : lines) {
        if (has_control_character(line) || is_header(line, "Expect"))
            continue;
        headers_add(h, line.c_str());
    }
    h->without_body = h->list->next->next;
    return h;
}

void fetch_headers_free(struct fetch_headers *h)
{
    if (!h)
        return;
    curl_slist_free_all(h->list);
    delete h;
}

static void set_constants(CURL *e)
{
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); // do not wait for a resolver's thread
    curl_easy_setopt(e, CURLOPT_PROXY, "");      // whatever http_proxy says
    curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(e, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 16384L); // 64 KB with each TLS request otherwise
    curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 0L); // 7.88 walks the cache in every transfer
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 30L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, 10L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl_easy_setopt(e, CURLOPT_CAPATH, nullptr); // it would be trusted besides CAINFO_BLOB
}

struct easy *easy_new()
{
    struct easy *e = new easy{};
    e->curl = curl_easy_init();
    e->url = curl_url();
    if (!e->curl || !e->url)
        log_fatal("out of memory: a curl handle");
    set_constants(e->curl);
    // one that comes as text would be parsed, written anew and parsed again in every transfer
    curl_easy_setopt(e->curl, CURLOPT_CURLU, e->url);
    return e;
}

void easy_free(struct easy *e)
{
    curl_easy_cleanup(e->curl);
    curl_url_cleanup(e->url);
    delete e;
}

// Whether it says how long its body is: some methods do so even if there is none.
static bool sends_body(const struct fetch_options *o)
{
    const bool posts = strcmp(o->method, "POST") == 0 || strcmp(o->method, "PUT") == 0 ||
                       strcmp(o->method, "PATCH") == 0;
    return strcmp(o->method, "HEAD") != 0 && (o->body || posts);
}

// Sets method and body. The order matters: POSTFIELDS makes it a POST, HTTPGET and NOBODY change
// that.
static CURLcode set_method(CURL *e, const struct fetch_options *o)
{
    const bool is_head = strcmp(o->method, "HEAD") == 0;
    const bool is_get = strcmp(o->method, "GET") == 0;
    const bool has_body = sends_body(o);
    const curl_off_t size = o->body ? static_cast<curl_off_t>(o->body_size) : 0;
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, has_body ? (o->body ? o->body : "") : nullptr);
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, has_body ? size : curl_off_t{-1});
    if (!has_body)
        curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(e, CURLOPT_NOBODY, is_head ? 1L : 0L);
    const bool is_default = is_head || (is_get && !has_body);
    return curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, is_default ? nullptr : o->method);
}

static CURLcode set_trust(CURL *e, const std::string *ca_pem)
{
    if (!ca_pem)
        return curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, nullptr);
    struct curl_blob blob = {
        .data = const_cast<char *>(ca_pem->data()),
        .len = ca_pem->size(),
        .flags = CURL_BLOB_NOCOPY,
    };
    return curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &blob);
}

// The host of a URL if it is an IPv4 address in its usual form, with no user's name before it; else empty.
// The scheme ends before `begin`.
static std::string_view find_address(std::string_view url, size_t begin)
{
    const size_t path = url.find('/', begin);
    if (path == url.npos || url.substr(begin, path - begin).find('@') != url.npos)
        return "";
    const std::string_view host = url.substr(begin, std::min(url.find(':', begin), path) - begin);
    return host.size() < INET_ADDRSTRLEN && address_is_ip(std::string(host)) ? host : "";
}

// Whether the URL is this form with the address put in.
static bool has_form(std::string_view form, std::string_view url, std::string_view address)
{
    const size_t begin = static_cast<size_t>(address.data() - url.data());
    return form.size() == url.size() - address.size() && form.starts_with(url.substr(0, begin)) &&
           form.ends_with(url.substr(begin + address.size()));
}

// Most URLs differ from the one before in the address of the node only, and to set that takes a tenth of
// what curl needs to read a URL.
static bool set_url(struct easy *e, const char *text)
{
    const std::string_view url = text;
    const bool https = url.starts_with("https://");
    if (!https && !url.starts_with("http://"))
        return false; // curl would see it as a part of the one before
    const std::string_view address = find_address(url, strlen(https ? "https://" : "http://"));
    if (!address.empty() && has_form(e->form, url, address))
        return curl_url_set(e->url, CURLUPART_HOST, std::string(address).c_str(), 0) == CURLUE_OK;
    e->form.clear();
    if (curl_url_set(e->url, CURLUPART_URL, text, CURLU_PATH_AS_IS) != CURLUE_OK)
        return false;
    if (!address.empty())
        e->form.assign(url).erase(static_cast<size_t>(address.data() - url.data()), address.size());
    return true;
}

static struct easy_settings settings_of(const struct fetch_options *o)
{
    return {
        .plain = strcmp(o->method, "GET") == 0 && !o->body && !o->ca_pem,
        .fresh = o->fresh,
        .once = o->once,
        .connect_ms = static_cast<long>(o->connect_timeout_ms > 0 ? o->connect_timeout_ms
                                                                  : DEFAULT_CONNECT_MS),
        .lifetime_s = o->shard == FETCH_SHARD_KUBERNETES ? KUBERNETES_LIFETIME_S : 0L,
    };
}

static CURLcode apply(CURL *e, const struct easy_settings *s, const struct fetch_options *o)
{
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, s->connect_ms);
    curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, s->lifetime_s);
    curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, (s->fresh || s->once) ? 1L : 0L);
    curl_easy_setopt(e, CURLOPT_FORBID_REUSE, s->once ? 1L : 0L);
    const CURLcode trusts = set_trust(e, o->ca_pem);
    return trusts == CURLE_OK ? set_method(e, o) : trusts;
}

bool easy_set_request(struct easy *e, const struct fetch_options *o,
                      const struct fetch_headers *headers)
{
    const struct easy_settings settings = settings_of(o);
    curl_easy_setopt(e->curl, CURLOPT_HTTPHEADER,
                     sends_body(o) ? headers->list : headers->without_body);
    curl_easy_setopt(e->curl, CURLOPT_TIMEOUT_MS, static_cast<long>(o->timeout_ms));
    if (!settings.plain || settings != e->settings) {
        e->settings = {};
        if (apply(e->curl, &settings, o) != CURLE_OK)
            return false; // such as for a string of 8 MB
        e->settings = settings;
    }
    return set_url(e, o->url);
}

struct curl_slist *easy_set_connect_to(CURL *e, const char *connect_to)
{
    struct curl_slist *list = connect_to ? curl_slist_append(nullptr, connect_to) : nullptr;
    if (connect_to && !list)
        log_fatal("out of memory: where to connect to");
    curl_easy_setopt(e, CURLOPT_CONNECT_TO, list);
    return list;
}

static bool is_tls_error(CURLcode code)
{
    static const CURLcode codes[] = {
        CURLE_SSL_CONNECT_ERROR,        CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ENGINE_NOTFOUND,
        CURLE_SSL_ENGINE_SETFAILED,     CURLE_SSL_CERTPROBLEM,          CURLE_SSL_CIPHER,
        CURLE_USE_SSL_FAILED,           CURLE_SSL_ENGINE_INITFAILED,    CURLE_SSL_CACERT_BADFILE,
        CURLE_SSL_SHUTDOWN_FAILED,      CURLE_SSL_CRL_BADFILE,          CURLE_SSL_ISSUER_ERROR,
        CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_INVALIDCERTSTATUS,    CURLE_SSL_CLIENTCERT,
    };
    for (const CURLcode c : codes)
        if (c == code)
            return true;
    return false;
}

enum fetch_status easy_status(CURLcode code, bool sent)
{
    if (code == CURLE_OK)
        return FETCH_DONE;
    if (is_tls_error(code))
        return FETCH_TLS;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST || !sent)
        return FETCH_CONNECT;
    // HTTP/0.9 and other versions; a head that makes no sense; an encoding nobody asked for
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY ||
        code == CURLE_BAD_CONTENT_ENCODING)
        return FETCH_GARBAGE;
    return FETCH_RESET;
}
