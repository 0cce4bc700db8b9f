// The process' own surroundings: descriptors, heap, and the memory that starting leaves behind.
#pragma once
#include <cstddef>
#include <cstdint>

// Before anything else: standard streams that are open, no SIGPIPE and SIGHUP, as many descriptors as are allowed, a heap that is not given back
// and asked for again with every big reply.
void process_prepare();

// How many descriptors the process may have.
[[nodiscard]] size_t process_descriptors();

// When what only starting needs is done: gives back what that took of one library, of which the first is
// 0. False: there are no more. One takes up to a millisecond, and all together more than a turn of the
// loop may take. Code that is used again is mapped again from the page cache.
[[nodiscard]] bool process_trim_code(unsigned library);

// Gives the heap's free pages back: what a time of many clients needed. It takes a tenth of a
// millisecond, and some milliseconds where it is a hundred megabytes, so best when nobody waits.
void process_trim_heap();

// Has the heap put in order what was freed. glibc leaves that to whoever asks for something large next, and
// behind thousands of pieces it takes milliseconds: to be called now and then while those are freed.
void process_order_heap();

// What the process has used so far, and when it began.
struct process_usage {
    int64_t cpu_ms; // user and system
    uint64_t resident_bytes;
    uint64_t descriptors; // that are open
    int64_t started_ms;   // wall clock: when process_prepare was called
};

// Reads two small files of /proc, which never wait for a disk.
[[nodiscard]] struct process_usage process_get_usage();
