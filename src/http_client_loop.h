// curl's multi handles on an event loop: shards, their timers, the sockets. Private to http_client.
//
// A shard is one curl multi handle with one timer. Sockets stay registered with libevent between
// the transfers of a connection; curl says when it closes one.
#pragma once
#include <cstdint>

#include <curl/curl.h>

struct event_base;
struct curl_loop;
struct shard;
struct tasks;

// A transfer has ended and is out of its shard. Called from the loop, never from within curl, so it
// may add and remove transfers.
typedef void (*transfer_done_fn)(void *arg, CURL *easy, CURLcode code);

// `tasks`: where it works on sockets that are ready.
[[nodiscard]] struct curl_loop *curl_loop_new(struct event_base *base, struct tasks *tasks,
                                              transfer_done_fn done, void *arg);

// Closes all connections. No transfer may be under way.
void curl_loop_free(struct curl_loop *l);

// The shard of this number, made when first asked for. It lives until it is forgotten and its last
// transfer has been removed, or until curl_loop_free.
[[nodiscard]] struct shard *curl_loop_shard(struct curl_loop *l, uint32_t number);

// Closes the kept connections of a shard; its transfers go on, new ones get new connections.
void curl_loop_forget(struct curl_loop *l, uint32_t number);

// Closes the connections of that shard where many requests at once have left more behind than one after
// the other need. False: there is no shard of that number, nor of a higher one.
bool curl_loop_rest(struct curl_loop *l, uint32_t number);

// Tells that curl has made a socket for a connection: for CURLOPT_SOCKOPTFUNCTION.
void curl_loop_opened(struct curl_loop *l, curl_socket_t fd);

// Fits CURLOPT_CLOSESOCKETFUNCTION, with the curl_loop as its data: a connection outlives the easy
// handle that opened it.
int curl_loop_close_socket(void *loop, curl_socket_t fd);

// How often curl was let work: tells apart what it does in one go.
[[nodiscard]] uint64_t curl_loop_actions(const struct curl_loop *l);

// Takes a transfer in. shard_run has to follow at once: it begins the transfer.
[[nodiscard]] bool shard_add(struct shard *s, CURL *easy);

// Lets curl do what is due: begin a transfer, or go on with one that was paused. Transfers may end, and
// the shard be gone afterwards.
void shard_run(struct shard *s);

// Ends a transfer as done with this code. The shard may be gone afterwards.
void shard_end(struct shard *s, CURL *easy, CURLcode code);

// Ends a transfer that is not yet done. The shard may be gone afterwards.
void shard_remove(struct shard *s, CURL *easy);
