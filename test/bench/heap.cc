// How much memory the daemon holds at most. Preloaded into it:
//
//   LD_PRELOAD=heap.so HEAP_FILE=FILE tracer-svc ...
//
// FILE, which must be there, gets two numbers of 64 bits: the bytes of the heap that are in use, and the
// most that were. Whoever writes zeros over the second begins anew.
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

struct record {
    int64_t now, most;
};

// glibc's own; what is defined here takes the place of their public names.
extern "C" void *__libc_malloc(size_t size);
extern "C" void *__libc_calloc(size_t count, size_t size);
extern "C" void *__libc_realloc(void *memory, size_t size);
extern "C" void *__libc_memalign(size_t alignment, size_t size);
extern "C" void __libc_free(void *memory);

static struct record unwatched;
static struct record *record = &unwatched; // until the file is there

static void note(int64_t bytes)
{
    record->now += bytes;
    if (record->now > record->most)
        record->most = record->now;
}

static int64_t size_of(void *memory)
{
    return static_cast<int64_t>(malloc_usable_size(memory));
}

extern "C" void *malloc(size_t size)
{
    void *memory = __libc_malloc(size);
    note(size_of(memory));
    return memory;
}

extern "C" void *calloc(size_t count, size_t size)
{
    void *memory = __libc_calloc(count, size);
    note(size_of(memory));
    return memory;
}

extern "C" void *realloc(void *memory, size_t size)
{
    const int64_t before = size_of(memory);
    void *moved = __libc_realloc(memory, size);
    if (moved || size == 0)
        note(size_of(moved) - before);
    return moved;
}

extern "C" void free(void *memory)
{
    note(-size_of(memory));
    __libc_free(memory);
}

extern "C" void *aligned_alloc(size_t alignment, size_t size)
{
    void *memory = __libc_memalign(alignment, size);
    note(size_of(memory));
    return memory;
}

extern "C" void *memalign(size_t alignment, size_t size)
{
    return aligned_alloc(alignment, size);
}

extern "C" int posix_memalign(void **memory, size_t alignment, size_t size)
{
    *memory = aligned_alloc(alignment, size);
    return *memory ? 0 : ENOMEM;
}

__attribute__((constructor)) static void heap_open()
{
    const char *name = getenv("HEAP_FILE");
    const int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0 || ftruncate(fd, sizeof *record) != 0)
        return;
    void *memory = mmap(nullptr, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED)
        return;
    struct record *shared = static_cast<struct record *>(memory);
    *shared = *record;
    record = shared;
}
