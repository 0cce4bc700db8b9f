// Clients that leave, are slow, or expect something.
#include <sys/socket.h>
#include <unistd.h>

#include "cmocka_cc.h"
#include "e2e.h"

static struct cluster the_cluster;

static int start_cluster(void **)
{
    the_cluster = cluster_start({"--nodes", "3"});
    return 0;
}

static int stop_cluster(void **)
{
    cluster_stop(&the_cluster);
    return 0;
}

static int heal(void **)
{
    cluster_do(&the_cluster, "DELETE", "/fault?node=*");
    return 0;
}

static void client__that_closes_its_side__is_gone_for_a_get(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3);
    cluster_do(&the_cluster, "POST", "/fault?node=worker-2&kind=hang");
    cluster_do(&the_cluster, "DELETE", "/stats");
    const int fd = raw_open(s.url, "GET /v1/pods HTTP/1.1\r\nHost: x\r\n\r\n");
    cluster_wait_for(&the_cluster, "/stats?node=worker-2", "\"GET\":1");

    shutdown(fd, SHUT_WR);

    cluster_wait_for(&the_cluster, "/stats?node=worker-2", "\"aborted\":1");
    close(fd);
    svc_stop(&s);
}

static void requests__slow_to_come__are_ended_with_408(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3, {"--request-timeout", "300ms"});
    const std::string head = raw_exchange(s.url, "GET /v1/pods HTTP/1.1\r\nHo");
    const std::string body = raw_exchange(
        s.url, "POST /v1/trace-session HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"pod\"");

    for (const std::string &got : {head, body}) {
        assert_has(got, "HTTP/1.1 408 ");
        assert_has(got, "application/problem+json");
        assert_has(got, "Connection: close");
    }
    svc_stop(&s);
}

static void expectation__of_more_than_continue__is_417(void **)
{
    struct svc s = svc_start_for(&the_cluster, 3);

    const int fd = raw_open(s.url, "PUT /v1/trace-session/5 HTTP/1.1\r\nHost: x\r\n"
                                   "Expect: 100-continue\r\nContent-Length: 12\r\n\r\n");
    const std::string go_on = raw_read(fd, "\r\n\r\n");
    assert_int_equal(send(fd, "{\"Run\":true}", 12, MSG_NOSIGNAL), 12);
    const std::string fine = raw_read(fd, "No session with ID 5");
    close(fd);
    const std::string other =
        raw_exchange(s.url, "GET /livez HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n");

    assert_has(go_on, "HTTP/1.1 100 Continue");
    assert_has(fine, "No session with ID 5");
    assert_has(other, "HTTP/1.1 417 ");
    svc_stop(&s);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(client__that_closes_its_side__is_gone_for_a_get, heal),
        cmocka_unit_test(requests__slow_to_come__are_ended_with_408),
        cmocka_unit_test(expectation__of_more_than_continue__is_417),
    };
    return cmocka_run_group_tests(tests, start_cluster, stop_cluster);
}
