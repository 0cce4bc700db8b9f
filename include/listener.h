// Listening sockets for one address, in both families where it names none, with accepting that can
// pause: because there are no descriptors left, or because its owner wants no more connections.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

struct address;
struct event_base;
struct evconnlistener;
struct listener;

// Listens. Null and a message for people in `error` where that is not possible.
[[nodiscard]] struct listener *listener_new(struct event_base *base, const struct address *address,
                                            std::string *error);

// The port, which was chosen by the system if the address had 0.
[[nodiscard]] uint16_t listener_port(const struct listener *l);

// The libevent listeners, for who sets their callback. Borrowed, unless listener_give is called.
[[nodiscard]] size_t listener_count(const struct listener *l);
[[nodiscard]] struct evconnlistener *listener_at(const struct listener *l, size_t i);

// Somebody else frees the libevent listeners from now on (evhttp does so with what it is given) and
// calls listener_forget before that.
void listener_give(struct listener *l);
void listener_forget(struct listener *l);

// Called when a connection waits that there is no descriptor for. True: there is one now. Otherwise the
// listener gives up the one that it keeps for this, or pauses for a while.
typedef bool (*listener_fn)(void *arg);
void listener_on_no_descriptor(struct listener *l, listener_fn fn, void *arg);

// To be called for each connection that is accepted: a turn of the loop takes a few only.
void listener_accepted(struct listener *l);

// Takes no more clients: a connect is not answered, as if it was lost on the way. Those who have
// connected are still accepted, which closing would not do: it resets them.
void listener_refuse(struct listener *l);

// A client has connected and waits to be accepted.
[[nodiscard]] bool listener_has_waiting(const struct listener *l);

// Stops and goes on accepting; connections wait in the backlog meanwhile.
void listener_pause(struct listener *l);
void listener_resume(struct listener *l);

void listener_free(struct listener *l);
