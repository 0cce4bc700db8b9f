// The status page as a browser gets it. What it shows there is tested in one, by scripts/test-page.
#include <cstring>

#include <openssl/evp.h>

#include "cmocka_cc.h"
#include "e2e.h"

constexpr size_t MOST_BYTES = 24 << 10;

static struct cluster the_cluster;
static struct svc the_svc;

static int start(void **)
{
    the_cluster = cluster_start({"--nodes", "2"});
    the_svc = svc_start_for(&the_cluster, 2);
    return 0;
}

static int stop(void **)
{
    svc_stop(&the_svc);
    cluster_stop(&the_cluster);
    return 0;
}

// The text of the only element of this name.
static std::string element(const std::string &html, const std::string &name)
{
    const std::string begin = "<" + name + ">", end = "</" + name + ">";
    assert_int_equal(count_of(html, "<" + name), 1);
    assert_int_equal(count_of(html, end), 1);
    const size_t at = html.find(begin) + begin.size();
    return html.substr(at, html.find(end) - at);
}

static std::string hash_of(const std::string &text)
{
    unsigned char digest[32], base64[64];
    assert_int_equal(EVP_Digest(text.data(), text.size(), digest, nullptr, EVP_sha256(), nullptr),
                     1);
    EVP_EncodeBlock(base64, digest, sizeof digest);
    return std::string("'sha256-") + reinterpret_cast<char *>(base64) + "'";
}

static void page__as_a_browser_gets_it__may_do_little(void **)
{
    const struct reply r = http_get(the_svc.url + "/");

    assert_int_equal(r.status, 200);
    assert_text(reply_header(r, "Content-Type"), "text/html; charset=utf-8");
    assert_text(reply_header(r, "Content-Security-Policy"),
                "default-src 'none'; script-src " + hash_of(element(r.body, "script")) +
                    "; style-src " + hash_of(element(r.body, "style")) +
                    "; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                    "frame-ancestors 'none'; require-trusted-types-for 'script'");
    assert_text(reply_header(r, "X-Content-Type-Options"), "nosniff");
    assert_text(reply_header(r, "Referrer-Policy"), "no-referrer");
    assert_text(reply_header(r, "Cache-Control"), "no-store");
}

static void page__itself__is_small_and_needs_nothing_else(void **)
{
    const std::string html = http_get(the_svc.url + "/").body;

    assert_true(html.size() > 4096 && html.size() <= MOST_BYTES);
    assert_int_equal(strlen(html.c_str()), html.size());
    assert_int_equal(count_of(html, "://"), count_of(html, "xmlns='http://www.w3.org/2000/svg'"));
    for (const char *harm : {" src=", "url(", "@import", "innerHTML", "outerHTML", "insertAdjacent",
                             "document.write", "eval(", " style=", " onclick=", "localStorage"})
        assert_int_equal(count_of(html, harm), 0);
}

// The script gets everything with GET, and all of it is there.
static void paths__that_the_script_asks_for__are_there(void **)
{
    const std::string html = http_get(the_svc.url + "/").body, begin = "{ path: '";
    size_t found = 0;

    for (size_t at = html.find(begin); at != std::string::npos; at = html.find(begin, at)) {
        at += begin.size();
        const std::string path = html.substr(at, html.find('\'', at) - at);
        assert_int_equal(http_get(the_svc.url + "/" + path).status, 200);
        found++;
    }

    assert_int_equal(found, 3);
    assert_int_equal(count_of(html, "fetch("), 1);
    assert_int_equal(count_of(html, "method:"), 0);
}

static void methods__other_than_get_and_head__are_refused(void **)
{
    const struct reply whole = http_get(the_svc.url + "/?from=bookmark");
    const struct reply head = http("HEAD", the_svc.url + "/");

    assert_int_equal(whole.status, 200);
    assert_int_equal(head.status, 200);
    assert_text(head.body, "");
    for (const char *name : {"Content-Length", "Content-Type", "Content-Security-Policy"})
        assert_text(reply_header(head, name), reply_header(whole, name));
    for (const char *method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
        const struct reply r = http(method, the_svc.url + "/");
        assert_int_equal(r.status, 405);
        assert_text(reply_header(r, "Allow"), "GET, HEAD");
    }
}

static void page__where_tokens_are_wanted__is_for_all_and_its_data_is_not(void **)
{
    struct svc s = svc_start({"--nodes", the_cluster.nodes, "--auth", "kubernetes", "--kube-server",
                              the_cluster.api, "--drain-delay", "0"});

    assert_int_equal(http_get(s.url + "/").status, 200);
    assert_int_equal(http("POST", s.url + "/").status, 405);
    for (const char *path : {"/v1/tracer-nodes", "/v1/trace-session/all", "/version", "/page.js"})
        assert_int_equal(http_get(s.url + path).status, 401);
    svc_stop(&s);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page__as_a_browser_gets_it__may_do_little),
        cmocka_unit_test(page__itself__is_small_and_needs_nothing_else),
        cmocka_unit_test(paths__that_the_script_asks_for__are_there),
        cmocka_unit_test(methods__other_than_get_and_head__are_refused),
        cmocka_unit_test(page__where_tokens_are_wanted__is_for_all_and_its_data_is_not),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
