// What reviews said, for as long as that may be believed without asking again.
//
// Pure but for the randomness of its key. A key is an HMAC-SHA256, under a random key of this process, of
// its parts and their lengths: no token is ever held. The least recently used verdict gives way. Times are
// milliseconds of the caller's clock.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "review.h"

struct auth_cache;

struct auth_verdict {
    bool good;
    struct review_user user; // of a good token
};

// Null: there is no randomness. Holds `most` verdicts at most.
[[nodiscard]] struct auth_cache *auth_cache_new(size_t most);
void auth_cache_free(struct auth_cache *c);

[[nodiscard]] std::string auth_cache_key(const struct auth_cache *c,
                                         const std::vector<std::string_view> &parts);

// Null: nothing is known, or not any more. Borrowed until the next put.
[[nodiscard]] const struct auth_verdict *auth_cache_find(struct auth_cache *c,
                                                         const std::string &key, int64_t now_ms);

// Keeps a verdict until `until_ms`, in the place of an earlier one.
void auth_cache_put(struct auth_cache *c, const std::string &key,
                    const struct auth_verdict &verdict, int64_t until_ms);

[[nodiscard]] size_t auth_cache_size(const struct auth_cache *c);
