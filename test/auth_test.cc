// Checks of tokens and rights on a scripted HTTP client. The clock of what is remembered is a number.
#include "cmocka_cc.h"

#include <event2/event.h>

#include "auth.h"
#include "auth_call.h"
#include "credentials.h"
#include "fake_http_client.h"
#include "kube_client.h"
#include "log.h"

static const char TOKENS[] = "/tokenreviews", RIGHTS[] = "/subjectaccessreviews";
static const char ALLOWED[] = R"({"kind":"SubjectAccessReview","status":{"allowed":true}})";
static const char REFUSED[] = R"({"kind":"SubjectAccessReview","status":{"allowed":false}})";
static const char BAD_TOKEN[] =
    R"({"kind":"TokenReview","status":{"user":{},"error":"invalid bearer token"}})";

static int64_t the_time_ms;

static int64_t now()
{
    return the_time_ms;
}

struct fixture {
    struct event_base *base;
    struct http_client *http;
    struct fake_script *script;
    struct credentials *credentials;
    struct kube_client *client;
    struct auth *auth;
};

// One check, and how it ended.
struct asker {
    unsigned answers;
    struct auth_answer answer;
};

static int set_up(void **state)
{
    struct fixture *f = new struct fixture();
    log_configure(LOG_AS_TEXT, LOG_AT_ERROR);
    the_time_ms = 1000000;
    f->base = event_base_new();
    f->http = http_client_new(f->base);
    f->script = fake_http_client_script(f->http);
    std::string error;
    f->credentials = credentials_new(nullptr, nullptr, 0, &error);
    f->client = kube_client_new(f->http, f->credentials, "https://api");
    const struct auth_options options = {
        .base = f->base, .client = f->client, .audience = "tracer-svc", .now = now};
    f->auth = auth_new(&options);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    auth_free(f->auth);
    kube_client_free(f->client);
    credentials_free(f->credentials);
    http_client_free(f->http);
    event_base_free(f->base);
    delete f;
    return 0;
}

static void add(struct fixture *f, const char *match, const std::string &body, bool repeat = false,
                int status = 201)
{
    struct fake_reply reply;
    reply.match = match;
    reply.http_status = status;
    reply.body = body;
    reply.repeat = repeat;
    f->script->replies.push_back(reply);
}

static std::string token_of(const std::string &user, const std::string &group = "g")
{
    return R"({"kind":"TokenReview","status":{"authenticated":true,"user":{"username":")" + user +
           R"(","groups":[")" + group + R"("]},"audiences":["tracer-svc"]}})";
}

static size_t requests_of(const struct fixture *f, const char *match)
{
    size_t count = 0;
    for (const struct fake_request &r : f->script->requests)
        count += r.url.find(match) != std::string::npos;
    return count;
}

static struct auth_question question_of(const char *token, const char *verb = "get",
                                        const char *path = "/v1/pods")
{
    return {.token = token,
            .any_user = false,
            .changes = std::string_view(verb) != "get",
            .access = {.path = path, .verb = verb}};
}

static void on_done(void *arg, const struct auth_answer *answer)
{
    struct asker *asker = static_cast<struct asker *>(arg);
    asker->answers++;
    asker->answer = *answer;
}

static void run(struct fixture *f)
{
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
}

// The outcome of a question, known or asked for.
static struct auth_answer ask(struct fixture *f, const struct auth_question &question)
{
    struct asker asker = {};
    if (auth_recall(f->auth, &question, &asker.answer))
        return asker.answer;
    struct auth_check *check = auth_start(f->auth, &question, on_done, &asker);
    assert_non_null(check);
    assert_int_equal(asker.answers, 0);
    run(f);
    assert_int_equal(asker.answers, 1);
    return asker.answer;
}

static void ask__good_token_and_right__is_allowed_by_two_reviews(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, TOKENS, token_of("ann"));
    add(f, RIGHTS, ALLOWED);

    const struct auth_answer answer = ask(f, question_of("secret", "post", "/v1/trace-session"));

    assert_int_equal(answer.outcome, AUTH_ALLOWED);
    assert_string_equal(answer.user.c_str(), "ann");
    assert_int_equal(f->script->requests.size(), 2);
    const struct fake_request &token = f->script->requests[0], &right = f->script->requests[1];
    assert_string_equal(token.method.c_str(), "POST");
    assert_string_equal(token.url.c_str(),
                        "https://api/apis/authentication.k8s.io/v1/tokenreviews");
    assert_string_equal(token.body.c_str(), review_token_body("secret", "tracer-svc").c_str());
    assert_true(token.timeout_ms > AUTH_CALL_MS - 1000 && token.timeout_ms <= AUTH_CALL_MS);
    const struct review_user ann = {.name = "ann", .uid = "", .groups = {"g"}, .extra = {}};
    assert_string_equal(right.url.c_str(),
                        "https://api/apis/authorization.k8s.io/v1/subjectaccessreviews");
    assert_string_equal(
        right.body.c_str(),
        review_access_body(ann, {.path = "/v1/trace-session", .verb = "post"}).c_str());
}

static void ask__no_yes__is_not_allowed(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    const struct {
        std::string token, right;
        enum auth_outcome outcome;
        const char *user;
    } table[] = {
        {BAD_TOKEN, ALLOWED, AUTH_BAD_TOKEN, ""},
        {R"({"kind":"TokenReview","status":{"authenticated":true,"user":{"username":"ann"}}})",
         ALLOWED, AUTH_BAD_TOKEN, ""},
        {token_of("ann"), REFUSED, AUTH_DENIED, "ann"},
        {token_of("ann"),
         R"({"kind":"SubjectAccessReview","status":{"allowed":true,"denied":true}})", AUTH_DENIED,
         "ann"},
        {token_of("ann"), "{}", AUTH_UNAVAILABLE, "ann"},
        {"<html>", ALLOWED, AUTH_UNAVAILABLE, ""},
        {"", ALLOWED, AUTH_UNAVAILABLE, ""},
    };

    for (const auto &row : table) {
        the_time_ms += AUTH_ALLOW_MS;
        f->script->replies.clear();
        add(f, TOKENS, row.token);
        add(f, RIGHTS, row.right);
        const struct auth_answer answer = ask(f, question_of("secret"));
        assert_int_equal(answer.outcome, row.outcome);
        assert_string_equal(answer.user.c_str(), row.user);
    }
}

static void ask__any_user__takes_no_right(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, TOKENS, token_of("ann"));
    struct auth_question question = question_of("secret");
    question.any_user = true;

    assert_int_equal(ask(f, question).outcome, AUTH_ALLOWED);
    assert_int_equal(ask(f, question).outcome, AUTH_ALLOWED);

    assert_int_equal(requests_of(f, TOKENS), 1);
    assert_int_equal(requests_of(f, RIGHTS), 0);
}

static void ask__server_that_does_not_answer__is_asked_anew_each_time(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    struct fake_reply down;
    down.status = FETCH_CONNECT;
    f->script->replies = {down, down};
    add(f, TOKENS, "", false, 403);
    add(f, TOKENS, token_of("ann"));
    add(f, RIGHTS, "", false, 503);
    add(f, RIGHTS, ALLOWED);

    assert_int_equal(ask(f, question_of("secret")).outcome, AUTH_UNAVAILABLE);
    assert_int_equal(ask(f, question_of("secret")).outcome, AUTH_UNAVAILABLE);
    assert_int_equal(ask(f, question_of("secret")).outcome, AUTH_UNAVAILABLE);
    assert_int_equal(ask(f, question_of("secret")).outcome, AUTH_UNAVAILABLE);
    assert_int_equal(ask(f, question_of("secret")).outcome, AUTH_ALLOWED);

    assert_int_equal(requests_of(f, TOKENS), 4);
    assert_int_equal(requests_of(f, RIGHTS), 2);
}

static void ask__again__is_remembered_for_its_time(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    const struct {
        const char *verb, *token, *right;
        bool of_token; // what is looked at; the other is asked for first
        int64_t ms;
    } table[] = {
        {"get", "good", ALLOWED, true, AUTH_TOKEN_MS},
        {"get", "bad", ALLOWED, true, AUTH_TOKEN_MS},
        {"get", "good", ALLOWED, false, AUTH_ALLOW_MS},
        {"post", "good", ALLOWED, false, AUTH_ALLOW_CHANGE_MS},
        {"delete", "good", ALLOWED, false, AUTH_ALLOW_CHANGE_MS},
        {"get", "good", REFUSED, false, AUTH_DENY_MS},
        {"put", "good", REFUSED, false, AUTH_DENY_MS},
    };

    for (const auto &row : table) {
        the_time_ms += AUTH_ALLOW_MS;
        f->script->replies.clear();
        add(f, TOKENS, row.token[0] == 'g' ? token_of("ann") : BAD_TOKEN, true);
        add(f, RIGHTS, row.right, true);
        const char *match = row.of_token ? TOKENS : RIGHTS;
        const struct auth_question question = question_of("secret", row.verb);
        const enum auth_outcome outcome = ask(f, question).outcome;
        const size_t first = requests_of(f, match);

        the_time_ms += row.ms - 1;
        assert_int_equal(ask(f, question).outcome, outcome);
        assert_int_equal(requests_of(f, match), first);

        the_time_ms += 1;
        assert_int_equal(ask(f, question).outcome, outcome);
        assert_int_equal(requests_of(f, match), first + 1);
    }
}

static void ask__other_token_path_verb_or_group__is_another_question(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, RIGHTS, ALLOWED, true);
    add(f, TOKENS, token_of("ann"));
    add(f, TOKENS, token_of("ann"));
    add(f, TOKENS, token_of("ann", "h"));

    (void)ask(f, question_of("one"));
    (void)ask(f, question_of("two")); // the same user
    assert_int_equal(requests_of(f, TOKENS), 2);
    assert_int_equal(requests_of(f, RIGHTS), 1);
    (void)ask(f, question_of("one", "post"));
    (void)ask(f, question_of("one", "get", "/v1/trace-hooks"));
    assert_int_equal(requests_of(f, RIGHTS), 3);
    (void)ask(f, question_of("three")); // the same name in another group

    assert_int_equal(requests_of(f, TOKENS), 3);
    assert_int_equal(requests_of(f, RIGHTS), 4);
}

static void ask__user_of_very_much__is_not_remembered(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, RIGHTS, ALLOWED, true);
    add(f, TOKENS, token_of("ann", std::string(AUTH_SIZE_MAX, 'g')), true);

    assert_int_equal(ask(f, question_of("one")).outcome, AUTH_ALLOWED);
    assert_int_equal(ask(f, question_of("one")).outcome, AUTH_ALLOWED);

    assert_int_equal(requests_of(f, TOKENS), 2);
    assert_int_equal(requests_of(f, RIGHTS), 2);
}

static void reviews__that_ended__are_counted_by_verdict(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    add(f, TOKENS, BAD_TOKEN);
    ask(f, question_of("wrong"));
    ask(f, question_of("wrong")); // is remembered
    add(f, TOKENS, token_of("ann"));
    add(f, RIGHTS, REFUSED);
    ask(f, question_of("secret"));
    add(f, RIGHTS, ALLOWED);
    ask(f, question_of("secret", "post"));
    add(f, RIGHTS, "{}");
    ask(f, question_of("secret", "put"));

    const struct auth_counts *counts = auth_get_counts(f->auth);

    assert_int_equal(counts->tokens[REVIEW_YES], 1);
    assert_int_equal(counts->tokens[REVIEW_NO], 1);
    assert_int_equal(counts->tokens[REVIEW_NONSENSE], 0);
    assert_int_equal(counts->accesses[REVIEW_YES], 1);
    assert_int_equal(counts->accesses[REVIEW_NO], 1);
    assert_int_equal(counts->accesses[REVIEW_NONSENSE], 1);
}

static void start__hundred_at_once__are_one_review_of_each_kind(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    struct asker askers[100] = {};
    const struct auth_question question = question_of("secret");
    add(f, TOKENS, token_of("ann"), true);
    add(f, RIGHTS, ALLOWED, true);

    for (struct asker &asker : askers)
        assert_non_null(auth_start(f->auth, &question, on_done, &asker));
    run(f);

    for (const struct asker &asker : askers) {
        assert_int_equal(asker.answers, 1);
        assert_int_equal(asker.answer.outcome, AUTH_ALLOWED);
    }
    assert_int_equal(requests_of(f, TOKENS), 1);
    assert_int_equal(requests_of(f, RIGHTS), 1);
}

static void cancel__of_the_last_one__ends_the_review(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    struct asker first = {}, second = {};
    const struct auth_question question = question_of("secret");
    struct auth_check *one = auth_start(f->auth, &question, on_done, &first);
    struct auth_check *two = auth_start(f->auth, &question, on_done, &second);
    assert_int_equal(f->script->under_way, 1);

    auth_cancel(one);
    assert_int_equal(f->script->under_way, 1);
    auth_cancel(two);

    assert_int_equal(f->script->under_way, 0);
    assert_int_equal(first.answers + second.answers, 0);
    add(f, TOKENS, token_of("ann"));
    add(f, RIGHTS, ALLOWED);
    assert_int_equal(ask(f, question).outcome, AUTH_ALLOWED);
}

struct leaver {
    struct asker asker;
    struct auth_check *other; // leaves when this one is answered
};

static void on_done_leave(void *arg, const struct auth_answer *answer)
{
    struct leaver *leaver = static_cast<struct leaver *>(arg);
    on_done(&leaver->asker, answer);
    auth_cancel(leaver->other);
}

static void cancel__from_within_an_answer__is_fine(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    struct leaver first = {};
    struct asker second = {};
    const struct auth_question question = question_of("secret");
    add(f, TOKENS, BAD_TOKEN);
    assert_non_null(auth_start(f->auth, &question, on_done_leave, &first));
    first.other = auth_start(f->auth, &question, on_done, &second);

    run(f);

    assert_int_equal(first.asker.answers, 1);
    assert_int_equal(first.asker.answer.outcome, AUTH_BAD_TOKEN);
    assert_int_equal(second.answers, 0);
}

static void free__with_checks_under_way__ends_them(void **state)
{
    struct fixture *f = static_cast<struct fixture *>(*state);
    struct asker asker = {};
    const struct auth_question question = question_of("secret");
    assert_non_null(auth_start(f->auth, &question, on_done, &asker));

    auth_free(f->auth);
    f->auth = nullptr;

    assert_int_equal(f->script->under_way, 0);
    assert_int_equal(asker.answers, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(ask__good_token_and_right__is_allowed_by_two_reviews),
        TEST(ask__no_yes__is_not_allowed),
        TEST(ask__any_user__takes_no_right),
        TEST(ask__server_that_does_not_answer__is_asked_anew_each_time),
        TEST(ask__again__is_remembered_for_its_time),
        TEST(ask__other_token_path_verb_or_group__is_another_question),
        TEST(ask__user_of_very_much__is_not_remembered),
        TEST(reviews__that_ended__are_counted_by_verdict),
        TEST(start__hundred_at_once__are_one_review_of_each_kind),
        TEST(cancel__of_the_last_one__ends_the_review),
        TEST(cancel__from_within_an_answer__is_fine),
        TEST(free__with_checks_under_way__ends_them),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
