// Scripted failures of the simulated API server's watches, which other tests rely on.
#include <unistd.h>

#include "cmocka_cc.h"
#include "e2e.h"
#include "watching.h"

static const char END[] = "0\r\n\r\n";

static void change(const struct cluster *c, const char *node)
{
    cluster_do(c, "POST", std::string("/node-ready?name=") + node + "&ready=false");
}

// A watch of slices under a fault; worker-1 and worker-2 have changed since.
static struct watch spoilt(const struct cluster *c, const std::string &fault)
{
    cluster_do(c, "DELETE", "/watch-fault");
    cluster_do(c, "POST", "/watch-fault?kind=" + fault);
    struct watch w = watch_from_now(c, SLICES);
    change(c, "worker-1");
    change(c, "worker-2");
    return w;
}

static void faults__that_end_a_stream__do_so_after_their_events(void **)
{
    static const struct {
        const char *fault, *types, *text;
    } rows[] = {
        {"end", "", "\r\n\r\n0\r\n\r\n"},
        {"end&events=1", "MODIFIED", "}]}}\n"},
        {"error-410", "ERROR", "\"reason\":\"Expired\",\"code\":410}}\n"},
        {"error-410&events=2", "MODIFIED MODIFIED ERROR", "\"code\":410}}\n"},
        {"error-429&retry-after=7", "ERROR",
         "\"details\":{\"retryAfterSeconds\":7},\"code\":429}}"},
        {"error-500", "ERROR", "\"reason\":\"InternalError\",\"code\":500}}\n"},
    };
    struct cluster c = cluster_start({"--nodes", "2"});
    for (const auto &row : rows) {
        struct watch w = spoilt(&c, row.fault);
        watch_wait_for(&w, END);
        assert_text(watch_types(&w), row.types);
        assert_has(w.got, row.text);
        close(w.fd);
    }
    cluster_stop(&c);
}

static void faults__that_break_an_event_off__send_half_of_it(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    for (const char *fault : {"cut", "reset", "cut-end&events=1"}) {
        struct watch w = spoilt(&c, fault);
        const bool is_clean = has(fault, "cut-end");
        if (is_clean)
            watch_wait_for(&w, END);
        else
            w.got += raw_read(w.fd, nullptr);
        assert_text(watch_types(&w), is_clean ? "MODIFIED MODIFIED" : "MODIFIED");
        assert_int_equal(has(w.got, END), is_clean);
        assert_int_equal(count_of(w.got, "}]}}\n"), is_clean);
        close(w.fd);
    }
    cluster_stop(&c);
}

static void faults__of_silence__outlast_the_timeout(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    const std::string query = "timeoutSeconds=1&resourceVersion=" + list_version(&c, SLICES);
    cluster_do(&c, "POST", "/watch-fault?kind=silent&count=1");
    struct watch silent = watch_start(&c, SLICES, query);
    cluster_do(&c, "POST", "/watch-fault?kind=stall&count=1");
    struct watch stalled = watch_start(&c, SLICES, query);
    struct watch good = watch_start(&c, SLICES, query);

    change(&c, "worker-1");
    watch_wait_for(&good, END); // began last: the others were to end before
    watch_wait_for(&stalled, "{\"type\":\"MODIFIED\"");

    assert_text(watch_types(&good), "MODIFIED");
    assert_has(cluster_do(&c, "GET", "/stats"), "\"openWatches\":2}");
    cluster_do(&c, "POST", "/watch-end");
    for (struct watch *w : {&silent, &stalled, &good}) {
        watch_wait_for(w, END);
        assert_int_equal(has(w->got, "}]}}\n"), w == &good);
        close(w->fd);
    }
    assert_text(watch_types(&silent), "");
    cluster_stop(&c);
}

static void faults__that_spoil_an_event__spare_the_next(void **)
{
    static const char whole[] = "\"resourceVersion\":\"";
    static const struct {
        const char *fault, *types, *text;
        size_t versions;
    } rows[] = {
        {"big&bytes=100000", "MODIFIED MODIFIED BOOKMARK", "\r\n186a0\r\n{", 3},
        {"no-version", "MODIFIED MODIFIED BOOKMARK", "\",\"generation\":", 2},
        {"unknown-type", "RENAMED MODIFIED MODIFIED BOOKMARK", "{\"type\":\"RENAMED\",\"obj", 4},
        {"garbage&events=1", "MODIFIED MODIFIED BOOKMARK", "\x01\x02 no JSON {[\n", 3},
    };
    struct cluster c = cluster_start({"--nodes", "2"});
    for (const auto &row : rows) {
        struct watch w = spoilt(&c, row.fault);
        watch_catch_up(&c, &w);
        assert_text(watch_types(&w), row.types);
        assert_has(w.got, row.text);
        assert_int_equal(count_of(w.got, whole), row.versions);
        close(w.fd);
    }
    cluster_stop(&c);
}

static void faults__of_form__keep_the_contents(void **)
{
    static const struct {
        const char *fault, *text;
    } rows[] = {
        {"one-byte", "\r\n1\r\n{\r\n1\r\n\"\r\n1\r\nt\r\n"},
        {"pairs", "}]}}\n{\"type\":\"MODIFIED\""},
        {"crlf", "}]}}\r\n\r\n"},
        {"no-newline", "}]}}\r\n"},
        {"pretty", "\r\n{\n\t\"type\":\t\"MODIFIED\",\n\t\"object\":\t{\n"},
    };
    struct cluster c = cluster_start({"--nodes", "2"});
    for (const auto &row : rows) {
        struct watch w = spoilt(&c, row.fault);
        watch_wait_for(&w, row.text);
        close(w.fd);
    }
    cluster_stop(&c);
}

static void faults__of_the_answer__spare_lists(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    const std::string watch = c.api + SLICES + "?watch=1&timeoutSeconds=1";
    for (const int status : {403, 410, 429, 500, 503, 504}) {
        cluster_do(&c, "POST",
                   "/watch-fault?kind=status&count=1&path=slices&status=" + std::to_string(status) +
                       (status == 429 ? "&retry-after=7" : ""));
        assert_int_equal(http_get(c.api + SLICES).status, 200);
        const struct reply r = http_get(watch);
        assert_int_equal(r.status, status);
        assert_text(reply_header(r, "Retry-After"), status == 429 ? "7" : "");
        assert_text(reply_header(r, "Content-Type"),
                    status == 429 ? "text/plain; charset=utf-8" : "application/json");
    }
    cluster_do(&c, "POST", "/watch-fault?kind=redirect");
    assert_text(reply_header(http_get(watch), "Location"), "/version");
    cluster_do(&c, "DELETE", "/watch-fault");
    cluster_do(&c, "POST", "/api-fault?kind=status&status=500&verb=list");
    assert_int_equal(http_get(watch).status, 200);
    assert_int_equal(http_get(c.api + SLICES).status, 500);
    cluster_stop(&c);
}

static void open_watches__can_be_spoilt_and_ended(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    struct watch a = watch_from_now(&c, SLICES), b = watch_from_now(&c, PODS),
                 d = watch_from_now(&c, ENDPOINTS);

    cluster_do(&c, "POST", "/watch-end?path=pods");
    cluster_do(&c, "POST", "/watch-end?path=/endpoints$&reset=true");
    cluster_do(&c, "POST", "/watch-fault?kind=error-410&open=true&path=slices");
    watch_wait_for(&a, END);
    watch_wait_for(&b, END);

    assert_text(watch_types(&a), "ERROR");
    assert_text(watch_types(&b), "");
    assert_text(raw_read(d.fd, nullptr), "");
    assert_int_equal(count_of(cluster_do(&c, "GET", "/stats"), "\"openWatches\":0}"), 3);
    for (const struct watch *w : {&a, &b, &d})
        close(w->fd);
    cluster_stop(&c);
}

static void api__down__closes_watches(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    struct watch w = watch_from_now(&c, PODS);

    cluster_do(&c, "POST", "/api-fault?kind=down");

    assert_text(raw_read(w.fd, nullptr), "");
    assert_int_equal(http_get(c.api + PODS).status, 0);
    cluster_do(&c, "DELETE", "/api-fault");
    assert_int_equal(http_get(c.api + PODS).status, 200);
    close(w.fd);
    cluster_stop(&c);
}

static void versions__before_a_compaction__are_expired(void **)
{
    struct cluster c = cluster_start({"--nodes", "2"});
    const struct reply page = http_get(c.api + PODS + "?limit=1");
    const size_t at = page.body.find("\"continue\":\"") + 12;
    std::string token = page.body.substr(at, page.body.find('"', at) - at);
    for (size_t plus; (plus = token.find('+')) != std::string::npos;)
        token.replace(plus, 1, "%2B");
    const std::string old = list_version(&c, PODS);
    change(&c, "worker-1");
    cluster_do(&c, "POST", "/compact");

    struct watch w = watch_start(&c, PODS, "resourceVersion=" + old);
    watch_wait_for(&w, END);
    assert_text(watch_types(&w), "ERROR");
    assert_has(w.got, "\"message\":\"too old resource version: " + old);
    const std::string from = c.api + PODS + "?resourceVersion=" + old + "&resourceVersionMatch=";
    assert_int_equal(http_get(from + "NotOlderThan").status, 200);
    assert_int_equal(http_get(from + "Exact").status, 410);
    assert_int_equal(http_get(c.api + PODS + "?limit=1&continue=" + token).status, 410);
    close(w.fd);

    w = watch_from_now(&c, PODS);
    change(&c, "worker-2");
    watch_catch_up(&c, &w);
    assert_text(watch_types(&w), "MODIFIED BOOKMARK");
    close(w.fd);
    cluster_stop(&c);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults__that_end_a_stream__do_so_after_their_events),
        cmocka_unit_test(faults__that_break_an_event_off__send_half_of_it),
        cmocka_unit_test(faults__of_silence__outlast_the_timeout),
        cmocka_unit_test(faults__that_spoil_an_event__spare_the_next),
        cmocka_unit_test(faults__of_form__keep_the_contents),
        cmocka_unit_test(faults__of_the_answer__spare_lists),
        cmocka_unit_test(open_watches__can_be_spoilt_and_ended),
        cmocka_unit_test(api__down__closes_watches),
        cmocka_unit_test(versions__before_a_compaction__are_expired),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
