// The objects of one resource as they were last known: filled by a list, kept up by the events of a watch.
//
// Pure.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "kube.h"

struct kube_store {
    std::map<std::string, struct kube_item>
        items;           // by key, so that the same ones give the same nodes
    std::string version; // the resourceVersion it is at; empty: nothing was ever listed
};

// Makes the store hold these and no others, in one step. Takes what is in `items`. Returns whether it is
// other than before.
bool kube_store_replace(struct kube_store *store, std::vector<struct kube_item> *items,
                        const std::string &version);

// Applies one event; takes its item. Returns whether the objects are other than before.
bool kube_store_apply(struct kube_store *store, struct kube_event *event);
