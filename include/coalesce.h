// One broadcast for many clients that ask the same: request coalescing.
//
// A reply is never from before it was asked for: who asks while a broadcast for the same is under way waits
// for the next one, together with all others that come meanwhile. It begins when all have the reply of that
// one, or when the first who waits has done so for 10 ms; where two are under way, when all have the reply of
// one of them, or when the first who waits has done so for a second or a quarter of its time. So however many
// clients ask the same, two broadcasts are under way for it, and few more where nodes hang. Only reads without
// a body are shared.
#pragma once
#include "broadcast.h"

struct coalescer;
struct ticket; // one client's part

// `context` is borrowed for the coalescer's life.
[[nodiscard]] struct coalescer *coalescer_new(const struct broadcast_context *context);

// Cancels what is under way.
void coalescer_free(struct coalescer *c);

// As broadcast_start. The nodes see the headers of the first who waited for it, be it that it has
// left since.
[[nodiscard]] struct ticket *coalescer_ask(struct coalescer *c, struct broadcast_request *request,
                                           broadcast_done_fn done, void *arg);

// How many were answered with a broadcast that another had begun as well.
[[nodiscard]] uint64_t coalescer_shared(const struct coalescer *c);

// `done` is never called. A broadcast that nobody waits for any more ends.
void ticket_cancel(struct ticket *t);
