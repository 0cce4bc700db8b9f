// One broadcast for many clients that ask the same: request coalescing.
//
// Who asks while a broadcast for the same is under way waits for the next one, together with all others
// that come meanwhile; so each reply is as fresh as one of its own would be, never from before it was asked
// for. The next one begins when the one under way ends, or when a quarter of the first waiter's time is
// over. So however many clients ask the same, at most five broadcasts are under way for it, and one where
// all nodes answer. Only reads without a body are shared.
#pragma once
#include "broadcast.h"

struct coalescer;
struct ticket; // one client's part

// `context` is borrowed for the coalescer's life.
[[nodiscard]] struct coalescer *coalescer_new(const struct broadcast_context *context);

// Cancels what is under way.
void coalescer_free(struct coalescer *c);

// As broadcast_start. The nodes see the headers of the first of those that share a broadcast.
[[nodiscard]] struct ticket *coalescer_ask(struct coalescer *c, struct broadcast_request *request,
                                           broadcast_done_fn done, void *arg);

// `done` is never called. A broadcast that nobody waits for any more ends.
void ticket_cancel(struct ticket *t);
