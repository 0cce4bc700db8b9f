// Verdicts by key: a hash table, and a list with the latest used first.
#include "auth_cache.h"

#include <list>
#include <unordered_map>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

struct remembered {
    std::string key;
    struct auth_verdict verdict;
    int64_t until_ms;
};

struct auth_cache {
    size_t most;
    unsigned char secret[32];
    std::list<struct remembered> entries; // the latest used first
    std::unordered_map<std::string, std::list<struct remembered>::iterator> by_key;
};

struct auth_cache *auth_cache_new(size_t most)
{
    struct auth_cache *c = new auth_cache{};
    c->most = most;
    if (RAND_bytes(c->secret, sizeof c->secret) == 1)
        return c;
    delete c;
    return nullptr;
}

void auth_cache_free(struct auth_cache *c)
{
    OPENSSL_cleanse(c->secret, sizeof c->secret);
    delete c;
}

// Each part behind its length, so that no two lists of parts are the same bytes.
std::string auth_cache_key(const struct auth_cache *c, const std::vector<std::string_view> &parts)
{
    size_t size = 0;
    for (const std::string_view part : parts)
        size += sizeof(uint64_t) + part.size();
    std::string bytes;
    bytes.reserve(size);
    for (const std::string_view part : parts) {
        const uint64_t length = part.size();
        bytes.append(reinterpret_cast<const char *>(&length), sizeof length);
        bytes.append(part);
    }
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_size = 0;
    HMAC(EVP_sha256(), c->secret, sizeof c->secret,
         reinterpret_cast<const unsigned char *>(bytes.data()), bytes.size(), digest, &digest_size);
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return std::string(digest, digest + digest_size);
}

static void drop(struct auth_cache *c, std::list<struct remembered>::iterator at)
{
    c->by_key.erase(at->key);
    c->entries.erase(at);
}

const struct auth_verdict *auth_cache_find(struct auth_cache *c, const std::string &key,
                                           int64_t now_ms)
{
    const auto found = c->by_key.find(key);
    if (found == c->by_key.end())
        return nullptr;
    const std::list<struct remembered>::iterator at = found->second;
    if (now_ms >= at->until_ms) {
        drop(c, at);
        return nullptr;
    }
    c->entries.splice(c->entries.begin(), c->entries, at);
    return &at->verdict;
}

void auth_cache_put(struct auth_cache *c, const std::string &key,
                    const struct auth_verdict &verdict, int64_t until_ms)
{
    const auto found = c->by_key.find(key);
    if (found != c->by_key.end())
        drop(c, found->second);
    if (c->entries.size() >= c->most)
        drop(c, std::prev(c->entries.end()));
    c->entries.push_front({.key = key, .verdict = verdict, .until_ms = until_ms});
    c->by_key[key] = c->entries.begin();
}

size_t auth_cache_size(const struct auth_cache *c)
{
    return c->entries.size();
}
