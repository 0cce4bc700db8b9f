// What the process asks of the kernel and the C library for itself.
#include "process.h"

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static time_t the_start; // in seconds since 1970

// A daemon started without them would get other descriptors under the numbers that logs are written to.
static void open_standard_streams()
{
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = open("/dev/null", O_RDWR);
    if (fd > STDERR_FILENO)
        close(fd);
}

void process_prepare()
{
    the_start = time(nullptr);
    open_standard_streams();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); // main waits for it where files are read again
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    // what is larger grows without a copy, and is gone when it is freed; but to map a body of a few hundred
    // kilobytes anew each time costs more than to receive, check and send it
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

size_t process_descriptors()
{
    struct rlimit files;
    return getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : 1024;
}

// Unmaps one library's code and constants. Segments that may be written to, relocations among them, are
// left alone, so nothing is lost. Nonzero, which ends the walk, when it was the one that is wanted.
static int unmap_code(struct dl_phdr_info *library, size_t, void *arg)
{
    unsigned *const before = static_cast<unsigned *>(arg);
    if ((*before)-- > 0)
        return 0;
    const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    for (size_t i = 0; i < library->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &library->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W))
            continue;
        const uintptr_t begin = (library->dlpi_addr + segment->p_vaddr) & ~(page - 1);
        const uintptr_t end = library->dlpi_addr + segment->p_vaddr + segment->p_memsz;
        madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
    }
    return 1;
}

// Starting touches most of the forty libraries that curl brings along, for their symbols and
// constructors: more than half of an idle daemon's resident memory. A debugger's breakpoints are
// written into the code and would be lost, so a build with assertions keeps it.
bool process_trim_code(unsigned library)
{
#ifdef NDEBUG
    return dl_iterate_phdr(unmap_code, &library) != 0;
#else
    (void)unmap_code, (void)library;
    return false;
#endif
}

void process_trim_heap()
{
    malloc_trim(0);
}

void process_order_heap()
{
    void *volatile large = malloc(65536); // or the compiler leaves both calls out
    free(large);
}

static uint64_t count_descriptors()
{
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    uint64_t count = 0;
    while (const struct dirent *entry = readdir(folder))
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count > 0 ? count - 1 : 0; // without that of the folder
}

static uint64_t resident_pages()
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long all = 0, resident = 0;
    if (file && fscanf(file, "%llu %llu", &all, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident;
}

static int64_t ms_of(struct timeval t)
{
    return int64_t{t.tv_sec} * 1000 + t.tv_usec / 1000;
}

struct process_usage process_get_usage()
{
    struct rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    return {.cpu_ms = ms_of(usage.ru_utime) + ms_of(usage.ru_stime),
            .resident_bytes = resident_pages() * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)),
            .descriptors = count_descriptors(),
            .started_ms = int64_t{the_start} * 1000};
}
