// tracer-sim plays a Kubernetes API server and any number of tracer-nodes on loopback.
//
// For demonstrations, tests and benchmarks of tracer-svc. README.md tells how it is used.
#include <arpa/inet.h>
#include <event2/event.h>
#include <getopt.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "sim_account.h"
#include "sim_cluster.h"
#include "sim_control.h"
#include "sim_kube.h"
#include "sim_node.h"
#include "sim_text.h"

struct options {
    size_t nodes = 3, pods_per_node = 2, pods_size = 0;
    std::string prefix = "worker-", name_space = "contrace";
    std::string tls, token, node_ca, ready_file;
    struct in_addr first_address = {.s_addr = htonl(0x7f4d0000)};
    uint64_t page_limit = 0;
    uint64_t bookmark_ms = BOOKMARK_MS;
    bool forbid_slices = false, forbid_watches = false, exit_with_stdin = false;
};

enum {
    OPTION_HELP = 'h',
    OPTION_NODES = 1000,
    OPTION_PREFIX,
    OPTION_BASE,
    OPTION_PODS,
    OPTION_POD_BYTES,
    OPTION_NAMESPACE,
    OPTION_TLS,
    OPTION_TOKEN,
    OPTION_NODE_CA,
    OPTION_NO_SLICES,
    OPTION_NO_WATCH,
    OPTION_BOOKMARKS,
    OPTION_PAGE_LIMIT,
    OPTION_READY_FILE,
    OPTION_EXIT_WITH_STDIN
};

static const struct option long_options[] = {
    {"help", no_argument, nullptr, OPTION_HELP},
    {"nodes", required_argument, nullptr, OPTION_NODES},
    {"node-prefix", required_argument, nullptr, OPTION_PREFIX},
    {"base", required_argument, nullptr, OPTION_BASE},
    {"pods-per-node", required_argument, nullptr, OPTION_PODS},
    {"pod-bytes", required_argument, nullptr, OPTION_POD_BYTES},
    {"namespace", required_argument, nullptr, OPTION_NAMESPACE},
    {"tls", required_argument, nullptr, OPTION_TLS},
    {"token", required_argument, nullptr, OPTION_TOKEN},
    {"node-ca", required_argument, nullptr, OPTION_NODE_CA},
    {"no-slices", no_argument, nullptr, OPTION_NO_SLICES},
    {"no-watch", no_argument, nullptr, OPTION_NO_WATCH},
    {"bookmarks", required_argument, nullptr, OPTION_BOOKMARKS},
    {"page-limit", required_argument, nullptr, OPTION_PAGE_LIMIT},
    {"ready-file", required_argument, nullptr, OPTION_READY_FILE},
    {"exit-with-stdin", no_argument, nullptr, OPTION_EXIT_WITH_STDIN},
    {nullptr, 0, nullptr, 0},
};

static const char HELP[] =
    "tracer-sim: a simulated Kubernetes API server and tracer-nodes on loopback\n"
    "\n"
    "  --nodes N            tracer-nodes (3)\n"
    "  --node-prefix P      their names are P1..PN (worker-)\n"
    "  --base ADDRESS       each listens on its own address from here on (127.77.0.0)\n"
    "  --pods-per-node K    pods that each traces (2)\n"
    "  --pod-bytes B        about the size of one reply to GET /v1/pods\n"
    "  --namespace NS       of the tracer-node pods (contrace)\n"
    "  --tls DIR            API over HTTPS; writes DIR/ca.crt, DIR/token, DIR/namespace\n"
    "  --token T            the API wants 'Authorization: Bearer T'\n"
    "  --node-ca F          the nodes speak https; writes to F the certificate to trust\n"
    "  --no-slices          the API forbids to list endpointslices\n"
    "  --no-watch           the API forbids to watch\n"
    "  --bookmarks MS       between two bookmarks of a watch (60000)\n"
    "  --page-limit N       largest page of a list that asks for pages\n"
    "  --ready-file F       writes there what it prints on stdout\n"
    "  --exit-with-stdin    exits when its stdin is closed\n"
    "\n"
    "Prints api=URL, control=URL, node NAME=ADDRESS:PORT (first 10), nodes=.. (up to 64), ready.\n"
    "\n"
    "Control, over plain HTTP with a query string:\n"
    "  POST "
    "/fault?node=A[,B|*]&kind=K[&method=GET][&path=/v1/pods][&count=n][&after=ms][&bytes=n]\n"
    "  DELETE /fault?node=..\n"
    "  POST /api-fault?kind=K[&status=n][&path=part][&count=n][&page=2][&retry-after=s]\n"
    "      [&verb=list|watch];  K: down hang garbage null-items status;  DELETE /api-fault\n"
    "  POST /node?name=N[&kube-node=][&pod=][&namespace=][&app=][&phase=][&ready=][&pods=a,b]\n"
    "      [&https=]\n"
    "  DELETE /node?name=   POST /node-ready?name=&ready=   /node-readdress?name=\n"
    "  POST /node-terminating?name=&serving=   /node-label?name=&app=   /node-phase?name=&phase=\n"
    "  POST /node-pods?name=&pods=a,b   /node-hooks?name=&hooks=a,b   /slices?forbidden=\n"
    "  POST /node-token?node=A[,B|*]&value=   /node-names?name=&names=IP:127.0.0.1,DNS:a\n"
    "  POST /node-ca-rotate[?write=][&reset=]\n"
    "  POST /slice?name=&address=&port=[&namespace=][&service=]   DELETE /slice?name=\n"
    "  POST /watch?forbidden=[&path=part]   /watch-bookmark[?path=part][&every=ms]\n"
    "  POST /watch-fault?kind=K[&status=n][&retry-after=s][&path=part][&count=n][&events=n]\n"
    "      [&bytes=n][&open=true];  K: status redirect hang, or one of the last list below\n"
    "  DELETE /watch-fault   POST /watch-end[?path=part][&reset=true]   POST /compact\n"
    "  POST /user?token=&name=[&groups=][&audiences=]   DELETE /user\n"
    "  POST /right?of=&path=&verbs=[&denied=true]\n"
    "  POST /token?value=[&write=true]   /account-files[?token=]   /ca-rotate[?write=][&reset=]\n"
    "  GET /nodes   GET /stats[?node=]   DELETE /stats\n"
    "\n"
    "Kinds of faults of nodes:\n  ";

static void fail(const char *what, const char *value)
{
    fprintf(stderr, "tracer-sim: %s '%s'\n", what, value);
    exit(2);
}

static size_t number_of(const char *text, size_t largest)
{
    uint64_t n;
    if (!text_number(text, &n) || n > largest)
        fail("bad number", text);
    return static_cast<size_t>(n);
}

static void take_option(struct options *o, int option)
{
    switch (option) {
    case OPTION_HELP:
        printf("%s%s\n\nKinds of faults of watches:\n  %s\n", HELP, sim_fault_names().c_str(),
               sim_stream_names().c_str());
        exit(0);
    case OPTION_NODES: o->nodes = number_of(optarg, 15000); break;
    case OPTION_PREFIX: o->prefix = optarg; break;
    case OPTION_BASE:
        if (inet_pton(AF_INET, optarg, &o->first_address) != 1)
            fail("bad address", optarg);
        break;
    case OPTION_PODS: o->pods_per_node = number_of(optarg, 10000); break;
    case OPTION_POD_BYTES: o->pods_size = number_of(optarg, 1u << 30); break;
    case OPTION_NAMESPACE: o->name_space = optarg; break;
    case OPTION_TLS: o->tls = optarg; break;
    case OPTION_TOKEN: o->token = optarg; break;
    case OPTION_NODE_CA: o->node_ca = optarg; break;
    case OPTION_NO_SLICES: o->forbid_slices = true; break;
    case OPTION_NO_WATCH: o->forbid_watches = true; break;
    case OPTION_BOOKMARKS: o->bookmark_ms = number_of(optarg, 1u << 30); break;
    case OPTION_PAGE_LIMIT: o->page_limit = number_of(optarg, 1u << 30); break;
    case OPTION_READY_FILE: o->ready_file = optarg; break;
    case OPTION_EXIT_WITH_STDIN: o->exit_with_stdin = true; break;
    default: exit(2);
    }
}

static void parse_options(struct options *o, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "h", long_options, nullptr)) >= 0)
        take_option(o, option);
    if (optind < argc)
        fail("unexpected argument", argv[optind]);
}

// Thousands of listeners and connections need more descriptors than the usual soft limit.
static void raise_file_limit()
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void on_signal(evutil_socket_t, short, void *arg)
{
    event_base_loopbreak(static_cast<struct event_base *>(arg));
}

static void on_stdin_readable(evutil_socket_t fd, short, void *arg)
{
    char bytes[256];
    if (read(fd, bytes, sizeof bytes) <= 0)
        event_base_loopbreak(static_cast<struct event_base *>(arg));
}

static std::string ready_text(const struct options *o, const struct sim_kube *kube,
                              const struct sim_control *control, struct sim_cluster *cluster)
{
    char address[SIM_ADDRESS_SIZE];
    std::string text, nodes;
    sim_server_address(kube->server, address);
    text_append(&text, "api=%s://%s\n", o->tls.empty() ? "http" : "https", address);
    sim_server_address(sim_control_server(control), address);
    text_append(&text, "control=http://%s\n", address);
    for (size_t i = 0; i < cluster->order.size(); i++) {
        const std::string &name = cluster->order[i];
        const char *scheme = cluster->authority ? "https://" : "";
        sim_server_address(sim_cluster_find(cluster, name)->node->server, address);
        if (i < 10)
            text_append(&text, "node %s=%s%s\n", name.c_str(), scheme, address);
        text_append(&nodes, "%s%s=%s%s", i > 0 ? "," : "", name.c_str(), scheme, address);
    }
    if (cluster->order.size() <= 64)
        text_append(&text, "nodes=%s\n", nodes.c_str());
    return text + "ready\n";
}

// The file appears whole: a reader never sees half of it.
static bool announce(const std::string &text, const std::string &path)
{
    fputs(text.c_str(), stdout);
    fflush(stdout);
    if (path.empty())
        return true;
    const std::string part = path + ".part";
    FILE *file = fopen(part.c_str(), "w");
    if (!file)
        return false;
    const bool ok = fputs(text.c_str(), file) >= 0;
    return fclose(file) == 0 && ok && rename(part.c_str(), path.c_str()) == 0;
}

struct sim {
    struct event_base *base;
    struct event *term, *interrupt, *input;
    struct sim_account *account; // null: plain HTTP
    struct sim_cluster *cluster;
    struct sim_kube *kube;
    struct sim_control *control;
};

static bool sim_start(struct sim *s, const struct options *o)
{
    const struct sim_cluster_options cluster = {.base = s->base,
                                                .prefix = o->prefix,
                                                .name_space = o->name_space,
                                                .first_address = o->first_address,
                                                .pods_per_node = o->pods_per_node,
                                                .pods_size = o->pods_size,
                                                .node_ca_file = o->node_ca};
    s->cluster = sim_cluster_new(&cluster);
    if (!sim_cluster_start(s->cluster, o->nodes))
        return false;
    const struct sim_kube_options kube = {.base = s->base,
                                          .cluster = s->cluster,
                                          .account = s->account,
                                          .token = o->token,
                                          .page_limit = o->page_limit,
                                          .forbid_slices = o->forbid_slices,
                                          .forbid_watches = o->forbid_watches};
    s->kube = sim_kube_new(&kube);
    if (s->kube)
        s->kube->watches.bookmark_ms = o->bookmark_ms;
    s->control = s->kube ? sim_control_new(s->base, s->cluster, s->kube) : nullptr;
    return s->control && announce(ready_text(o, s->kube, s->control, s->cluster), o->ready_file);
}

// epoll refuses regular files and /dev/null.
static bool watch_events(struct sim *s, bool watch_stdin)
{
    s->term = evsignal_new(s->base, SIGTERM, on_signal, s->base);
    s->interrupt = evsignal_new(s->base, SIGINT, on_signal, s->base);
    evsignal_add(s->term, nullptr);
    evsignal_add(s->interrupt, nullptr);
    if (!watch_stdin)
        return true;
    s->input = event_new(s->base, 0, EV_READ | EV_PERSIST, on_stdin_readable, s->base);
    if (event_add(s->input, nullptr) == 0)
        return true;
    fprintf(stderr, "tracer-sim: --exit-with-stdin wants a pipe, a socket or a terminal\n");
    return false;
}

static void sim_stop(struct sim *s)
{
    sim_control_free(s->control);
    sim_kube_free(s->kube);
    sim_cluster_free(s->cluster);
    sim_account_free(s->account);
    event_free(s->term);
    event_free(s->interrupt);
    if (s->input)
        event_free(s->input);
    event_base_free(s->base);
}

int main(int argc, char **argv)
{
    struct options o;
    struct sim s = {};
    parse_options(&o, argc, argv);
    raise_file_limit();
    signal(SIGPIPE, SIG_IGN);
    struct event_config *how = event_config_new();
    event_config_set_flag(how, EVENT_BASE_FLAG_PRECISE_TIMER); // a fault's time is not cut short
    s.base = event_base_new_with_config(how);
    event_config_free(how);
    bool ok = watch_events(&s, o.exit_with_stdin);
    if (ok && !o.tls.empty()) {
        s.account = sim_account_new(o.tls, o.token, o.name_space);
        ok = s.account != nullptr;
    }
    ok = ok && sim_start(&s, &o);
    if (ok)
        event_base_dispatch(s.base);
    else
        fprintf(stderr, "tracer-sim: cannot start: %s\n", strerror(errno));
    sim_stop(&s);
    return ok ? 0 : 1;
}
