// What a PUT asks for.
#include "session.h"

#include <cstring>
#include <initializer_list>

#include "cmocka_cc.h"

static void put__with_run_false__stops(void **)
{
    for (const char *body : {"{\"Run\":false}", "{\"run\": false}", "{\"RUN\":false,\"x\":1}",
                             "{\"Run\":true,\"run\":false}"})
        assert_true(session_put_stops(body, strlen(body)));
}

static void put__with_anything_else__does_not(void **)
{
    for (const char *body :
         {"", "{}", "{\"Run\":true}", "{\"Run\":null}", "{\"Run\":0}", "false", "[false]",
          "{\"Run\":", "{\"x\":{\"Run\":false}}", "{\"Run\":false,\"run\":true}"})
        assert_false(session_put_stops(body, strlen(body)));
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put__with_run_false__stops),
        cmocka_unit_test(put__with_anything_else__does_not),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
