// Checks, the reviews that they wait for, and what is remembered of those.
#include "auth.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "auth_cache.h"
#include "auth_call.h"
#include "clock.h"
#include "log.h"

// One review under way. Lives from ask until on_call_done, or until nobody waits for it.
struct auth_review {
    struct auth *auth;
    std::string key;
    bool of_access;
    bool is_kept;           // its verdict goes into the cache
    int64_t allow_ms;       // for so long, where it is a yes
    struct auth_call *call; // null: its verdict is being told
    std::vector<struct auth_check *> waiting;
};

// Lives from auth_start until its `done` has returned, or until auth_cancel.
struct auth_check {
    struct auth *auth;
    bool any_user, changes;
    struct review_access access;
    struct review_user user;
    struct auth_review *review; // that it waits for
    auth_done_fn done;
    void *arg;
};

struct auth {
    struct auth_options options;
    struct auth_cache *tokens, *rights;
    std::unordered_map<std::string, struct auth_review *> reviews; // by key
    std::string problem; // of the last review; empty: it had an answer
    struct auth_counts counts;
};

struct auth *auth_new(const struct auth_options *options)
{
    struct auth *a = new auth{.options = *options,
                              .tokens = auth_cache_new(AUTH_CACHED_MAX),
                              .rights = auth_cache_new(AUTH_CACHED_MAX),
                              .reviews = {},
                              .problem = {},
                              .counts = {}};
    if (!a->tokens || !a->rights)
        log_fatal("--auth: there is no randomness");
    if (!a->options.now)
        a->options.now = clock_monotonic_ms;
    return a;
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    for (const auto &[key, review] : a->reviews) {
        auth_call_cancel(review->call);
        for (struct auth_check *check : review->waiting)
            delete check;
        delete review;
    }
    auth_cache_free(a->tokens);
    auth_cache_free(a->rights);
    delete a;
}

// ---- what is known

static std::string token_key(const struct auth *a, std::string_view token)
{
    return auth_cache_key(a->tokens, {token, a->options.audience});
}

// An access review that says the same asks the same.
static std::string access_key(const struct auth *a, const struct review_user &user,
                              const struct review_access &access)
{
    return auth_cache_key(a->rights, {review_access_body(user, access)});
}

bool auth_recall(struct auth *a, const struct auth_question *question, struct auth_answer *answer)
{
    const int64_t now_ms = a->options.now();
    const struct auth_verdict *token =
        auth_cache_find(a->tokens, token_key(a, question->token), now_ms);
    if (!token)
        return false;
    answer->outcome = token->good ? AUTH_ALLOWED : AUTH_BAD_TOKEN;
    answer->user = token->user.name;
    if (!token->good || question->any_user)
        return true;
    const struct auth_verdict *right =
        auth_cache_find(a->rights, access_key(a, token->user, question->access), now_ms);
    if (right && !right->good)
        answer->outcome = AUTH_DENIED;
    return right;
}

// ---- reviews

static void on_call_done(void *arg, const struct auth_reply *reply);

struct auth_ask {
    const std::string *key;
    bool of_access;
    bool is_kept;
    int64_t allow_ms;
    std::string body;
};

// Makes a check wait for a review: the one that is under way for the same, or a new one.
static void ask(struct auth_check *check, struct auth_ask *what)
{
    struct auth *a = check->auth;
    struct auth_review *&review = a->reviews[*what->key];
    if (!review) {
        review = new auth_review{.auth = a,
                                 .key = *what->key,
                                 .of_access = what->of_access,
                                 .is_kept = what->is_kept,
                                 .allow_ms = what->allow_ms,
                                 .call = nullptr,
                                 .waiting = {}};
        struct auth_call_options options = {
            .base = a->options.base,
            .client = a->options.client,
            .path = what->of_access ? REVIEW_ACCESS_PATH : REVIEW_TOKEN_PATH,
            .body = std::move(what->body),
            .done = on_call_done,
            .arg = review,
        };
        review->call = auth_call_start(&options);
    }
    check->review = review;
    review->waiting.push_back(check);
}

static void ask_token(struct auth_check *check, std::string_view token)
{
    struct auth *a = check->auth;
    const std::string key = token_key(a, token);
    struct auth_ask what = {
        .key = &key, .of_access = false, .is_kept = true, .allow_ms = AUTH_TOKEN_MS, .body = {}};
    if (a->reviews.count(key) == 0)
        what.body = review_token_body(token, a->options.audience);
    ask(check, &what);
}

static void ask_access(struct auth_check *check)
{
    struct auth *a = check->auth;
    const std::string key = access_key(a, check->user, check->access);
    const size_t size = review_user_size(check->user) + check->access.path.size();
    struct auth_ask what = {.key = &key,
                            .of_access = true,
                            .is_kept = size <= AUTH_SIZE_MAX,
                            .allow_ms = check->changes ? AUTH_ALLOW_CHANGE_MS : AUTH_ALLOW_MS,
                            .body = {}};
    if (a->reviews.count(key) == 0)
        what.body = review_access_body(check->user, check->access);
    ask(check, &what);
}

static void finish(struct auth_check *check, enum auth_outcome outcome)
{
    const struct auth_answer answer = {.outcome = outcome, .user = check->user.name};
    check->done(check->arg, &answer);
    delete check;
}

// The token is good: the user is known, and may do everything or has to be asked for.
static void go_on(struct auth_check *check)
{
    struct auth *a = check->auth;
    if (check->any_user) {
        finish(check, AUTH_ALLOWED);
        return;
    }
    const struct auth_verdict *right =
        auth_cache_find(a->rights, access_key(a, check->user, check->access), a->options.now());
    if (right)
        finish(check, right->good ? AUTH_ALLOWED : AUTH_DENIED);
    else
        ask_access(check);
}

static void tell(struct auth_check *check, bool of_access, enum review_verdict verdict,
                 const struct review_user &user)
{
    if (verdict == REVIEW_NONSENSE) {
        finish(check, AUTH_UNAVAILABLE);
    } else if (of_access) {
        finish(check, verdict == REVIEW_YES ? AUTH_ALLOWED : AUTH_DENIED);
    } else if (verdict == REVIEW_NO) {
        finish(check, AUTH_BAD_TOKEN);
    } else {
        check->user = user;
        go_on(check);
    }
}

// Says once that reviews fail, and once that they do not any more.
static void note_problem(struct auth *a, const std::string &problem)
{
    if (problem == a->problem)
        return;
    if (problem.empty())
        log_info("--auth: the API server answers reviews again");
    else
        log_warn("--auth: nobody new is let in, as a review failed: %s", problem.c_str());
    a->problem = problem;
}

static enum review_verdict read_reply(struct auth_review *r, const struct auth_reply *reply,
                                      struct review_user *user)
{
    std::string reason = reply->problem;
    enum review_verdict verdict = REVIEW_NONSENSE;
    if (reply->data && r->of_access)
        verdict = review_read_access(reply->data, reply->size, &reason);
    else if (reply->data)
        verdict =
            review_read_token(reply->data, reply->size, r->auth->options.audience, user, &reason);
    note_problem(r->auth, verdict == REVIEW_NONSENSE ? reason : "");
    if (verdict == REVIEW_NO)
        log_debug("--auth: %s: %s", r->of_access ? "no right" : "no good token", reason.c_str());
    return verdict;
}

static void keep(struct auth_review *r, enum review_verdict verdict, const struct review_user &user)
{
    if (verdict == REVIEW_NONSENSE || !r->is_kept || review_user_size(user) > AUTH_SIZE_MAX)
        return;
    struct auth *a = r->auth;
    const bool good = verdict == REVIEW_YES;
    const int64_t deny_ms = r->of_access ? AUTH_DENY_MS : AUTH_TOKEN_MS;
    const struct auth_verdict kept = {.good = good, .user = user};
    auth_cache_put(r->of_access ? a->rights : a->tokens, r->key, kept,
                   a->options.now() + (good ? r->allow_ms : deny_ms));
}

static void on_call_done(void *arg, const struct auth_reply *reply)
{
    struct auth_review *r = static_cast<struct auth_review *>(arg);
    struct review_user user;
    const enum review_verdict verdict = read_reply(r, reply, &user);
    struct auth_counts *counts = &r->auth->counts;
    (r->of_access ? counts->accesses : counts->tokens)[verdict]++;
    r->call = nullptr;
    r->auth->reviews.erase(r->key);
    keep(r, verdict, user);
    while (!r->waiting.empty()) {
        struct auth_check *check = r->waiting.front();
        r->waiting.erase(r->waiting.begin());
        check->review = nullptr;
        tell(check, r->of_access, verdict, user);
    }
    delete r;
}

// ---- checks

struct auth_check *auth_start(struct auth *a, const struct auth_question *question,
                              auth_done_fn done, void *arg)
{
    struct auth_check *check = new auth_check{.auth = a,
                                              .any_user = question->any_user,
                                              .changes = question->changes,
                                              .access = question->access,
                                              .user = {},
                                              .review = nullptr,
                                              .done = done,
                                              .arg = arg};
    const struct auth_verdict *token =
        auth_cache_find(a->tokens, token_key(a, question->token), a->options.now());
    if (token && token->good && !question->any_user) {
        check->user = token->user;
        ask_access(check);
    } else {
        ask_token(check, question->token);
    }
    return check;
}

void auth_cancel(struct auth_check *check)
{
    struct auth_review *r = check->review;
    r->waiting.erase(std::find(r->waiting.begin(), r->waiting.end(), check));
    if (r->waiting.empty() && r->call) {
        auth_call_cancel(r->call);
        r->auth->reviews.erase(r->key);
        delete r;
    }
    delete check;
}

const struct auth_counts *auth_get_counts(const struct auth *a)
{
    return &a->counts;
}
