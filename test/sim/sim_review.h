// TokenReview and SubjectAccessReview of the API server, for users and rights that a test gives out.
#pragma once
#include <string>
#include <vector>

struct sim_answer;
struct sim_request;

struct sim_user {
    std::string token, name;
    std::vector<std::string> groups, audiences; // of the token
};

// What a user, or a group, may do: a path, which may end in *, and verbs, or *.
struct sim_right {
    std::string subject, path;
    std::vector<std::string> verbs;
    bool denied; // an authorizer says no, whatever another one says
};

struct sim_reviews {
    std::vector<struct sim_user> users;
    std::vector<struct sim_right> rights;
};

// Replaces the user with that token.
void sim_review_add_user(struct sim_reviews *s, const struct sim_user &user);

// Answers a request to one of the two paths. False: it is none.
[[nodiscard]] bool sim_review_answer(const struct sim_reviews *s, const struct sim_request *r,
                                     struct sim_answer *a);
