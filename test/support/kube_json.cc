// Replies of a Kubernetes API for tests.
#include "kube_json.h"

static std::string address(int i)
{
    return "10.64." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
}

static std::string metadata(const char *next)
{
    return std::string(R"("metadata":{"resourceVersion":"284","continue":")") + next + "\"}";
}

static std::string target(const std::string &n)
{
    return R"("nodeName":"worker-)" + n +
           R"(","targetRef":{"kind":"Pod","namespace":"ns","name":"t-)" + n + R"(","uid":"u)" + n +
           "\"}";
}

std::string kube_json_pod(int i, const char *version)
{
    const std::string n = std::to_string(i);
    return R"({"metadata":{"name":"t-)" + n + R"(","namespace":"ns","uid":"u)" + n +
           R"(","resourceVersion":")" + version + R"("},"spec":{"nodeName":"worker-)" + n +
           R"("},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],)" +
           R"("podIP":")" + address(i) + "\"}}";
}

std::string kube_json_pods(int first, int end, const char *next)
{
    std::string out = R"({"kind":"PodList",)" + metadata(next) + ",\"items\":[";
    for (int i = first; i < end; i++)
        out += (i > first ? "," : "") + kube_json_pod(i, "1");
    return out + "]}";
}

std::string kube_json_event(const char *type, const std::string &object)
{
    return std::string(R"({"type":")") + type + R"(","object":)" + object + "}\n";
}

std::string kube_json_bookmark(const char *version)
{
    return kube_json_event("BOOKMARK", R"({"kind":"Pod","metadata":{"resourceVersion":")" +
                                           std::string(version) +
                                           R"("},"spec":{"containers":null}})");
}

std::string kube_json_slices(int first, int end, int port, const char *next)
{
    std::string out = R"({"kind":"EndpointSliceList",)" + metadata(next) + ",\"items\":";
    if (first == end)
        return out + "null}";
    out += R"([{"metadata":{"name":"s-)" + std::to_string(first) +
           R"(","namespace":"ns","labels":{"kubernetes.io/service-name":)"
           R"("container-tracer-node"}},"addressType":"IPv4","ports":[{"port":)" +
           std::to_string(port) + "}],\"endpoints\":[";
    for (int i = first; i < end; i++) {
        out += i > first ? "," : "";
        out += R"({"addresses":[")" + address(i) + "\"]," + target(std::to_string(i)) + "}";
    }
    return out + "]}]}";
}

std::string kube_json_endpoints(int first, int end, int port)
{
    std::string out = R"({"kind":"EndpointsList",)" + metadata("") +
                      R"(,"items":[{"metadata":{"name":"container-tracer-node","namespace":"ns",)"
                      R"("annotations":{"endpoints.kubernetes.io/over-capacity":"truncated"}},)"
                      R"("subsets":[{"ports":[{"port":)" +
                      std::to_string(port) + "}],\"addresses\":[";
    for (int i = first; i < end; i++) {
        out += i > first ? "," : "";
        out += R"({"ip":")" + address(i) + "\"," + target(std::to_string(i)) + "}";
    }
    return out + "]}]}]}";
}

std::string kube_json_status(int code, const char *reason, const char *message)
{
    return R"({"kind":"Status","metadata":{"continue":"inconsistent"},"status":"Failure","message":")" +
           std::string(message) + R"(","reason":")" + reason + R"(","code":)" +
           std::to_string(code) + "}";
}
