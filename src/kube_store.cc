// Lists and events applied to a map. Pure.
#include "kube_store.h"

bool kube_store_replace(struct kube_store *store, std::vector<struct kube_item> *items,
                        const std::string &version)
{
    std::map<std::string, struct kube_item> fresh;
    for (struct kube_item &item : *items) {
        std::string key = item.key;
        fresh.insert_or_assign(std::move(key), std::move(item));
    }
    items->clear();
    const bool changed = store->version.empty() || fresh != store->items;
    store->items = std::move(fresh);
    store->version = version;
    return changed;
}

static bool put(struct kube_store *store, struct kube_item *item)
{
    struct kube_item &place = store->items[item->key];
    if (place == *item)
        return false;
    place = std::move(*item);
    return true;
}

bool kube_store_apply(struct kube_store *store, struct kube_event *event)
{
    if (event->type != KUBE_UNKNOWN && event->type != KUBE_ERROR)
        store->version = event->version;
    if (event->type == KUBE_DELETED)
        return store->items.erase(event->item.key) > 0;
    if (event->type == KUBE_ADDED || event->type == KUBE_MODIFIED)
        return put(store, &event->item);
    return false;
}
