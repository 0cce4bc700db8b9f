// Who a bearer token belongs to, and whether that user may do something, as the Kubernetes API server says.
//
// Answers are believed for a while; who asks what is being asked already waits for the same review. Where the
// API server cannot tell, the answer is AUTH_UNAVAILABLE: nobody gets in without a yes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "review.h"

constexpr int64_t AUTH_TOKEN_MS =
    10 * 1000; // how long a token is good, or bad, as the API server does
constexpr int64_t AUTH_ALLOW_MS = 5 * 60 * 1000;    // how long a right to read is believed
constexpr int64_t AUTH_ALLOW_CHANGE_MS = 30 * 1000; // the same of all others
constexpr int64_t AUTH_DENY_MS = 30 * 1000;
constexpr size_t AUTH_CACHED_MAX = 8192; // tokens, and as many rights
constexpr size_t AUTH_SIZE_MAX = 10000;  // bytes of a user and a path; of more nothing is kept

struct auth;
struct auth_check; // one that waits for a review
struct event_base;
struct kube_client;

enum auth_outcome {
    AUTH_ALLOWED,
    AUTH_BAD_TOKEN,
    AUTH_DENIED,
    AUTH_UNAVAILABLE, // the API server does not tell
};

struct auth_answer {
    enum auth_outcome outcome;
    std::string user; // empty for a bad token and where it is not known
};

struct auth_question {
    std::string_view token; // visible ASCII; borrowed for the call
    bool any_user;          // a good token is enough
    bool changes;           // it is more than reading
    struct review_access access;
};

// Reviews that have ended, by what the API server said: enum review_verdict.
struct auth_counts {
    uint64_t tokens[REVIEW_NONSENSE + 1];
    uint64_t accesses[REVIEW_NONSENSE + 1];
};

typedef int64_t (*auth_clock_fn)();
typedef void (*auth_done_fn)(void *arg, const struct auth_answer *answer);

struct auth_options {
    struct event_base *base;
    struct kube_client *client;
    std::string audience;        // that tokens have to be for
    auth_clock_fn now = nullptr; // milliseconds; null: the monotonic clock
};

[[nodiscard]] struct auth *auth_new(const struct auth_options *options);

// Ends all; `done` of those who wait is not called.
void auth_free(struct auth *a);

// True: the answer is known already.
[[nodiscard]] bool auth_recall(struct auth *a, const struct auth_question *question,
                               struct auth_answer *answer);

// Asks. `done` is called exactly once, never before this returns, unless it is cancelled. It may start and
// cancel others.
[[nodiscard]] struct auth_check *auth_start(struct auth *a, const struct auth_question *question,
                                            auth_done_fn done, void *arg);

// A review that nobody waits for any more ends.
void auth_cancel(struct auth_check *check);

// Since auth_new. What is remembered takes no review and does not count.
[[nodiscard]] const struct auth_counts *auth_get_counts(const struct auth *a);
