// Lists of Kubernetes objects, reduced.
#include "cmocka_cc.h"

#include <cstring>
#include <string_view>

#include "kube.h"

static bool parse(enum kube_resource resource, std::string_view text, struct kube_list *list)
{
    std::string error;
    const bool ok = kube_parse_list(resource, text.data(), text.size(), list, &error);
    assert_int_equal(error.empty(), ok);
    return ok;
}

static void pods__one_page__is_reduced(void **)
{
    struct kube_list list;

    assert_true(
        parse(KUBE_PODS,
              R"({"kind":"PodList","metadata":{"resourceVersion":"284","continue":"e+/="},"items":[
        {"metadata":{"name":"t-0","namespace":"ns","uid":"u0","deletionTimestamp":"2026-01-01"},
         "spec":{"nodeName":"worker-1"},
         "status":{"phase":"Running","podIP":"10.64.0.1","podIPs":[{"ip":"10.64.0.1"}],
          "conditions":[{"type":"Initialized","status":"False"},{"type":"Ready","status":"True"}]}},
        {"metadata":{"name":"t-1","Namespace":"wrong case"},
         "status":{"podIP":"","podIPs":[{"ip":"x"},{"ip":"fd00::1"}],"conditions":null}}]})",
              &list));

    assert_string_equal(list.resource_version.c_str(), "284");
    assert_string_equal(list.next.c_str(), "e+/=");
    assert_int_equal(list.pods.size(), 2);
    const struct kube_pod &first = list.pods[0], &second = list.pods[1];
    assert_string_equal(first.name.c_str(), "t-0");
    assert_string_equal(first.ns.c_str(), "ns");
    assert_string_equal(first.uid.c_str(), "u0");
    assert_string_equal(first.node.c_str(), "worker-1");
    assert_string_equal(first.phase.c_str(), "Running");
    assert_string_equal(first.ip.c_str(), "10.64.0.1");
    assert_true(first.ready);
    assert_true(first.deleting);
    assert_string_equal(second.ns.c_str(), "");
    assert_string_equal(second.ip.c_str(), "fd00::1");
    assert_false(second.ready);
    assert_false(second.deleting);
}

static void list__nulls_and_wrong_types__are_as_if_absent(void **)
{
    static const struct {
        enum kube_resource resource;
        const char *text;
        size_t pods, slices, endpoints;
    } table[] = {
        {KUBE_PODS, R"({"kind":"PodList","metadata":null,"items":null})", 0, 0, 0},
        {KUBE_PODS, R"({"kind":"PodList"})", 0, 0, 0},
        {KUBE_PODS, R"({"kind":"PodList","items":{}})", 0, 0, 0},
        {KUBE_PODS, R"({"kind":"PodList","items":[null,1,"x",[],{}]})", 1, 0, 0},
        {KUBE_PODS,
         R"({"kind":"PodList","items":[{"metadata":[],"spec":"x","status":{"conditions":[null,3],"podIPs":[null]}}]})",
         1, 0, 0},
        {KUBE_SLICES,
         R"({"kind":"EndpointSliceList","items":[{"addressType":"IPv4","endpoints":null,"ports":null}]})",
         0, 1, 0},
        {KUBE_SLICES,
         R"({"kind":"EndpointSliceList","items":[{"addressType":"FQDN","endpoints":[{"addresses":["a.example"]}]}]})",
         0, 0, 0},
        {KUBE_SLICES, R"({"kind":"EndpointSliceList","items":[{"endpoints":[{}]}]})", 0, 0, 0},
        {KUBE_SLICES,
         R"({"kind":"EndpointSliceList","items":[{"addressType":"IPv6","endpoints":[{"addresses":null,"conditions":null,"targetRef":null},null]}]})",
         0, 1, 2},
        {KUBE_ENDPOINTS,
         R"({"kind":"EndpointsList","items":[{"subsets":null},{"subsets":[{"addresses":null,"ports":null},null]}]})",
         0, 2, 0},
    };

    for (const auto &row : table) {
        struct kube_list list;
        assert_true(parse(row.resource, row.text, &list));
        assert_int_equal(list.pods.size(), row.pods);
        assert_int_equal(list.slices.size(), row.slices);
        if (row.slices == 1)
            assert_int_equal(list.slices[0].endpoints.size(), row.endpoints);
    }
}

static void list__not_one__is_refused(void **)
{
    static const char *const table[] = {
        "",
        "{",
        "null",
        "[]",
        "{}",
        R"({"kind":"PodList"} x)",
        R"({"kind":"PodList"}{})",
        R"({"kind":1})",
        R"({"kind":"PodList",)",
        R"({"kind":"EndpointsList","items":[]})",
        R"({"Kind":"PodList"})",
        R"({"kind":"Status","message":"no","code":403})",
    };

    for (const char *text : table) {
        // a block of its own, so that reading beyond it shows
        const std::vector<char> bytes(text, text + strlen(text));
        struct kube_list list;
        assert_false(parse(KUBE_PODS, {bytes.data(), bytes.size()}, &list));
    }
    const std::string deep = R"({"kind":"PodList","items":)" + std::string(100000, '[');
    struct kube_list list;
    assert_false(parse(KUBE_PODS, deep, &list));
}

static void slices__conditions__mean_what_kubernetes_says(void **)
{
    static const struct {
        const char *conditions;
        bool ready, serving, terminating;
    } table[] = {
        {"null", true, true, false},
        {"{}", true, true, false},
        {R"({"ready":null,"serving":null,"terminating":null})", true, true, false},
        {R"({"ready":false,"serving":true,"terminating":true})", false, true, true},
        {R"({"ready":false,"serving":false})", false, false, false},
    };

    for (const auto &row : table) {
        struct kube_list list;
        const std::string text =
            R"({"kind":"EndpointSliceList","items":[{"addressType":"IPv4","endpoints":[{"conditions":)" +
            std::string(row.conditions) + "}]}]}";
        assert_true(parse(KUBE_SLICES, text, &list));
        const struct kube_endpoint &e = list.slices[0].endpoints[0];
        assert_int_equal(e.ready, row.ready);
        assert_int_equal(e.serving, row.serving);
        assert_int_equal(e.terminating, row.terminating);
    }
}

static void slices__whole_item__is_reduced(void **)
{
    struct kube_list list;

    assert_true(parse(
        KUBE_SLICES,
        R"({"kind":"EndpointSliceList","metadata":{"resourceVersion":"7"},"items":[{"metadata":
        {"name":"s-x","namespace":"ns","labels":{"kubernetes.io/service-name":"svc"}},
        "addressType":"IPv4","ports":[{"name":"","protocol":"TCP","port":8080},{"port":null},
        {"port":0},{"port":70000},{"port":1.5},{"protocol":"UDP","port":53},
        {"name":"s","port":8443,"appProtocol":"https"}],
        "endpoints":[{"addresses":["10.0.0.1","10.9.9.9"],"nodeName":"w1","targetRef":
        {"kind":"Pod","name":"t-0","uid":"u0"}},
        {"addresses":["evil/../path"],"targetRef":{"kind":"Node","uid":"u1"}}]}]})",
        &list));

    const struct kube_slice &slice = list.slices[0];
    assert_string_equal(slice.service.c_str(), "svc");
    const uint16_t numbers[] = {8080, 0, 0, 0, 0, 53, 8443};
    assert_int_equal(slice.ports.size(), 7);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(slice.ports[i].number, numbers[i]);
    assert_false(slice.ports[5].tcp);
    assert_true(slice.ports[6].https);
    const struct kube_endpoint &first = slice.endpoints[0], &second = slice.endpoints[1];
    assert_string_equal(first.ip.c_str(), "10.0.0.1");
    assert_string_equal(first.node.c_str(), "w1");
    assert_string_equal(first.pod_uid.c_str(), "u0");
    assert_string_equal(first.pod_ns.c_str(), "ns");
    assert_string_equal(second.ip.c_str(), "");
    assert_string_equal(second.pod_uid.c_str(), "");
}

static void endpoints__subsets__become_slices(void **)
{
    struct kube_list list;

    assert_true(parse(
        KUBE_ENDPOINTS,
        R"({"kind":"EndpointsList","items":[{"metadata":{"name":"svc","namespace":"ns"},"subsets":[
        {"addresses":[{"ip":"10.0.0.1","nodeName":"w1","targetRef":{"kind":"Pod","uid":"u0"}}],
         "notReadyAddresses":[{"ip":"10.0.0.2"}],"ports":[{"port":8080}]}]},
        {"metadata":{"annotations":{"endpoints.kubernetes.io/over-capacity":"truncated"}},
         "subsets":[{}]}]})",
        &list));

    assert_int_equal(list.slices.size(), 2);
    const struct kube_slice &slice = list.slices[0];
    assert_string_equal(slice.service.c_str(), "svc");
    assert_false(slice.truncated);
    assert_int_equal(slice.endpoints.size(), 2);
    assert_true(slice.endpoints[0].ready);
    assert_string_equal(slice.endpoints[0].node.c_str(), "w1");
    assert_false(slice.endpoints[1].ready);
    assert_false(slice.endpoints[1].serving);
    assert_true(list.slices[1].truncated);
}

static void endpoints__thousand_addresses__count_as_truncated(void **)
{
    for (size_t count = 999; count <= 1000; count++) {
        std::string text = R"({"kind":"EndpointsList","items":[{"subsets":[{"addresses":[)";
        for (size_t i = 0; i < count; i++)
            text += i > 0 ? R"(,{"ip":"10.0.0.1"})" : R"({"ip":"10.0.0.1"})";
        text += "]}]}]}";
        struct kube_list list;
        assert_true(parse(KUBE_ENDPOINTS, text, &list));
        assert_int_equal(list.slices[0].truncated, count == 1000);
    }
}

static void status__fields__are_read(void **)
{
    const std::string_view text =
        R"({"kind":"Status","message":"m","reason":"Timeout","code":504,"details":
        {"retryAfterSeconds":7,"causes":[{"reason":"ResourceVersionTooLarge","message":"x"}]}})";
    struct kube_status status;

    assert_true(kube_parse_status(text.data(), text.size(), &status));

    assert_int_equal(status.code, 504);
    assert_string_equal(status.reason.c_str(), "Timeout");
    assert_string_equal(status.message.c_str(), "m");
    assert_int_equal(status.retry_after_s, 7);
    assert_true(status.version_too_large);
    for (const std::string_view other : {"", "text", "{}", R"({"kind":"PodList"})"})
        assert_false(kube_parse_status(other.data(), other.size(), &status));
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods__one_page__is_reduced),
        cmocka_unit_test(list__nulls_and_wrong_types__are_as_if_absent),
        cmocka_unit_test(list__not_one__is_refused),
        cmocka_unit_test(slices__conditions__mean_what_kubernetes_says),
        cmocka_unit_test(slices__whole_item__is_reduced),
        cmocka_unit_test(endpoints__subsets__become_slices),
        cmocka_unit_test(endpoints__thousand_addresses__count_as_truncated),
        cmocka_unit_test(status__fields__are_read),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
