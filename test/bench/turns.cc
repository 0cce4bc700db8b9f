// How long the turns of a daemon's loop are. Preloaded into it:
//
//   LD_PRELOAD=turns.so TURNS_FILE=FILE tracer-svc ...
//
// A turn is from where epoll_wait returns to where it is called again. FILE, which must be there, gets three
// numbers of 64 bits: how many turns there were, and the nanoseconds of the longest one, by the clock on
// the wall and in CPU time. Whoever writes zeros over them begins anew.
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

struct record {
    uint64_t turns, longest_wall_ns, longest_cpu_ns;
};

typedef int (*epoll_wait_fn)(int epoll, struct epoll_event *events, int most, int timeout);

static volatile struct record *record; // null: nowhere to write to
static epoll_wait_fn next;
static uint64_t wall_ns, cpu_ns; // when the turn began; 0: none has

__attribute__((constructor)) static void turns_open()
{
    next = reinterpret_cast<epoll_wait_fn>(dlsym(RTLD_NEXT, "epoll_wait"));
    const char *name = getenv("TURNS_FILE");
    const int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0 || ftruncate(fd, sizeof *record) != 0)
        return;
    void *memory = mmap(nullptr, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED)
        record = static_cast<struct record *>(memory);
    close(fd);
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return static_cast<uint64_t>(t.tv_sec) * 1000000000 + static_cast<uint64_t>(t.tv_nsec);
}

static void note_turn()
{
    const uint64_t wall = clock_ns(CLOCK_MONOTONIC) - wall_ns;
    const uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
    record->turns = record->turns + 1;
    if (wall > record->longest_wall_ns)
        record->longest_wall_ns = wall;
    if (cpu > record->longest_cpu_ns)
        record->longest_cpu_ns = cpu;
}

extern "C" int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
    if (record && wall_ns != 0)
        note_turn();
    const int count = next(epoll, events, most, timeout);
    wall_ns = clock_ns(CLOCK_MONOTONIC);
    cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    return count;
}
