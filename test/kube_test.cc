// Kubernetes objects, reduced.
#include "cmocka_cc.h"

#include <cstring>
#include <string_view>

#include "kube.h"

static bool parse(enum kube_resource resource, std::string_view text, struct kube_item *item)
{
    // a block of its own, so that reading beyond it shows
    const std::vector<char> bytes(text.begin(), text.end());
    return kube_parse_item(resource, bytes.data(), bytes.size(), item);
}

static void pod__whole__is_reduced(void **)
{
    struct kube_item first, second;

    assert_true(parse(KUBE_PODS,
                      R"({"metadata":{"name":"t-0","namespace":"ns","uid":"u0",
         "deletionTimestamp":"2026-01-01"},"spec":{"nodeName":"worker-1"},
         "status":{"phase":"Running","podIP":"10.64.0.1","podIPs":[{"ip":"10.64.0.1"}],
          "conditions":[{"type":"Initialized","status":"False"},{"type":"Ready","status":"True"}]}})",
                      &first));
    assert_true(parse(KUBE_PODS,
                      R"({"kind":"Pod","metadata":{"name":"t-1","Namespace":"wrong case"},
         "status":{"podIP":"","podIPs":[{"ip":"x"},{"ip":"fd00::1"}],"conditions":null}})",
                      &second));

    assert_string_equal(first.key.c_str(), "ns/t-0");
    assert_string_equal(first.pod.name.c_str(), "t-0");
    assert_string_equal(first.pod.ns.c_str(), "ns");
    assert_string_equal(first.pod.uid.c_str(), "u0");
    assert_string_equal(first.pod.node.c_str(), "worker-1");
    assert_string_equal(first.pod.phase.c_str(), "Running");
    assert_string_equal(first.pod.ip.c_str(), "10.64.0.1");
    assert_true(first.pod.ready);
    assert_true(first.pod.deleting);
    assert_string_equal(second.key.c_str(), "/t-1");
    assert_string_equal(second.pod.ip.c_str(), "fd00::1");
    assert_false(second.pod.ready);
    assert_false(second.pod.deleting);
}

static void item__nulls_and_wrong_types__are_as_if_absent(void **)
{
    static const struct {
        enum kube_resource resource;
        const char *text; // behind the name
        size_t slices, endpoints;
    } table[] = {
        {KUBE_PODS, R"("spec":"x","status":{"conditions":[null,3],"podIPs":[null]})", 0, 0},
        {KUBE_SLICES, R"("addressType":"IPv4","endpoints":null,"ports":null)", 1, 0},
        {KUBE_SLICES, R"("addressType":"FQDN","endpoints":[{"addresses":["a.example"]}])", 0, 0},
        {KUBE_SLICES, R"("endpoints":[{}])", 0, 0},
        {KUBE_SLICES,
         R"("addressType":"IPv6","endpoints":[{"addresses":null,"conditions":null,"targetRef":null},null])",
         1, 2},
        {KUBE_ENDPOINTS, R"("subsets":null)", 0, 0},
        {KUBE_ENDPOINTS, R"("subsets":[{"addresses":null,"ports":null},null])", 2, 0},
    };

    for (const auto &row : table) {
        struct kube_item item;
        assert_true(parse(row.resource,
                          R"({"metadata":{"name":"x"},)" + std::string(row.text) + "}", &item));
        assert_int_equal(item.slices.size(), row.slices);
        if (row.slices == 1)
            assert_int_equal(item.slices[0].endpoints.size(), row.endpoints);
    }
}

static void item__unknown_and_repeated_members__change_nothing(void **)
{
    struct kube_item item;

    assert_true(parse(KUBE_PODS,
                      R"({"later":[{"a":{}}],"metadata":{"name":"a","name":"b","namespace":"n",
        "managedFields":[{"fieldsV1":{"f:metadata":{}}}]},"metadata":{"name":"c"},
        "Metadata":{"name":"d"},"status":{"podIP":"10.0.0.1","podIP":"10.0.0.2"}})",
                      &item));

    assert_string_equal(item.key.c_str(), "n/a");
    assert_string_equal(item.pod.ip.c_str(), "10.0.0.1");
}

static void item__not_one__is_refused(void **)
{
    static const char *const table[] = {
        "",
        "{",
        "null",
        "[]",
        "{}",
        R"({"metadata":null})",
        R"({"metadata":{"name":""}})",
        R"({"metadata":{"name":1}})",
        R"({"metadata":{"name":"x"},)",
        R"({"kind":"Endpoints","metadata":{"name":"x"}})",
        R"({"kind":"Status","metadata":{"name":"x"},"message":"no","code":403})",
    };

    struct kube_item item;
    for (const char *text : table)
        assert_false(parse(KUBE_PODS, text, &item));
    assert_false(parse(KUBE_PODS, R"({"metadata":)" + std::string(100000, '['), &item));
}

static void list_end__table__is_read_or_refused(void **)
{
    static const struct {
        const char *text, *version, *next;
        const char *error; // null: taken
    } table[] = {
        {R"({"kind":"PodList","metadata":{"resourceVersion":"284","continue":"e+/="},"items":[0]})",
         "284", "e+/=", nullptr},
        {R"({"kind":"PodList","metadata":null,"items":null})", "", "", nullptr},
        {R"({"kind":"PodList"} x)", "", "", "no valid JSON"},
        {R"({"kind":"PodList",)", "", "", "no valid JSON"},
        {R"({"Kind":"PodList"})", "", "", "want a PodList, not ''"},
        {R"({"kind":"EndpointsList","items":[]})", "", "", "want a PodList, not 'EndpointsList'"},
        {R"({"kind":"Status","message":"no"})", "", "", "want a PodList, not 'Status': no"},
    };

    for (const auto &row : table) {
        struct kube_list_end end;
        std::string error;
        const bool ok = kube_parse_list_end(KUBE_PODS, row.text, strlen(row.text), &end, &error);
        assert_int_equal(ok, row.error == nullptr);
        assert_string_equal(error.c_str(), row.error != nullptr ? row.error : "");
        assert_string_equal(end.version.c_str(), row.version);
        assert_string_equal(end.next.c_str(), row.next);
    }
}

static void event__table__is_read_or_refused(void **)
{
    static const struct {
        const char *text;
        bool taken;
        enum kube_event_type type;
        const char *version, *key;
    } table[] = {
        {R"({"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a","namespace":"n","resourceVersion":"5"}}})",
         true, KUBE_ADDED, "5", "n/a"},
        {R"({"type":"MODIFIED","object":{"kind":"Pod","metadata":{"name":"a","resourceVersion":"5"}}})",
         true, KUBE_MODIFIED, "5", "/a"},
        {R"({"type":"DELETED","object":{"kind":"Pod","metadata":{"name":"a","resourceVersion":"5"}}})",
         true, KUBE_DELETED, "5", "/a"},
        {R"({"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"9"},"spec":{"containers":null}}})",
         true, KUBE_BOOKMARK, "9", ""},
        {R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})", true,
         KUBE_ERROR, "", ""},
        {R"({"type":"LATER","object":{}})", true, KUBE_UNKNOWN, "", ""},
        {R"({"type":"ADDED","object":{"metadata":{"name":"a"}}})", false, KUBE_ADDED, "", ""},
        {R"({"type":"ADDED","object":{"kind":"Status","metadata":{"name":"a","resourceVersion":"5"}}})",
         false, KUBE_ADDED, "5", ""},
        {R"({"type":"ADDED"})", false, KUBE_ADDED, "", ""},
        {R"({"type":"BOOKMARK","object":null})", false, KUBE_BOOKMARK, "", ""},
        {R"({"type":"ERROR","object":{"kind":"Pod"}})", false, KUBE_ERROR, "", ""},
        {R"({"kind":"Status","code":410})", false, KUBE_UNKNOWN, "", ""},
        {R"({"type":)", false, KUBE_UNKNOWN, "", ""},
    };

    for (const auto &row : table) {
        struct kube_event event;
        std::string error;
        assert_int_equal(kube_parse_event(KUBE_PODS, row.text, strlen(row.text), &event, &error),
                         row.taken);
        assert_int_equal(event.type, row.type);
        assert_string_equal(event.version.c_str(), row.version);
        if (row.taken)
            assert_string_equal(event.item.key.c_str(), row.key);
        else
            assert_false(error.empty());
        if (row.taken && row.type == KUBE_ERROR)
            assert_int_equal(event.status.code, 410);
    }
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
        struct kube_item item;
        const std::string text =
            R"({"metadata":{"name":"s"},"addressType":"IPv4","endpoints":[{"conditions":)" +
            std::string(row.conditions) + "}]}";
        assert_true(parse(KUBE_SLICES, text, &item));
        const struct kube_endpoint &e = item.slices[0].endpoints[0];
        assert_int_equal(e.ready, row.ready);
        assert_int_equal(e.serving, row.serving);
        assert_int_equal(e.terminating, row.terminating);
    }
}

static void slices__whole_item__is_reduced(void **)
{
    struct kube_item item;

    assert_true(parse(KUBE_SLICES,
                      R"({"metadata":
        {"name":"s-x","namespace":"ns","labels":{"kubernetes.io/service-name":"svc"}},
        "addressType":"IPv4","ports":[{"name":"","protocol":"TCP","port":8080},{"port":null},
        {"port":0},{"port":70000},{"port":1.5},{"protocol":"UDP","port":53},
        {"name":"s","port":8443,"appProtocol":"https"}],
        "endpoints":[{"addresses":["10.0.0.1","10.9.9.9"],"nodeName":"w1","targetRef":
        {"kind":"Pod","name":"t-0","uid":"u0"}},
        {"addresses":["evil/../path"],"targetRef":{"kind":"Node","uid":"u1"}}]})",
                      &item));

    const struct kube_slice &slice = item.slices[0];
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
    struct kube_item item;

    assert_true(parse(KUBE_ENDPOINTS,
                      R"({"metadata":{"name":"svc","namespace":"ns"},"subsets":[
        {"addresses":[{"ip":"10.0.0.1","nodeName":"w1","targetRef":{"kind":"Pod","uid":"u0"}}],
         "notReadyAddresses":[{"ip":"10.0.0.2"}],"ports":[{"port":8080}]}, {}]})",
                      &item));

    assert_int_equal(item.slices.size(), 2);
    const struct kube_slice &slice = item.slices[0];
    assert_string_equal(slice.service.c_str(), "svc");
    assert_false(slice.truncated);
    assert_int_equal(slice.endpoints.size(), 2);
    assert_true(slice.endpoints[0].ready);
    assert_string_equal(slice.endpoints[0].node.c_str(), "w1");
    assert_false(slice.endpoints[1].ready);
    assert_false(slice.endpoints[1].serving);
}

static void endpoints__full_or_marked__count_as_truncated(void **)
{
    struct kube_item item;
    assert_true(parse(
        KUBE_ENDPOINTS,
        R"({"metadata":{"name":"x","annotations":{"endpoints.kubernetes.io/over-capacity":"truncated"}},
         "subsets":[{}]})",
        &item));
    assert_true(item.slices[0].truncated);
    for (size_t count = 999; count <= 1000; count++) {
        std::string text = R"({"metadata":{"name":"x"},"subsets":[{"addresses":[)";
        for (size_t i = 0; i < count; i++)
            text += i > 0 ? R"(,{"ip":"10.0.0.1"})" : R"({"ip":"10.0.0.1"})";
        text += "]}]}";
        assert_true(parse(KUBE_ENDPOINTS, text, &item));
        assert_int_equal(item.slices[0].truncated, count == 1000);
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
        cmocka_unit_test(pod__whole__is_reduced),
        cmocka_unit_test(item__nulls_and_wrong_types__are_as_if_absent),
        cmocka_unit_test(item__unknown_and_repeated_members__change_nothing),
        cmocka_unit_test(item__not_one__is_refused),
        cmocka_unit_test(list_end__table__is_read_or_refused),
        cmocka_unit_test(event__table__is_read_or_refused),
        cmocka_unit_test(slices__conditions__mean_what_kubernetes_says),
        cmocka_unit_test(slices__whole_item__is_reduced),
        cmocka_unit_test(endpoints__subsets__become_slices),
        cmocka_unit_test(endpoints__full_or_marked__count_as_truncated),
        cmocka_unit_test(status__fields__are_read),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
