// Fuzzes what reads a Kubernetes server's replies: any bytes, as every kind of list, joined.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "kube_join.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // one input is pods, then what stands behind a line feed is slices or Endpoints
    const std::string text(reinterpret_cast<const char *>(data), size);
    const size_t cut = text.find('\n');
    const std::string first = text.substr(0, cut);
    const std::string second = cut == text.npos ? "" : text.substr(cut + 1);
    struct kube_list list;
    struct kube_status status;
    std::string error;
    const bool pods =
        kube_parse_list(KUBE_PODS, first.data(), first.size(), &list, &error) && error.empty();
    const bool slices =
        kube_parse_list(KUBE_SLICES, second.data(), second.size(), &list, &error) ||
        kube_parse_list(KUBE_ENDPOINTS, second.data(), second.size(), &list, &error);
    require(pods || !error.empty());
    (void)kube_parse_status(first.data(), first.size(), &status);

    struct kube_joined joined;
    kube_join(list.slices, list.pods, {}, false, &joined);
    require((pods && slices) || joined.records.empty());
    require(joined.records.size() <= list.pods.size());
    for (const struct node_record &r : joined.records)
        require(r.port != 0 && !r.host.empty());
    return 0;
}
