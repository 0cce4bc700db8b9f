// Problem documents.
#include <string>

#include "http_response.h"
#include "problem.h"
#include "support/cmocka_cc.h"

static void problem__with_detail__is_whole(void **)
{
    struct http_response response;

    problem_response(&response, 404, "No \"such\"\nthing \xff");

    assert_int_equal(response.status, 404);
    assert_string_equal(response.content_type, "application/problem+json");
    assert_string_equal(rope_text(&response.body).c_str(),
                        "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
                        "\"detail\":\"No \\\"such\\\"\\nthing \xef\xbf\xbd\"}");
    rope_clear(&response.body);
}

static void problem__with_members__has_them_last(void **)
{
    std::string document;

    problem_begin(&document, 503, "none");
    document += ",\"nodes\":[]";
    problem_end(&document);
    struct http_response response;
    problem_response_from(&response, 503, document);

    assert_int_equal(response.status, 503);
    assert_string_equal(rope_text(&response.body).c_str(),
                        "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\","
                        "\"status\":503,\"detail\":\"none\",\"nodes\":[]}");
    rope_clear(&response.body);
}

static void request__added__is_in_problems_only(void **)
{
    struct http_response problem, plain;
    problem_response(&problem, 404, "none");
    rope_add_text(&plain.body, "{}");
    struct rope shared = {};
    rope_share(&shared, &problem.body);

    problem_add_request(&problem, "a\"b", "4bf9");
    problem_add_request(&plain, "a", "4bf9");

    assert_string_equal(rope_text(&problem.body).c_str(),
                        "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
                        "\"detail\":\"none\",\"request-id\":\"a\\\"b\",\"trace-id\":\"4bf9\"}");
    assert_string_equal(rope_text(&plain.body).c_str(), "{}");
    assert_string_equal(rope_text(&shared).c_str(),
                        "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
                        "\"detail\":\"none\"}");
    for (struct rope *r : {&problem.body, &plain.body, &shared})
        rope_clear(r);
}

static void status_text__of_any_code__is_there(void **)
{
    assert_string_equal(http_status_text(200), "OK");
    assert_string_equal(http_status_text(505), "HTTP Version Not Supported");
    assert_string_equal(http_status_text(299), "Unknown");
    assert_string_equal(http_status_text(-1), "Unknown");
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(problem__with_detail__is_whole),
        cmocka_unit_test(problem__with_members__has_them_last),
        cmocka_unit_test(request__added__is_in_problems_only),
        cmocka_unit_test(status_text__of_any_code__is_there),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
