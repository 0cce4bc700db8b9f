// Token and certificate files that rotate. The clock is a number.
#include "cmocka_cc.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

#include "credentials.h"

static const char PEM_A[] = "-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n";
static const char PEM_B[] = "-----BEGIN CERTIFICATE-----\nQkJC\n-----END CERTIFICATE-----\n";

struct folder {
    char path[64];
    std::string token, ca;
};

static void put(const std::string &path, const char *text)
{
    FILE *f = fopen(path.c_str(), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

static int make_folder(void **state)
{
    struct folder *f = new struct folder();
    snprintf(f->path, sizeof f->path, "/tmp/credentials_test.XXXXXX");
    if (mkdtemp(f->path) == nullptr)
        return -1;
    f->token = std::string(f->path) + "/token";
    f->ca = std::string(f->path) + "/ca.crt";
    put(f->token, "first\n");
    put(f->ca, PEM_A);
    *state = f;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *f = static_cast<struct folder *>(*state);
    for (const char *name : {"/token", "/ca.crt", "/a", "/b", "/new"})
        unlink((f->path + std::string(name)).c_str());
    const int result = rmdir(f->path);
    delete f;
    return result;
}

static struct credentials *open_both(const struct folder *f)
{
    std::string error;
    struct credentials *c = credentials_new(f->token.c_str(), f->ca.c_str(), 1000, &error);
    assert_non_null(c);
    assert_string_equal(error.c_str(), "");
    return c;
}

static void new__good_files__are_trimmed(void **state)
{
    const struct folder *f = static_cast<struct folder *>(*state);
    put(f->token, " \n first \r\n");
    struct credentials *c = open_both(f);

    assert_string_equal(credentials_token(c).c_str(), "first");
    assert_true(std::string(PEM_A).starts_with(credentials_ca(c)));
    assert_string_equal(credentials_problem(c).c_str(), "");

    credentials_free(c);
}

static void new__no_files__has_nothing(void **)
{
    std::string error;
    struct credentials *c = credentials_new(nullptr, nullptr, 0, &error);

    credentials_refresh(c, 1000000);

    assert_string_equal(credentials_token(c).c_str(), "");
    assert_string_equal(credentials_ca(c).c_str(), "");
    assert_string_equal(credentials_problem(c).c_str(), "");
    credentials_free(c);
}

static void new__bad_file__fails_and_names_it(void **state)
{
    const struct folder *f = static_cast<struct folder *>(*state);
    const struct {
        const char *token, *ca; // null: there is no such file
        const char *error;
    } table[] = {
        {nullptr, PEM_A, "/token: No such file or directory"},
        {" \n", PEM_A, "/token: empty"},
        {"two words", PEM_A, "/token: no token"},
        {"first", nullptr, "/ca.crt: No such file or directory"},
        {"first", "", "/ca.crt: empty"},
        {"first", "nonsense", "/ca.crt: no PEM certificates"},
        {"first", "-----BEGIN CERTIFICATE-----\nQUFB\n", "/ca.crt: no PEM certificates"},
    };

    for (const auto &row : table) {
        unlink(f->token.c_str());
        unlink(f->ca.c_str());
        if (row.token != nullptr)
            put(f->token, row.token);
        if (row.ca != nullptr)
            put(f->ca, row.ca);
        std::string error;
        assert_null(credentials_new(f->token.c_str(), f->ca.c_str(), 0, &error));
        assert_string_equal(error.c_str(),
                            (std::string(strncmp(row.error, "/token", 6) == 0 ? "token" : "CA") +
                             " file " + f->path + row.error)
                                .c_str());
    }
}

static void refresh__symbolic_link_swapped__follows_when_old_enough(void **state)
{
    const struct folder *f = static_cast<struct folder *>(*state);
    const std::string a = std::string(f->path) + "/a", b = std::string(f->path) + "/b";
    const std::string fresh = std::string(f->path) + "/new";
    put(a, "first");
    put(b, "second");
    unlink(f->token.c_str());
    assert_int_equal(symlink("a", f->token.c_str()), 0);
    struct credentials *c = open_both(f);
    assert_int_equal(symlink("b", fresh.c_str()), 0);
    assert_int_equal(rename(fresh.c_str(), f->token.c_str()), 0);
    const uint64_t changes = credentials_token_changes(c);

    credentials_refresh(c, 1000 + CREDENTIALS_TOKEN_MS - 1);
    assert_string_equal(credentials_token(c).c_str(), "first");
    assert_int_equal(credentials_token_changes(c), changes);
    credentials_refresh(c, 1000 + CREDENTIALS_TOKEN_MS);
    assert_string_equal(credentials_token(c).c_str(), "second");
    assert_int_equal(credentials_token_changes(c), changes + 1);

    credentials_free(c);
}

static void refresh__bad_file__keeps_the_last_good(void **state)
{
    const struct folder *f = static_cast<struct folder *>(*state);
    struct credentials *c = open_both(f);
    const std::string ca = credentials_ca(c);
    int64_t now = 1000;

    for (const char *bad : {"", "no\nuse"}) {
        put(f->token, bad);
        put(f->ca, bad);
        credentials_refresh(c, now += CREDENTIALS_CA_MS);
        assert_string_equal(credentials_token(c).c_str(), "first");
        assert_string_equal(credentials_ca(c).c_str(), ca.c_str());
        assert_string_not_equal(credentials_problem(c).c_str(), "");
    }
    unlink(f->token.c_str());
    unlink(f->ca.c_str());
    credentials_refresh(c, now += CREDENTIALS_CA_MS);
    assert_string_equal(credentials_token(c).c_str(), "first");
    put(f->token, "third");
    put(f->ca, PEM_B);
    credentials_refresh(c, now += CREDENTIALS_CA_MS);
    assert_string_equal(credentials_token(c).c_str(), "third");
    assert_true(std::string(PEM_B).starts_with(credentials_ca(c)));
    assert_string_equal(credentials_problem(c).c_str(), "");

    credentials_free(c);
}

static void reread__at_once__takes_what_is_there(void **state)
{
    const struct folder *f = static_cast<struct folder *>(*state);
    struct credentials *c = open_both(f);
    const uint64_t changes = credentials_token_changes(c);

    credentials_reread_token(c, 1001);
    assert_int_equal(credentials_token_changes(c), changes);
    put(f->token, "second");
    put(f->ca, PEM_B);
    credentials_reread_token(c, 1002);
    credentials_reread_ca(c, 1002);
    assert_int_equal(credentials_token_changes(c), changes + 1);
    assert_string_equal(credentials_token(c).c_str(), "second");
    assert_true(std::string(PEM_B).starts_with(credentials_ca(c)));

    credentials_free(c);
}

static void refresh__long_token__is_whole(void **state)
{
    const struct folder *f = static_cast<struct folder *>(*state);
    const std::string token(20000, 'x');
    put(f->token, token.c_str());
    struct credentials *c = open_both(f);

    assert_true(credentials_token(c) == token);

    credentials_free(c);
}

static void clear__secret__is_overwritten(void **)
{
    std::string secret(100, 's');
    const char *const memory = secret.data();

    credentials_clear(&secret);

    assert_true(secret.empty());
    assert_ptr_equal(secret.data(), memory);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(memory[i], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main()
{
    const struct CMUnitTest tests[] = {
        TEST(new__good_files__are_trimmed),
        cmocka_unit_test(new__no_files__has_nothing),
        TEST(new__bad_file__fails_and_names_it),
        TEST(refresh__symbolic_link_swapped__follows_when_old_enough),
        TEST(refresh__bad_file__keeps_the_last_good),
        TEST(reread__at_once__takes_what_is_there),
        TEST(refresh__long_token__is_whole),
        cmocka_unit_test(clear__secret__is_overwritten),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
