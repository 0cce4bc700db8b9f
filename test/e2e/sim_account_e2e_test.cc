// The simulated API server's token and certificates as they rotate, which other tests rely on.
#include <cstdio>
#include <cstdlib>
#include <curl/curl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_cc.h"
#include "e2e.h"

static std::string read_file(const std::string &path)
{
    char text[4096];
    FILE *file = fopen(path.c_str(), "re");
    assert_non_null(file);
    const size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    return {text, size};
}

static size_t on_bytes(char *, size_t one, size_t size, void *)
{
    return one * size;
}

// The status of a list, asked with the token and trusting the certificates of `folder`; 0: none.
static long list_status(const struct cluster *c, const std::string &folder)
{
    const std::string token = read_file(folder + "/token"), ca = folder + "/ca.crt";
    struct curl_slist *headers =
        curl_slist_append(nullptr, ("Authorization: Bearer " + token).c_str());
    CURL *easy = curl_easy_init();
    long status = 0;
    curl_easy_setopt(easy, CURLOPT_URL, (c->api + "/api/v1/pods").c_str());
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    if (curl_easy_perform(easy) == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    return status;
}

static std::string make_folder()
{
    char path[] = "/tmp/tracer-sa-XXXXXX";
    assert_non_null(mkdtemp(path));
    return path;
}

static void token__that_changes__is_the_only_one_taken(void **)
{
    const std::string folder = make_folder();
    struct cluster c = cluster_start({"--nodes", "1", "--tls", folder, "--token", "first"});
    assert_int_equal(list_status(&c, folder), 200);

    cluster_do(&c, "POST", "/token?value=second");
    assert_int_equal(list_status(&c, folder), 401);
    cluster_do(&c, "POST", "/account-files?token=second");
    assert_int_equal(list_status(&c, folder), 200);

    cluster_do(&c, "POST", "/token?value=third&write=true");
    assert_text(read_file(folder + "/token"), "third");
    assert_int_equal(list_status(&c, folder), 200);
    cluster_stop(&c);
    assert_int_equal(rmdir(folder.c_str()), 0); // the simulator leaves nothing
}

static void authority__that_changes__is_trusted_by_the_new_file(void **)
{
    const std::string folder = make_folder();
    struct cluster c = cluster_start({"--nodes", "1", "--tls", folder});
    const std::string before = read_file(folder + "/ca.crt");

    cluster_do(&c, "POST", "/ca-rotate?write=false");
    assert_text(read_file(folder + "/ca.crt"), before);
    assert_int_equal(list_status(&c, folder), 0);
    cluster_do(&c, "POST", "/account-files");
    assert_int_equal(list_status(&c, folder), 200);

    cluster_do(&c, "POST", "/ca-rotate?reset=true");
    assert_int_equal(list_status(&c, folder), 200);
    assert_string_not_equal(read_file(folder + "/ca.crt").c_str(), before.c_str());
    cluster_stop(&c);
    assert_int_equal(rmdir(folder.c_str()), 0);
}

static void files__of_an_account__are_links_that_change_at_once(void **)
{
    const std::string folder = make_folder();
    struct cluster c = cluster_start({"--nodes", "1", "--tls", folder});
    struct stat before, after;

    assert_int_equal(lstat((folder + "/..data").c_str(), &before), 0);
    cluster_do(&c, "POST", "/account-files?token=");

    assert_int_equal(lstat((folder + "/..data").c_str(), &after), 0);
    assert_true(S_ISLNK(after.st_mode));
    assert_true(before.st_ino != after.st_ino);
    assert_int_equal(lstat((folder + "/token").c_str(), &after), 0);
    assert_true(S_ISLNK(after.st_mode));
    assert_text(read_file(folder + "/token"), "");
    assert_int_equal(http("POST", c.control + "/token?value=x").status, 200);
    cluster_stop(&c);
    assert_int_equal(rmdir(folder.c_str()), 0);

    c = cluster_start({"--nodes", "1"});
    assert_int_equal(http("POST", c.control + "/ca-rotate").status, 400);
    assert_int_equal(http("POST", c.control + "/account-files").status, 400);
    cluster_stop(&c);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token__that_changes__is_the_only_one_taken),
        cmocka_unit_test(authority__that_changes__is_trusted_by_the_new_file),
        cmocka_unit_test(files__of_an_account__are_links_that_change_at_once),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
