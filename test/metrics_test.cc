// The counters, and what Prometheus reads of them.
#include "metrics.h"

#include <string>

#include "cmocka_cc.h"
#include "nodes.h"

static struct metrics_state state_of(const struct nodes *db)
{
    struct metrics_state s = {};
    s.nodes = db;
    s.source = "endpointslices";
    s.mode = "watch";
    s.age_ms = 1500;
    return s;
}

static void assert_line(const std::string &text, const std::string &line)
{
    if (("\n" + text).find("\n" + line + "\n") == std::string::npos)
        fail_msg("no line \"%s\" in:\n%s", line.c_str(), text.c_str());
}

// Ready, not ready, and one with a name that has to be escaped, which failed.
static struct nodes *some_nodes()
{
    struct nodes *db = nodes_new();
    std::vector<struct node_record> records(3);
    records[0].key = records[0].node = "a";
    records[1].key = records[1].node = "b";
    records[2].key = "c";
    records[2].node = "c\"\\";
    records[0].ready = records[2].ready = true;
    nodes_replace(db, &records, 1);
    const struct node_place place = {.key = "c", .at = 2};
    nodes_note(db, &place, OUTCOME_FAILED, REASON_TIMEOUT, 0, 2500, 1, "");
    return db;
}

static void requests__of_routes__are_counted_and_timed(void **)
{
    struct metrics *m = metrics_new();
    struct nodes *db = nodes_new();
    metrics_count_request(m, "/v1/pods", "GET", 200, 900);
    metrics_count_request(m, "/v1/pods", "GET", 200, 1000);
    metrics_count_request(m, "/v1/pods", "GET", 503, 61000000);
    const struct metrics_state s = state_of(db);

    const std::string text = metrics_text(m, &s);

    assert_line(text,
                "tracer_svc_http_requests_total{route=\"/v1/pods\",method=\"GET\",code=\"200\"} 2");
    assert_line(text,
                "tracer_svc_http_requests_total{route=\"/v1/pods\",method=\"GET\",code=\"503\"} 1");
    const std::string name = "tracer_svc_http_request_duration_seconds";
    assert_line(text, name + "_bucket{route=\"/v1/pods\",le=\"0.001\"} 2");
    assert_line(text, name + "_bucket{route=\"/v1/pods\",le=\"60\"} 2");
    assert_line(text, name + "_bucket{route=\"/v1/pods\",le=\"+Inf\"} 3");
    assert_line(text, name + "_sum{route=\"/v1/pods\"} 61.0019");
    assert_line(text, name + "_count{route=\"/v1/pods\"} 3");
    metrics_free(m);
    nodes_free(db);
}

static void nodes__asked_or_not__are_counted_by_reason(void **)
{
    struct metrics *m = metrics_new();
    struct nodes *db = some_nodes();
    metrics_count_node(m, OUTCOME_OK, REASON_NONE, 3);
    metrics_count_node(m, OUTCOME_FAILED, REASON_TIMEOUT, 2500);
    metrics_count_node(m, OUTCOME_FAILED, REASON_CIRCUIT_OPEN, -1);
    metrics_count_node(m, OUTCOME_FAILED, REASON_RESET, 10001);
    metrics_count_collisions(m, 2);
    const struct metrics_state s = state_of(db);

    const std::string text = metrics_text(m, &s);

    const std::string total = "tracer_svc_node_requests_total";
    assert_line(text, total + "{outcome=\"ok\",reason=\"\"} 1");
    assert_line(text, total + "{outcome=\"failed\",reason=\"timeout\"} 1");
    assert_line(text, total + "{outcome=\"failed\",reason=\"circuit-open\"} 1");
    assert_line(text, "tracer_svc_node_request_duration_seconds_count 3");
    assert_line(text, "tracer_svc_node_request_duration_seconds_bucket{le=\"2.5\"} 2");
    assert_line(text, "tracer_svc_node_request_duration_seconds_bucket{le=\"11\"} 3");
    assert_int_equal(metrics_node_requests(m), 4);
    assert_line(text, "tracer_svc_reply_collisions_total 2");
    assert_line(text, "tracer_svc_nodes{state=\"ready\"} 2");
    assert_line(text, "tracer_svc_nodes{state=\"not-ready\"} 1");
    assert_line(text, "tracer_svc_nodes_failing 1");
    assert_line(text, "tracer_svc_discovery_age_seconds 1.5");
    assert_line(text, "tracer_svc_discovery_info{source=\"endpointslices\",mode=\"watch\"} 1");
    assert_true(text.find("node=") == std::string::npos);
    metrics_free(m);
    nodes_free(db);
}

static void reviews__of_either_kind__are_shown_by_outcome(void **)
{
    struct metrics *m = metrics_new();
    struct nodes *db = nodes_new();
    struct metrics_state s = state_of(db);
    s.token_reviews = {.allowed = 5, .denied = 4, .failed = 3};
    s.access_reviews = {.allowed = 2, .denied = 1, .failed = 0};

    const std::string text = metrics_text(m, &s);

    const std::string total = "tracer_svc_auth_reviews_total";
    assert_line(text, total + "{kind=\"token\",outcome=\"allowed\"} 5");
    assert_line(text, total + "{kind=\"token\",outcome=\"denied\"} 4");
    assert_line(text, total + "{kind=\"token\",outcome=\"failed\"} 3");
    assert_line(text, total + "{kind=\"access\",outcome=\"allowed\"} 2");
    assert_line(text, total + "{kind=\"access\",outcome=\"denied\"} 1");
    assert_line(text, total + "{kind=\"access\",outcome=\"failed\"} 0");
    metrics_free(m);
    nodes_free(db);
}

static void nodes__each_asked_for__have_series_of_their_own(void **)
{
    struct metrics *m = metrics_new();
    struct nodes *db = some_nodes();
    struct metrics_state s = state_of(db);
    s.per_node = true;
    s.age_ms = -1;

    const std::string text = metrics_text(m, &s);

    assert_line(text, "tracer_svc_node_up{node=\"c\\\"\\\\\"} 0");
    assert_line(text, "tracer_svc_node_last_duration_seconds{node=\"c\\\"\\\\\"} 2.5");
    assert_true(text.find("node=\"a\"") == std::string::npos); // was never asked
    assert_line(text, "tracer_svc_discovery_age_seconds NaN");
    metrics_free(m);
    nodes_free(db);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests__of_routes__are_counted_and_timed),
        cmocka_unit_test(nodes__asked_or_not__are_counted_by_reason),
        cmocka_unit_test(reviews__of_either_kind__are_shown_by_outcome),
        cmocka_unit_test(nodes__each_asked_for__have_series_of_their_own),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
