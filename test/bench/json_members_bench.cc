// How fast json_members reads what nodes send, beside memcpy and cJSON parse and print.
//
//   make bench-programs && build/release/bench/json_members_bench
//
// Each document is fed in pieces of 16 KB, as it would come from a socket; best of several rounds.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include <cjson/cJSON.h>

#include "json_members.h"
#include "json_text.h"

constexpr size_t PIECE = 16 * 1024;
constexpr double ROUND_SECONDS = 0.1;
constexpr int ROUNDS = 7;

static double now()
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

static std::string hex_id(unsigned seed)
{
    std::string id;
    for (int i = 0; i < 64; i++) {
        seed = seed * 1664525 + 1013904223;
        id += "0123456789abcdef"[seed >> 28];
    }
    return id;
}

static std::string number(unsigned n)
{
    return std::to_string(n);
}

static std::string container_text(unsigned pod, const std::string &pod_name)
{
    std::string text = "{\"Id\":\"" + hex_id(pod) + "\",\"Pod\":\"" + pod_name + "\",\"Parent\":[";
    text += number(1000 + pod * 77 % 30000) + "],\"Tasks\":[";
    for (unsigned task = 0; task < 1 + pod * 7 % 12; task++)
        text += (task ? "," : "") + number(1000 + (pod * 131 + task * 17) % 4000000);
    return text + "]}";
}

// What GET /v1/pods of a node with some hundred pods looks like.
static std::string pods_text(unsigned pods)
{
    std::string text = "{";
    for (unsigned pod = 0; pod < pods; pod++) {
        const std::string name = "deployment-" + number(pod % 9) + "-" + hex_id(pod).substr(0, 9) +
                                 "-" + hex_id(pod + 7).substr(0, 5);
        text += (pod ? ",\"" : "\"") + name + "\":{\"Containers\":{";
        for (unsigned i = 0; i <= pod % 3; i++)
            text += (i ? ",\"c" : "\"c") + number(i) + "\":" + container_text(pod + i, name);
        text += "}}";
    }
    return text + "}";
}

// A session with the output of its tracer, one string a line.
static std::string session_text(const char *line, unsigned lines)
{
    std::string text = "{\"5445322332938862196\":{\"Node\":\"worker-1\",\"Output\":[";
    for (unsigned i = 0; i < lines; i++) {
        text += i ? "," : "";
        json_append_string(&text, number(i) + line);
    }
    return text + "],\"Error\":null}}";
}

static bool run_members(const std::string &text)
{
    struct json_members *m = json_members_new();
    bool ok = true;
    for (size_t at = 0; ok && at < text.size(); at += PIECE)
        ok = json_members_feed(m, text.data() + at, std::min(PIECE, text.size() - at));
    ok = ok && json_members_end(m) && json_members_list(m).size() > 0;
    json_members_free(m);
    return ok;
}

static bool run_memcpy(const std::string &text)
{
    static char copy[PIECE];
    for (size_t at = 0; at < text.size(); at += PIECE) {
        memcpy(copy, text.data() + at, std::min(PIECE, text.size() - at));
        asm volatile("" : : "r"(copy) : "memory"); // or the copy would be left out
    }
    return true;
}

static bool run_cjson(const std::string &text)
{
    cJSON *tree = cJSON_ParseWithLength(text.data(), text.size());
    char *printed = tree ? cJSON_PrintUnformatted(tree) : nullptr;
    const bool ok = printed != nullptr;
    cJSON_free(printed);
    cJSON_Delete(tree);
    return ok;
}

// Bytes a second, in GB.
static double speed(bool (*run)(const std::string &text), const std::string &text)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const double begin = now();
        double bytes = 0;
        while (now() - begin < ROUND_SECONDS) {
            if (!run(text))
                abort();
            bytes += static_cast<double>(text.size());
        }
        best = std::max(best, bytes / (now() - begin) / 1e9);
    }
    return best;
}

static void measure(const char *name, const std::string &text)
{
    const double members = speed(run_members, text);
    const double copy = speed(run_memcpy, text);
    const double tree = speed(run_cjson, text);
    printf("%-26s %8zu %8.2f %8.2f %8.3f %7.1f%% %8.1f\n", name, text.size(), members, copy, tree,
           100 * members / copy, members / tree);
}

int main()
{
    const char *const words =
        " 10:31:07.123456 openat(AT_FDCWD, /var/lib/app/data.db, O_RDONLY) = 3";
    const char *const escapes = " \033[32mINFO\033[0m\tpath=\"/var/lib\\x\" msg=\"ready\"\n";
    const char *const accents = " Größe überschritten: façade, naïve, 日本語のテキスト";
    printf("%-26s %8s %8s %8s %8s %8s %8s\n", "document", "bytes", "GB/s", "memcpy", "cJSON",
           "of copy", "x cJSON");
    measure("pods", pods_text(88));
    measure("many pods", pods_text(2900));
    measure("session, plain lines", session_text(words, 4000));
    measure("session, escapes", session_text(escapes, 4000));
    measure("session, beyond ASCII", session_text(accents, 4000));
    return 0;
}
