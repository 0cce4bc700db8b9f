// Kubernetes' reviews as data: who a bearer token belongs to (TokenReview, authentication.k8s.io/v1), and
// whether somebody may do something (SubjectAccessReview, authorization.k8s.io/v1).
//
// Pure. Whatever is missing in an answer counts as no: only what says yes is a yes.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Whom a token belongs to, as the API server says: what it wants to hear again in an access review.
struct review_user {
    std::string name, uid;
    std::vector<std::string> groups;
    std::vector<std::pair<std::string, std::vector<std::string>>> extra;

    bool operator==(const struct review_user &) const = default;
};

// What somebody wants to do: a path of ours and a method in small letters, as RBAC's nonResourceURLs and
// their verbs.
struct review_access {
    std::string path, verb;
};

enum review_verdict {
    REVIEW_YES,
    REVIEW_NO,
    REVIEW_NONSENSE, // it is no such review: nothing is known
};

// What is behind the API server's URL.
constexpr const char *REVIEW_TOKEN_PATH = "/apis/authentication.k8s.io/v1/tokenreviews";
constexpr const char *REVIEW_ACCESS_PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

// The bodies of the two requests. The token's is made in one piece of memory, so that overwriting it leaves
// no copy behind.
[[nodiscard]] std::string review_token_body(std::string_view token, std::string_view audience);
[[nodiscard]] std::string review_access_body(const struct review_user &user,
                                             const struct review_access &access);

// Reads the answers. `reason` is why it is not yes, in the server's words or ours: for the log. A token is
// good only if it was meant for `audience`: a server that does not know audiences says nothing of them.
[[nodiscard]] enum review_verdict review_read_token(const char *data, size_t size,
                                                    std::string_view audience,
                                                    struct review_user *user, std::string *reason);
[[nodiscard]] enum review_verdict review_read_access(const char *data, size_t size,
                                                     std::string *reason);

// Bytes of all that is known of a user.
[[nodiscard]] size_t review_user_size(const struct review_user &user);
