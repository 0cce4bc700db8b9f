// Feeds every file of a folder to a fuzz target once: what a fuzzer found stays found. The folder is
// the argument; prints a line for each file, as a test program does.
#include <cstdint>
#include <cstdio>
#include <dirent.h>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_file(const std::string &path, std::vector<uint8_t> *bytes)
{
    FILE *file = fopen(path.c_str(), "re");
    if (!file)
        return false;
    uint8_t piece[4096];
    for (size_t size; (size = fread(piece, 1, sizeof piece, file)) > 0;)
        bytes->insert(bytes->end(), piece, piece + size);
    fclose(file);
    return true;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : nullptr;
    if (!folder) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    while (const struct dirent *entry = readdir(folder)) {
        std::vector<uint8_t> bytes;
        if (entry->d_name[0] == '.' ||
            !read_file(std::string(argv[1]) + "/" + entry->d_name, &bytes))
            continue;
        printf("[ RUN      ] %s\n", entry->d_name);
        fflush(stdout);
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
        printf("[       OK ] %s\n", entry->d_name);
    }
    closedir(folder);
    return 0;
}
