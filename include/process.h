// The process' own surroundings: descriptors, heap, and the memory that starting leaves behind.
#pragma once
#include <cstddef>

// Before anything else: standard streams that are open, no SIGPIPE and SIGHUP, as many descriptors as are allowed, a heap that is not given back
// and asked for again with every big reply.
void process_prepare();

// How many descriptors the process may have.
[[nodiscard]] size_t process_descriptors();

// Once, when what only starting needs is done: gives that memory back. It takes well under a
// millisecond. Code that is used again is mapped again from the page cache.
void process_trim();
