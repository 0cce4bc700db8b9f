// Watches of the simulated API server, read byte by byte or by the daemon.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "e2e.h"

static const char PODS[] = "/api/v1/pods";
static const char SLICES[] = "/apis/discovery.k8s.io/v1/endpointslices";
static const char ENDPOINTS[] = "/api/v1/endpoints";

// A watch and what it has sent.
struct watch {
    int fd; // the caller closes it
    std::string got;
};

// Asks for a watch and reads the head of the reply. `headers` are lines with their CRLF.
[[nodiscard]] struct watch watch_start(const struct cluster *c, const std::string &target,
                                       const std::string &query, const std::string &headers = "");

// The same from the version of a list that is made before, with bookmarks.
[[nodiscard]] struct watch watch_from_now(const struct cluster *c, const std::string &target);

// Reads on until the watch has sent `text`.
void watch_wait_for(struct watch *w, const std::string &text);

// Waits until a bookmark has come to each open watch: all earlier events are there then.
void watch_catch_up(const struct cluster *c, struct watch *w, struct watch *other = nullptr);

// Types of the events, in order: "ADDED MODIFIED".
[[nodiscard]] std::string watch_types(const struct watch *w);

// The resource version of a list.
[[nodiscard]] std::string list_version(const struct cluster *c, const std::string &target);

// A counter of the simulated API server, such as "watches" of "pods"; and one of its texts.
[[nodiscard]] size_t count_in(const struct cluster *c, const char *resource, const char *counter);
[[nodiscard]] std::string text_in(const struct cluster *c, const char *resource, const char *name);

// Waits until the counter is at least that.
void wait_for_count(const struct cluster *c, const char *resource, const char *counter, size_t n);

// The daemon for a cluster, with both of its watches open.
[[nodiscard]] struct svc svc_watching(const struct cluster *c, size_t nodes,
                                      std::vector<std::string> args = {});

// Changes a node's Ready condition.
void ready(const struct cluster *c, const char *node, bool is);

// What the daemon's database says of a node; empty where it has none of that name.
[[nodiscard]] std::string node_of(const struct svc *s, const std::string &name);

// Waits until the database says so of a node; an empty text: until it has none of that name. The
// milliseconds that took.
int64_t wait_for_node(const struct svc *s, const std::string &name, const std::string &text);

// A number of the daemon's own account, such as "age-ms".
[[nodiscard]] long number_of(const struct svc *s, const char *name);
