// tracer-svc: reads the configuration, makes the objects, wires them, runs, takes them down in reverse.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <netdb.h>
#include <string>

#include <event2/event.h>

#include "address.h"
#include "api.h"
#include "auth.h"
#include "budget.h"
#include "clock.h"
#include "config.h"
#include "discovery.h"
#include "http_client.h"
#include "http_server.h"
#include "kube_account.h"
#include "log.h"
#include "metrics.h"
#include "node_access.h"
#include "nodes.h"
#include "owners.h"
#include "prober.h"
#include "process.h"
#include "tasks.h"
#include "timer.h"
#include "tls.h"
#include "watchdog.h"

// How often the end of the drain is looked for.
constexpr struct timeval DRAIN_STEP = {.tv_sec = 0, .tv_usec = 20000};
// By then the first round of discovery is over; and from then on, how often free memory is given back.
constexpr struct timeval SETTLED = {.tv_sec = 2, .tv_usec = 0};
constexpr struct timeval TRIM_STEP = {.tv_sec = 0, .tv_usec = 20000};
constexpr struct timeval TRIM_INTERVAL = {.tv_sec = 4, .tv_usec = 0};
// How often the files of TLS and for nodes are read again. They are small, as those of the API server are.
constexpr struct timeval FILES_INTERVAL = {.tv_sec = 60, .tv_usec = 0};
// What a drain may take beyond the longest deadline of a request.
constexpr int64_t DRAIN_GRACE_MS = 5000;

enum svc_state { SVC_SERVING, SVC_DRAINING, SVC_CLOSING };

// The daemon. Owns everything, for as long as the process lives.
struct svc {
    struct config config;
    enum svc_state state;
    struct event_base *base;
    struct event *on_term, *on_int, *on_usr1, *drain_timer, *trim_timer;
    struct event *on_hup, *files_timer; // null: no files that change
    struct tls *tls;                    // null: plain HTTP
    struct node_access *access;
    uint64_t asked;   // node requests, when that was looked at last
    unsigned trimmed; // libraries that gave back what only starting needs
    struct watchdog *watchdog;
    struct tasks *tasks;
    struct http_client *http;
    struct budget budget; // of node replies
    struct metrics *metrics;
    struct nodes *nodes;
    struct owners *owners;
    struct kube_account *account; // null with --nodes and without --auth kubernetes
    struct discovery *discovery;  // null with --nodes
    struct auth *auth;            // null: everybody may do everything
    struct prober *prober;
    struct api *api;
    struct http_server *server;
    size_t max_connections; // of clients
    int64_t close_by_ms;    // monotonic; set while closing
};

// The drain delay is over: no new connection; what is under way ends or meets its deadline.
static void begin_closing(struct svc *s)
{
    s->state = SVC_CLOSING;
    s->close_by_ms = clock_monotonic_ms() + s->config.max_timeout_ms + DRAIN_GRACE_MS;
    log_info("no new connections; %zu requests under way", api_in_flight(s->api));
    http_server_stop(s->server);
}

static void on_drain_timer(evutil_socket_t, short, void *arg)
{
    struct svc *s = static_cast<struct svc *>(arg);
    if (s->state == SVC_DRAINING)
        begin_closing(s);
    const bool done = api_in_flight(s->api) == 0 && http_server_is_idle(s->server);
    if (done || clock_monotonic_ms() >= s->close_by_ms) {
        event_base_loopbreak(s->base);
        return;
    }
    event_add(s->drain_timer, &DRAIN_STEP);
}

// The first signal drains, the second ends at once.
static void on_signal(evutil_socket_t number, short, void *arg)
{
    struct svc *s = static_cast<struct svc *>(arg);
    if (s->state != SVC_SERVING) {
        log_warn("second signal: ending at once");
        event_base_loopbreak(s->base);
        return;
    }
    s->state = SVC_DRAINING;
    api_drain(s->api);
    http_server_drain(s->server);
    const int64_t delay_ms = s->config.drain_delay_ms;
    log_info("%s: draining for %lld ms", number == SIGTERM ? "SIGTERM" : "SIGINT",
             static_cast<long long>(delay_ms));
    timer_start(s->drain_timer, delay_ms);
}

static void configure_log(const struct config *c)
{
    log_configure(c->log_format, c->verbose ? LOG_AT_DEBUG : LOG_AT_INFO);
}

// As with --verbose from now on, or not any more.
static void on_verbose_signal(evutil_socket_t, short, void *arg)
{
    struct config *c = &static_cast<struct svc *>(arg)->config;
    c->verbose = !c->verbose;
    configure_log(c);
    log_info("SIGUSR1: the log is %s from now on", c->verbose ? "verbose" : "brief");
}

// Giving memory back takes milliseconds, and so does getting it again: not between two requests.
static void on_rested(void *arg)
{
    if (api_in_flight(static_cast<struct svc *>(arg)->api) == 0)
        process_trim_heap();
}

static void on_trim_timer(evutil_socket_t, short, void *arg)
{
    struct svc *s = static_cast<struct svc *>(arg);
    if (process_trim_code(s->trimmed)) {
        s->trimmed++;
        event_add(s->trim_timer, &TRIM_STEP);
        return;
    }
    const uint64_t asked = metrics_node_requests(s->metrics);
    if (api_in_flight(s->api) == 0 && asked == s->asked)
        http_client_rest(s->http, on_rested, s);
    s->asked = asked;
    event_add(s->trim_timer, &TRIM_INTERVAL);
}

static void on_files_event(evutil_socket_t, short, void *arg)
{
    struct svc *s = static_cast<struct svc *>(arg);
    if (s->tls)
        tls_reread(s->tls);
    node_access_reread(s->access);
}

static const char *text_or_null(const std::string &text)
{
    return text.empty() ? nullptr : text.c_str();
}

// The address of a host, looked up once: names are not looked up while requests wait.
static std::string resolve(const std::string &host)
{
    struct addrinfo hints = {}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (error != 0)
        log_fatal("--nodes: %s: %s", host.c_str(), gai_strerror(error));
    char text[NI_MAXHOST];
    if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0,
                    NI_NUMERICHOST) != 0)
        log_fatal("--nodes: %s: no usable address", host.c_str());
    freeaddrinfo(found);
    return text;
}

// The nodes of --nodes are always ready: nobody tells otherwise.
static void use_given_nodes(struct svc *s)
{
    std::vector<struct node_record> records;
    for (const struct config_node &n : s->config.nodes) {
        struct node_record r;
        r.key = r.node = n.name;
        r.host = resolve(n.host);
        r.port = n.port;
        r.https = n.https;
        r.server_name = n.https && !address_is_ip(n.host) ? n.host : "";
        r.ready = r.serving = true;
        records.push_back(r);
    }
    nodes_replace(s->nodes, &records, clock_wall_ms());
}

static void make_account(struct svc *s)
{
    const struct config *c = &s->config;
    const struct kube_account_options options = {
        .http = s->http,
        .server = text_or_null(c->kube_server),
        .token_file = text_or_null(c->kube_token_file),
        .ca_file = text_or_null(c->kube_ca_file),
    };
    std::string error;
    s->account = kube_account_new(&options, &error);
    if (!s->account)
        log_fatal("%s", error.c_str());
}

static void start_discovery(struct svc *s)
{
    const struct config *c = &s->config;
    const struct discovery_options options = {
        .base = s->base,
        .account = s->account,
        .nodes = s->nodes,
        .poll_ms = c->poll_ms,
        .pods_selector = c->pods_selector.c_str(),
        .svc_selector = c->svc_selector.c_str(),
        .ns = text_or_null(c->ns),
    };
    std::string error;
    s->discovery = discovery_new(&options, &error);
    if (!s->discovery)
        log_fatal("%s", error.c_str());
    discovery_start(s->discovery);
}

static void start_auth(struct svc *s)
{
    const struct auth_options options = {
        .base = s->base,
        .client = kube_account_client(s->account),
        .audience = s->config.auth_audience,
    };
    s->auth = auth_new(&options);
}

// Says once, loudly, what is open to the network. On loopback that is everybody's own affair.
static void warn_of_strangers(const struct config *c)
{
    struct address address;
    std::string error;
    if (!address_parse(c->address, &address, &error) || address_is_loopback(address))
        return;
    if (c->auth == AUTH_BY_NOBODY && c->client_ca.empty())
        log_warn("EVERYBODY who reaches %s may trace every process of every node: give --auth "
                 "kubernetes, or --certfile, --keyfile and --client-ca, or listen on 127.0.0.1",
                 c->address.c_str());
    else if (c->certfile.empty())
        log_warn("the tokens of clients can be READ on their way to %s: give --certfile and "
                 "--keyfile, unless a proxy in front speaks TLS",
                 c->address.c_str());
}

static void start_prober(struct svc *s)
{
    const struct prober_options options = {
        .base = s->base,
        .http = s->http,
        .nodes = s->nodes,
        .access = s->access,
        .timeout_ms = s->config.timeout_ms,
        .max_reply = static_cast<size_t>(s->config.max_reply),
    };
    s->prober = prober_new(&options);
}

// Clients get half of the descriptors at most: nodes and the API server must stay within reach.
static size_t affordable_connections(const struct config *c)
{
    const size_t wanted = static_cast<size_t>(c->max_connections), most = process_descriptors() / 2;
    if (wanted <= most)
        return wanted;
    log_warn(
        "--max-connections: %zu instead of %zu, half of the descriptors that the system allows",
        most, wanted);
    return most;
}

static void start_api(struct svc *s)
{
    const struct config *c = &s->config;
    s->max_connections = affordable_connections(c);
    s->budget.limit = static_cast<size_t>(c->max_memory);
    const struct api_options options = {
        .broadcast = {.base = s->base,
                      .tasks = s->tasks,
                      .http = s->http,
                      .nodes = s->nodes,
                      .access = s->access,
                      .owners = s->owners,
                      .usual_timeout_ms = c->timeout_ms,
                      .max_in_flight = static_cast<size_t>(c->max_in_flight),
                      .max_reply = static_cast<size_t>(c->max_reply),
                      .budget = &s->budget,
                      .metrics = s->metrics},
        .discovery = s->discovery,
        .watchdog = s->watchdog,
        .max_timeout_ms = c->max_timeout_ms,
        .max_requests = static_cast<size_t>(c->max_requests),
        .slow_ms = c->slow_ms,
        .auth = s->auth,
        .audience = c->auth_audience.c_str(),
        .metrics_per_node = c->metrics_per_node,
        .max_connections = s->max_connections,
        .open_metrics = c->open_metrics,
    };
    s->api = api_new(&options);
}

// False: a file cannot be used.
static bool make_tls(struct svc *s, std::string *error)
{
    if (s->config.certfile.empty())
        return true;
    const struct tls_options options = {
        .cert_file = s->config.certfile,
        .key_file = s->config.keyfile,
        .client_ca = s->config.client_ca,
        .client_names = s->config.client_names,
    };
    s->tls = tls_new(&options, error);
    return s->tls;
}

// The same.
static bool make_access(struct svc *s, std::string *error)
{
    const struct node_access_options options = {
        .token_file = s->config.node_token_file,
        .ca_file = s->config.node_ca,
    };
    s->access = node_access_new(&options, error);
    return s->access;
}

// Has the files read again as time goes by, and at once when asked to.
static void watch_files(struct svc *s)
{
    const struct config *c = &s->config;
    if (!s->tls && c->node_token_file.empty() && c->node_ca.empty())
        return;
    s->on_hup = evsignal_new(s->base, SIGHUP, on_files_event, s);
    s->files_timer = event_new(s->base, -1, EV_PERSIST, on_files_event, s);
    if (!s->on_hup || !s->files_timer || event_add(s->on_hup, nullptr) != 0 ||
        event_add(s->files_timer, &FILES_INTERVAL) != 0)
        log_fatal("out of memory: no events for files");
}

static void start_server(struct svc *s)
{
    const struct config *c = &s->config;
    const struct http_server_options options = {
        .base = s->base,
        .address = c->address.c_str(),
        .max_header = static_cast<size_t>(c->max_header),
        .max_body = static_cast<size_t>(c->max_body),
        .max_connections = s->max_connections,
        .header_timeout_ms = c->request_timeout_ms,
        .idle_timeout_ms = c->idle_timeout_ms,
        .reply_timeout_ms = c->reply_timeout_ms,
        .tls = s->tls,
        .allow = api_allow,
        .vital = api_is_vital,
        .on_request = api_on_request,
        .on_replied = api_on_replied,
        .arg = s->api,
    };
    std::string error;
    s->server = http_server_new(&options, &error);
    if (!s->server)
        log_fatal("%s", error.c_str());
    const std::string host = c->address.substr(0, c->address.rfind(':'));
    log_info("tracer-svc " TRACER_SVC_VERSION " listens on %s:%u%s", host.c_str(),
             http_server_port(s->server), s->tls ? " with TLS" : "");
}

static void start_loop(struct svc *s)
{
    struct event_config *how = event_config_new();
    if (how) {
        // the coarse clock that libevent 2.1 takes by itself ends deadlines up to 4 ms early
        event_config_set_flag(how, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST |
                                       EVENT_BASE_FLAG_PRECISE_TIMER);
        s->base = event_base_new_with_config(how);
        event_config_free(how);
    }
    if (!s->base)
        log_fatal("no event loop: libevent found no way to wait");
    s->on_term = evsignal_new(s->base, SIGTERM, on_signal, s);
    s->on_int = evsignal_new(s->base, SIGINT, on_signal, s);
    s->on_usr1 = evsignal_new(s->base, SIGUSR1, on_verbose_signal, s);
    s->drain_timer = evtimer_new(s->base, on_drain_timer, s);
    s->trim_timer = evtimer_new(s->base, on_trim_timer, s);
    if (!s->on_term || !s->on_int || !s->on_usr1 || !s->drain_timer || !s->trim_timer ||
        event_add(s->on_term, nullptr) != 0 || event_add(s->on_int, nullptr) != 0 ||
        event_add(s->on_usr1, nullptr) != 0 || event_add(s->trim_timer, &SETTLED) != 0)
        log_fatal("out of memory: no signal events");
}

static void stop(struct svc *s)
{
    api_free(s->api);
    http_server_free(s->server);
    prober_free(s->prober);
    if (s->discovery)
        discovery_free(s->discovery);
    auth_free(s->auth);
    kube_account_free(s->account);
    tasks_finish(s->tasks);
    http_client_free(s->http);
    tasks_free(s->tasks);
    owners_free(s->owners);
    metrics_free(s->metrics);
    nodes_free(s->nodes);
    watchdog_free(s->watchdog);
    node_access_free(s->access);
    if (s->files_timer) {
        event_free(s->files_timer);
        event_free(s->on_hup);
    }
    event_free(s->trim_timer);
    event_free(s->drain_timer);
    event_free(s->on_usr1);
    event_free(s->on_int);
    event_free(s->on_term);
    event_base_free(s->base);
    tls_free(s->tls);
    libevent_global_shutdown();
}

static void run(struct svc *s)
{
    process_prepare();
    event_set_log_callback(log_from_libevent);
    configure_log(&s->config);
    start_loop(s);
    watch_files(s);
    s->watchdog = watchdog_new(s->base);
    s->tasks = tasks_new(s->base);
    s->http = http_client_new(s->base);
    s->nodes = nodes_new();
    s->owners = owners_new();
    s->metrics = metrics_new();
    warn_of_strangers(&s->config);
    const bool asks_kubernetes = s->config.auth == AUTH_BY_KUBERNETES;
    if (s->config.nodes.empty() || asks_kubernetes)
        make_account(s);
    if (s->config.nodes.empty())
        start_discovery(s);
    else
        use_given_nodes(s);
    if (asks_kubernetes)
        start_auth(s);
    start_prober(s);
    start_api(s);
    start_server(s);
    event_base_loop(s->base, EVLOOP_NO_EXIT_ON_EMPTY);
    stop(s);
    log_info("ended");
}

int main(int argc, char **argv)
{
    struct svc s = {};
    std::string error;
    switch (config_read(&s.config, argc, argv, getenv, &error)) {
    case CONFIG_RUN:
        if (!make_tls(&s, &error) || !make_access(&s, &error))
            break;
        run(&s);
        return 0;
    case CONFIG_HELP: fputs(config_help().c_str(), stdout); return 0;
    case CONFIG_COMPLETION: fputs(config_completion(s.config.shell).c_str(), stdout); return 0;
    case CONFIG_VERSION: puts("tracer-svc " TRACER_SVC_VERSION); return 0;
    case CONFIG_BAD: break;
    }
    fprintf(stderr, "tracer-svc: %s\n", error.c_str());
    return 2;
}
