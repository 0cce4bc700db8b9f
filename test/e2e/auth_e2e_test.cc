// Who may ask: tokens and rights that the API server tells, for the daemon with --auth kubernetes.
#include <cstring>

#include "cmocka_cc.h"
#include "e2e.h"

static const char TOKENS[] = "POST /apis/authentication.k8s.io/v1/tokenreviews\":";
static const char RIGHTS[] = "POST /apis/authorization.k8s.io/v1/subjectaccessreviews\":";
static const char BODY[] = R"({"pod":"web-1-a","container":"*","trace-hook":"ticker"})";

static struct cluster the_cluster;
static struct svc the_svc;

static int start_all(void **)
{
    the_cluster = cluster_start({"--nodes", "3"});
    return 0;
}

static int stop_all(void **)
{
    cluster_stop(&the_cluster);
    return 0;
}

static void give_user(const char *token, const char *name, const char *audience = "tracer-svc")
{
    cluster_do(&the_cluster, "POST",
               std::string("/user?token=") + token + "&name=" + name + "&groups=people,of-" + name +
                   "&audiences=other," + audience);
}

static struct svc start(const std::vector<std::string> &more = {})
{
    std::vector<std::string> args = {"--nodes",    the_cluster.nodes, "--auth",
                                     "kubernetes", "--kube-server",   the_cluster.api,
                                     "--verbose",  "--drain-delay",   "0"};
    args.insert(args.end(), more.begin(), more.end());
    return svc_start(args);
}

// ann may do all, bob may read; eve is somebody, and may nothing.
static int setup(void **)
{
    cluster_do(&the_cluster, "DELETE", "/api-fault");
    cluster_do(&the_cluster, "DELETE", "/user");
    give_user("token-of-ann", "ann");
    give_user("token-of-bob", "bob");
    give_user("token-of-eve", "eve");
    give_user("token-for-others", "ann", "another");
    cluster_do(&the_cluster, "POST", "/right?of=ann&path=*&verbs=*");
    cluster_do(&the_cluster, "POST", "/right?of=of-bob&path=/v1/*&verbs=get");
    cluster_do(&the_cluster, "POST", "/token?value=");
    cluster_do(&the_cluster, "DELETE", "/stats");
    the_svc = start();
    return 0;
}

static int teardown(void **)
{
    svc_stop(&the_svc);
    return 0;
}

static struct reply ask(const char *method, const std::string &target, const char *token,
                        const char *body = "")
{
    std::vector<std::string> headers;
    if (token)
        headers.push_back(std::string("Authorization: Bearer ") + token);
    return http(method, the_svc.url + target, body, headers);
}

static std::string stats()
{
    return cluster_do(&the_cluster, "GET", "/stats");
}

static void assert_reviews(const char *kind, size_t count)
{
    const std::string text = stats();
    if (count == 0)
        assert_int_equal(count_of(text, kind), 0);
    else
        assert_has(text, kind + std::to_string(count));
}

static void requests__of_different_people__get_what_their_rights_say(void **)
{
    static const struct {
        const char *token, *method, *target;
        int status;
        const char *says;
    } table[] = {
        {nullptr, "GET", "/v1/pods", 401, "kubectl create token NAME --audience tracer-svc"},
        {nullptr, "POST", "/v1/trace-session", 401, "Authorization: Bearer"},
        {nullptr, "GET", "/v1/tracer-nodes", 401, ""},
        {nullptr, "GET", "/version", 401, ""},
        {nullptr, "GET", "/nothing", 401, ""},
        {nullptr, "POST", "/v1/pods", 401, ""},
        {nullptr, "GET", "/livez", 200, "ok"},
        {nullptr, "GET", "/readyz", 200, "ok"},
        {"wrong", "GET", "/v1/pods", 401, "this token is not accepted"},
        {"wrong", "GET", "/nothing", 401, "this token is not accepted"},
        {"wrong", "GET", "/livez", 200, "ok"},
        {"token-for-others", "GET", "/v1/pods", 401, "another audience than tracer-svc"},
        {"two words", "GET", "/v1/pods", 401, "Authorization: Bearer"},
        {"token-of-ann", "GET", "/v1/pods", 200, "web-1-a"},
        {"token-of-ann", "POST", "/v1/trace-session", 200, ""},
        {"token-of-ann", "GET", "/v1/trace-session/all", 200, ""},
        {"token-of-ann", "DELETE", "/v1/trace-session/all", 200, ""},
        {"token-of-ann", "GET", "/version", 200, "tracer-svc"},
        {"token-of-bob", "GET", "/v1/pods", 200, "web-1-a"},
        {"token-of-bob", "HEAD", "/v1/pods", 200, ""},
        {"token-of-bob", "GET", "/v1/tracer-nodes", 200, "worker-1"},
        {"token-of-bob", "POST", "/v1/trace-session", 403, "bob may not post /v1/trace-session"},
        {"token-of-bob", "DELETE", "/v1/trace-session/all?x=1", 403,
         "bob may not delete /v1/trace-session/all; it takes a ClusterRole"},
        {"token-of-bob", "DELETE", "/v1/trace-session/%61ll", 403,
         "bob may not delete /v1/trace-session/all;"},
        {"token-of-bob", "GET", "/version", 403, "bob may not get /version"},
        {"token-of-eve", "GET", "/v1/pods", 403, "eve may not get /v1/pods"},
        {"token-of-eve", "HEAD", "/v1/pods", 403, ""},
        {"token-of-eve", "GET", "/nothing", 404, "there is no /nothing here"},
        {"token-of-eve", "POST", "/v1/pods", 405, "/v1/pods takes GET, HEAD"},
        {"token-of-eve", "GET", "/readyz", 200, "ok"},
    };

    for (const auto &row : table) {
        const bool posts = strcmp(row.method, "POST") == 0;
        const struct reply r = ask(row.method, row.target, row.token, posts ? BODY : "");
        if (r.status != row.status)
            fail_msg("%s %s of %s: %d %s", row.method, row.target, row.token, r.status,
                     r.body.c_str());
        assert_has(r.body, row.says);
        const char *challenge = r.status != 401 ? ""
                                : row.token && strchr(row.token, ' ') == nullptr
                                    ? "Bearer error=\"invalid_token\""
                                    : "Bearer";
        assert_text(reply_header(r, "WWW-Authenticate"), challenge);
        if (r.status >= 400)
            assert_text(reply_header(r, "Content-Type"), "application/problem+json");
    }
    assert_int_equal(count_of(program_log(&the_svc.daemon), "token-of"), 0);
}

static void header__other_than_one_bearer_token__is_401(void **)
{
    for (const char *value : {"Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "Bearer  \t",
                              "token-of-ann", "Bearer token-of-ann,", "Bearer token-of-ann x"}) {
        const struct reply r =
            http("GET", the_svc.url + "/v1/pods", "", {std::string("Authorization: ") + value});
        assert_int_equal(r.status, 401);
        assert_text(reply_header(r, "WWW-Authenticate"), "Bearer");
    }
    const struct reply twice =
        http("GET", the_svc.url + "/v1/pods", "",
             {"Authorization: Bearer token-of-ann", "Authorization: Bearer wrong"});
    assert_true(twice.status == 400 || twice.status == 401);
    assert_int_equal(
        http("GET", the_svc.url + "/v1/pods", "", {"Authorization: bEARER  token-of-ann"}).status,
        200);
}

static void denial__of_an_authorizer__beats_what_another_allows(void **)
{
    cluster_do(&the_cluster, "POST", "/right?of=people&path=/v1/trace-hooks&verbs=get&denied=true");

    assert_int_equal(ask("GET", "/v1/trace-hooks", "token-of-ann").status, 403);
    assert_int_equal(ask("GET", "/v1/pods", "token-of-ann").status, 200);
}

static void hundred__at_once_with_one_token__are_one_review_of_each_kind(void **)
{
    std::vector<struct pending *> under_way;
    for (int i = 0; i < 100; i++)
        under_way.push_back(http_start("GET", the_svc.url + "/v1/pods", "",
                                       {"Authorization: Bearer token-of-bob"}));

    for (struct pending *p : under_way)
        assert_int_equal(http_finish(p).status, 200);

    assert_reviews(TOKENS, 1);
    assert_reviews(RIGHTS, 1);
}

static void review__that_was_had__is_not_asked_for_again(void **)
{
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ask("GET", "/v1/pods", "token-of-bob").status, 200);
        assert_int_equal(ask("HEAD", "/v1/pods", "token-of-bob").status, 200);
        assert_int_equal(ask("GET", "/v1/pods", "wrong").status, 401);
        assert_int_equal(ask("GET", "/v1/pods", "token-of-eve").status, 403);
        assert_int_equal(ask("GET", "/nothing", "token-of-eve").status, 404);
    }

    assert_reviews(TOKENS, 3);
    assert_reviews(RIGHTS, 2);
    assert_has(stats(), R"(\"extra\":{\"example.org/from\":[\"sim\"]})");
    assert_has(stats(), R"(\"nonResourceAttributes\":{\"path\":\"/v1/pods\",\"verb\":\"get\"})");
}

static void server__that_is_down__lets_nobody_new_in(void **)
{
    assert_int_equal(ask("GET", "/v1/pods", "token-of-bob").status, 200);
    cluster_do(&the_cluster, "POST", "/api-fault?kind=down");

    const struct reply other = ask("GET", "/v1/pods", "token-of-ann");
    const struct reply known = ask("GET", "/v1/pods", "token-of-bob");
    const struct reply more = ask("POST", "/v1/trace-session", "token-of-bob", BODY);

    assert_int_equal(other.status, 503);
    assert_text(reply_header(other, "Retry-After"), "1");
    assert_has(other.body, "the Kubernetes API server, which knows who may do this");
    assert_int_equal(known.status, 200);
    assert_int_equal(more.status, 503);
    assert_int_equal(ask("GET", "/livez", nullptr).status, 200);
    cluster_do(&the_cluster, "DELETE", "/api-fault");
    assert_int_equal(ask("GET", "/v1/pods", "token-of-ann").status, 200);
    const std::string metrics = ask("GET", "/metrics", "token-of-ann").body;
    const std::string reviews = "\ntracer_svc_auth_reviews_total";
    assert_has(metrics, reviews + R"({kind="token",outcome="allowed"} 2)");
    assert_has(metrics, reviews + R"({kind="token",outcome="failed"} 1)");
    assert_has(metrics, reviews + R"({kind="access",outcome="failed"} 1)");
    const std::string log = program_log(&the_svc.daemon);
    assert_has(log, "--auth: nobody new is let in, as a review failed: connect");
    assert_has(log, "--auth: the API server answers reviews again");
}

static void server__that_refuses_us__is_503_and_the_log_says_why(void **)
{
    static const struct {
        const char *fault, *log;
    } table[] = {
        {"status=403&path=tokenreviews", "wants the ClusterRole system:auth-delegator"},
        {"status=403&path=subjectaccessreviews", "HTTP 403"},
        {"status=401", "HTTP 401"},
        {"status=503", "HTTP 503"},
        {"kind=garbage", "the answer is no TokenReview"},
    };

    for (const auto &row : table) {
        cluster_do(&the_cluster, "POST", std::string("/api-fault?") + row.fault);
        assert_int_equal(ask("GET", "/v1/pods", "token-of-ann").status, 503);
        program_wait_for(&the_svc.daemon, row.log);
        cluster_do(&the_cluster, "DELETE", "/api-fault");
        svc_stop(&the_svc);
        the_svc = start(); // nothing is remembered
    }
}

static void server__that_stumbles__is_asked_again(void **)
{
    cluster_do(&the_cluster, "POST", "/api-fault?status=500&path=tokenreviews&count=1");
    cluster_do(&the_cluster, "POST",
               "/api-fault?status=429&path=subjectaccessreviews&count=1&retry-after=1");

    const struct reply r = ask("GET", "/v1/pods", "token-of-ann");

    assert_int_equal(r.status, 200);
    assert_true(r.seconds >= 1.5);
    assert_reviews(TOKENS, 2);
    assert_reviews(RIGHTS, 2);
}

static void client__that_leaves__is_forgotten_with_its_review(void **)
{
    cluster_do(&the_cluster, "POST", "/api-fault?kind=hang");
    struct pending *p =
        http_start("GET", the_svc.url + "/v1/pods", "", {"Authorization: Bearer token-of-ann"});
    while (!has(stats(), TOKENS))
        http_run();

    http_abandon(p);

    cluster_wait_for(&the_cluster, "/stats", "\"aborted\":1");
}

static void waiting__beyond_the_most__is_503_and_those_who_are_known_get_through(void **)
{
    svc_stop(&the_svc);
    the_svc = start({"--max-requests", "2"});
    assert_int_equal(ask("GET", "/v1/pods", "token-of-bob").status, 200);
    cluster_do(&the_cluster, "DELETE", "/stats");
    cluster_do(&the_cluster, "POST", "/api-fault?kind=hang");
    std::vector<struct pending *> waiting;
    for (const char *token : {"one", "two"})
        waiting.push_back(http_start("GET", the_svc.url + "/v1/pods", "",
                                     {std::string("Authorization: Bearer ") + token}));
    while (!has(stats(), std::string(TOKENS) + "2"))
        http_run();

    const struct reply third = ask("GET", "/v1/pods", "three");

    assert_int_equal(third.status, 503);
    assert_has(third.body, "too many requests wait for the Kubernetes API server");
    assert_text(reply_header(third, "Retry-After"), "1");
    assert_int_equal(ask("GET", "/v1/pods", "token-of-bob").status, 200);
    for (struct pending *p : waiting)
        http_abandon(p);
}

static void change__of_anybody__has_the_users_name_in_the_log(void **)
{
    svc_stop(&the_svc);
    the_svc = start({"--verbose=false"});

    assert_int_equal(ask("POST", "/v1/trace-session", "token-of-ann", BODY).status, 200);
    assert_int_equal(ask("DELETE", "/v1/trace-session/all", "token-of-ann").status, 200);
    assert_int_equal(ask("PUT", "/v1/trace-session/7", "token-of-bob", "{\"Run\":true}").status,
                     403);
    assert_int_equal(ask("GET", "/v1/pods", "token-of-bob").status, 200);

    const std::string log = program_log(&the_svc.daemon);
    assert_has(log, " by ann POST /v1/trace-session: 200 in ");
    assert_has(log, " by ann DELETE /v1/trace-session/all: 200 in ");
    assert_has(log, " by bob PUT /v1/trace-session/7: 403 in ");
    assert_int_equal(count_of(log, " GET "), 0);
}

static void credentials__of_callers__reach_no_node(void **)
{
    http("POST", the_svc.url + "/v1/trace-session", BODY,
         {"Authorization: Bearer token-of-ann", "Cookie: a=secret", "Proxy-Authorization: secret"});

    const std::string all = stats();
    const std::string nodes = all.substr(0, all.find("\"api\":"));
    assert_has(nodes, "POST /v1/trace-session");
    assert_int_equal(count_of(nodes, "token-of-ann"), 0);
    assert_int_equal(count_of(nodes, "Authorization"), 0);
    assert_int_equal(count_of(nodes, "secret"), 0);
}

static void discovery__with_auth__shares_the_account(void **)
{
    struct svc s =
        svc_start({"--kube-server", the_cluster.api, "--auth", "kubernetes", "--auth-audience",
                   "another", "--poll", "200ms", "--drain-delay", "0"});
    svc_wait_for(&s, "/readyz", "ok");

    const struct reply good =
        http("GET", s.url + "/v1/pods", "", {"Authorization: Bearer token-for-others"});
    const struct reply bad =
        http("GET", s.url + "/v1/pods", "", {"Authorization: Bearer token-of-ann"});

    assert_int_equal(good.status, 200);
    assert_int_equal(bad.status, 401);
    assert_has(bad.body, "another audience than another");
    svc_stop(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(requests__of_different_people__get_what_their_rights_say),
        TEST(header__other_than_one_bearer_token__is_401),
        TEST(denial__of_an_authorizer__beats_what_another_allows),
        TEST(hundred__at_once_with_one_token__are_one_review_of_each_kind),
        TEST(review__that_was_had__is_not_asked_for_again),
        TEST(server__that_is_down__lets_nobody_new_in),
        TEST(server__that_refuses_us__is_503_and_the_log_says_why),
        TEST(server__that_stumbles__is_asked_again),
        TEST(client__that_leaves__is_forgotten_with_its_review),
        TEST(waiting__beyond_the_most__is_503_and_those_who_are_known_get_through),
        TEST(change__of_anybody__has_the_users_name_in_the_log),
        TEST(credentials__of_callers__reach_no_node),
        TEST(discovery__with_auth__shares_the_account),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
