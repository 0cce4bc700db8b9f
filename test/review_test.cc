// Reviews as text and back.
#include "cmocka_cc.h"

#include <vector>

#include "review.h"

static enum review_verdict read_token(std::string_view text, struct review_user *user,
                                      std::string *reason)
{
    // a block of its own, so that reading beyond it shows
    const std::vector<char> bytes(text.begin(), text.end());
    return review_read_token(bytes.data(), bytes.size(), "tracer-svc", user, reason);
}

static enum review_verdict read_access(std::string_view text, std::string *reason)
{
    const std::vector<char> bytes(text.begin(), text.end());
    return review_read_access(bytes.data(), bytes.size(), reason);
}

static void token_body__any_token__is_a_review_for_the_audience(void **)
{
    assert_string_equal(review_token_body("a\"b", "tracer-svc").c_str(),
                        R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview",)"
                        R"("spec":{"token":"a\"b","audiences":["tracer-svc"]}})");
}

static void access_body__all_of_the_user__is_told(void **)
{
    const struct review_user user = {
        .name = "ann", .uid = "7", .groups = {"a", "b"}, .extra = {{"k", {"1", "2"}}, {"l", {}}}};
    const struct review_user plain = {.name = "bob", .uid = "", .groups = {}, .extra = {}};

    assert_string_equal(
        review_access_body(user, {.path = "/v1/pods", .verb = "get"}).c_str(),
        R"({"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview",)"
        R"("spec":{"user":"ann","groups":["a","b"],"uid":"7","extra":{"k":["1","2"],"l":[]},)"
        R"("nonResourceAttributes":{"path":"/v1/pods","verb":"get"}}})");
    assert_string_equal(
        review_access_body(plain, {.path = "/", .verb = "get"}).c_str(),
        R"({"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview",)"
        R"("spec":{"user":"bob","groups":[],"nonResourceAttributes":{"path":"/","verb":"get"}}})");
}

static void read_token__good__gives_the_user(void **)
{
    struct review_user user;
    std::string reason;

    assert_int_equal(
        read_token(R"({"kind":"TokenReview","spec":{"token":"x"},"status":{"authenticated":true,
            "user":{"username":"ann","uid":"7","groups":["a","b",3,null],
                    "extra":{"k":["1","2"],"l":null}},
            "audiences":["other","tracer-svc"]}})",
                   &user, &reason),
        REVIEW_YES);

    assert_string_equal(user.name.c_str(), "ann");
    assert_string_equal(user.uid.c_str(), "7");
    assert_true(user.groups == (std::vector<std::string>{"a", "b"}));
    assert_int_equal(user.extra.size(), 2);
    assert_string_equal(user.extra[0].first.c_str(), "k");
    assert_true(user.extra[0].second == (std::vector<std::string>{"1", "2"}));
    assert_int_equal(review_user_size(user), 3 + 1 + 2 + 1 + 2 + 1);
}

static void read_token__anything_else__is_no_or_nonsense(void **)
{
    static const struct {
        const char *text;
        enum review_verdict verdict;
        const char *reason;
    } table[] = {
        // as recorded from a real server, shortened
        {R"({"kind":"TokenReview","status":{"user":{},"error":"invalid bearer token"}})", REVIEW_NO,
         "invalid bearer token"},
        {R"({"kind":"TokenReview","status":{"authenticated":true,"user":{"username":"admin"},
            "audiences":["https://kubernetes.default.svc"]}})",
         REVIEW_NO, "not for the audience tracer-svc"},
        {R"({"kind":"TokenReview","status":{"authenticated":true,"user":{"username":"a"}}})",
         REVIEW_NO, "not for the audience tracer-svc"},
        {R"({"kind":"TokenReview","status":{"authenticated":true,"user":{"username":"a"},
            "audiences":[]}})",
         REVIEW_NO, "not for the audience tracer-svc"},
        {R"({"kind":"TokenReview","status":{"authenticated":"true","user":{"username":"a"},
            "audiences":["tracer-svc"]}})",
         REVIEW_NO, "not authenticated"},
        {R"({"kind":"TokenReview","status":{"authenticated":true,"user":{"username":""},
            "audiences":["tracer-svc"]}})",
         REVIEW_NO, "not authenticated"},
        {R"({"kind":"TokenReview","status":{"Authenticated":true,"user":{"username":"a"},
            "audiences":["tracer-svc"]}})",
         REVIEW_NO, "not authenticated"},
        {R"({"kind":"TokenReview","status":{"authenticated":true,"user":{"username":"admin\u0000x"},
            "audiences":["tracer-svc"]}})",
         REVIEW_NONSENSE, "the answer is no TokenReview"},
        {R"({"kind":"TokenReview","status":{}})", REVIEW_NO, "not authenticated"},
        {R"({"kind":"TokenReview"})", REVIEW_NONSENSE, "the answer is no TokenReview"},
        {R"({"kind":"Status","status":{"authenticated":true}})", REVIEW_NONSENSE,
         "the answer is no TokenReview"},
        {R"({"kind":"TokenReview","status":{}} x)", REVIEW_NONSENSE,
         "the answer is no TokenReview"},
        {"[]", REVIEW_NONSENSE, "the answer is no TokenReview"},
        {"", REVIEW_NONSENSE, "the answer is no TokenReview"},
    };

    for (const auto &row : table) {
        struct review_user user = {.name = "old", .uid = "", .groups = {}, .extra = {}};
        std::string reason;
        assert_int_equal(read_token(row.text, &user, &reason), row.verdict);
        assert_string_equal(reason.c_str(), row.reason);
    }
}

static void read_access__only_a_clear_yes__is_one(void **)
{
    static const struct {
        const char *text;
        enum review_verdict verdict;
        const char *reason;
    } table[] = {
        {R"({"kind":"SubjectAccessReview","status":{"allowed":true}})", REVIEW_YES, ""},
        {R"({"kind":"SubjectAccessReview","status":{"allowed":true,"denied":true,"reason":"r"}})",
         REVIEW_NO, "r"},
        {R"({"kind":"SubjectAccessReview","status":{"allowed":false}})", REVIEW_NO, ""},
        {R"({"kind":"SubjectAccessReview","status":{"evaluationError":"e"}})", REVIEW_NO, "e"},
        {R"({"kind":"SubjectAccessReview","status":{"allowed":1}})", REVIEW_NO, ""},
        {R"({"kind":"TokenReview","status":{"allowed":true}})", REVIEW_NONSENSE,
         "the answer is no SubjectAccessReview"},
        {"{", REVIEW_NONSENSE, "the answer is no SubjectAccessReview"},
    };

    for (const auto &row : table) {
        std::string reason = "old";
        assert_int_equal(read_access(row.text, &reason), row.verdict);
        assert_string_equal(reason.c_str(), row.reason);
    }
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_body__any_token__is_a_review_for_the_audience),
        cmocka_unit_test(access_body__all_of_the_user__is_told),
        cmocka_unit_test(read_token__good__gives_the_user),
        cmocka_unit_test(read_token__anything_else__is_no_or_nonsense),
        cmocka_unit_test(read_access__only_a_clear_yes__is_one),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
