// Fuzzes what reads a Kubernetes server's replies: any bytes, as lists and watches, joined.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "json_stream.h"
#include "kube_join.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What a page of a list leaves behind.
struct page {
    enum kube_resource resource;
    std::vector<struct kube_item> items;
};

static bool on_item(void *arg, const char *data, size_t size)
{
    struct page *page = static_cast<struct page *>(arg);
    struct kube_item item;
    if (kube_parse_item(page->resource, data, size, &item))
        page->items.push_back(std::move(item));
    return true;
}

// Reads a list as it comes, cut in two. Whether it is one.
static bool read_list(enum kube_resource resource, const std::string &text,
                      struct kube_store *store)
{
    struct json_stream stream;
    stream.form = JSON_STREAM_LIST;
    stream.object_max = stream.envelope_max = 65536;
    struct page page = {resource, {}};
    struct kube_list_end end;
    std::string error;
    const size_t half = text.size() / 2;
    if (json_stream_feed(&stream, text.data(), half, on_item, &page) != JSON_STREAM_OK ||
        json_stream_feed(&stream, text.data() + half, text.size() - half, on_item, &page) !=
            JSON_STREAM_OK ||
        !json_stream_is_whole(&stream))
        return false;
    if (!kube_parse_list_end(resource, stream.envelope.data(), stream.envelope.size(), &end,
                             &error)) {
        require(!error.empty());
        return false;
    }
    (void)kube_store_replace(store, &page.items, end.version);
    return true;
}

static bool on_event(void *arg, const char *data, size_t size)
{
    struct kube_event event;
    std::string error;
    if (!kube_parse_event(KUBE_PODS, data, size, &event, &error)) {
        require(!error.empty());
        return false;
    }
    (void)kube_store_apply(static_cast<struct kube_store *>(arg), &event);
    return true;
}

// Reads events of pods as they come.
static void read_watch(const std::string &text, struct kube_store *store)
{
    struct json_stream stream;
    stream.object_max = 65536;
    (void)json_stream_feed(&stream, text.data(), text.size(), on_event, store);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // one input is pods; behind a line feed are slices or Endpoints, behind another events of pods
    const std::string text(reinterpret_cast<const char *>(data), size);
    const size_t cut = std::min(text.find('\n'), text.size());
    const size_t next = std::min(text.find('\n', cut + 1), text.size());
    const std::string first = text.substr(0, cut);
    const std::string second = cut < next ? text.substr(cut + 1, next - cut - 1) : "";
    struct kube_status status;
    (void)kube_parse_status(first.data(), first.size(), &status);

    struct kube_store pods, services;
    (void)read_list(KUBE_PODS, first, &pods);
    if (!read_list(KUBE_SLICES, second, &services))
        (void)read_list(KUBE_ENDPOINTS, second, &services);
    if (next < text.size())
        read_watch(text.substr(next + 1), &pods);

    struct kube_joined joined;
    kube_join(services, pods, {}, false, &joined);
    require(joined.records.size() <= pods.items.size());
    for (const struct node_record &r : joined.records)
        require(r.port != 0 && !r.host.empty());
    return 0;
}
