// HTTP requests over curl. Owns the fetches, those under way and some at rest, each with an easy
// handle of curl, on which all that never differs is set once. Knows nothing of what is asked or answered.
//
// Callbacks of curl only record; fetches begin in on_start and end in finish, from the event loop.
#include "http_client.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string_view>
#include <strings.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "blob.h"
#include "clock.h"
#include "http_client_easy.h"
#include "http_client_loop.h"
#include "log.h"
#include "pool.h"
#include "tasks.h"

// What is set aside for a body because its server announced it.
constexpr curl_off_t PRESIZE_MAX = 262144;
constexpr int RECEIVE_BUFFER = 65536;         // bytes; Linux doubles it
constexpr size_t RESTING_MAX = 256;           // easy handles kept for later
constexpr unsigned STREAM_UNACKED_MS = 60000; // a stream with data this long unacknowledged is dead
constexpr int STREAM_KEEPALIVE_PROBES = 3;
// What is read of one reply before it is the others' turn: curl 7.88 reads up to 1.6 MB in a row.
constexpr size_t BURST_MAX = 131072;
constexpr size_t WARNING_MAX = 1024;    // bytes kept of a Warning header
constexpr size_t REFUSAL_MAX = 65536;   // bytes kept of what is sent instead of a stream
constexpr size_t TRIMMED_A_STEP = 1000; // pieces of curl's memory, while nothing is going on

struct http_client {
    struct tasks *tasks;
    struct task rest;
    uint32_t rest_shard; // the next that is to be looked at
    rested_fn rested;
    void *rested_arg;
    struct curl_loop *loop;
    struct fetch_headers *no_headers;    // for requests that bring none
    std::vector<struct fetch *> resting; // the last one used is the next
    std::vector<struct fetch *> live;    // all fetches, at fetch.slot
};

// Is somebody's from fetch_start until its `done` has returned or until fetch_cancel; then it goes back to
// those at rest.
struct fetch {
    struct http_client *client;
    struct task task;    // to be started, or to go on after a pause
    uint32_t number;     // of its shard
    struct shard *shard; // null: not yet added, or out of it again
    struct easy *easy;
    bool refused; // by curl, before it was started
    size_t slot;  // in client->live
    fetch_done_fn done;
    fetch_data_fn on_data;
    void *arg;
    int64_t begun_ms;
    int64_t timeout_ms;
    size_t max_body;
    size_t received; // bytes of body
    uint64_t action; // of curl, in which
    size_t burst;    // so many of them have come
    bool no_resend;
    bool discard;
    bool stream;
    bool patient;              // a stream or Kubernetes: TCP must notice a dead peer by itself
    bool in_headers;           // between a status line and the empty line
    enum fetch_status stopped; // why on_body ended it; FETCH_DONE: it did not
    int http_status;
    unsigned tries;
    long retry_after_s;
    std::string warning;
    struct blob *body;
    struct curl_slist *connect_to; // null: to what the URL says
    char error[CURL_ERROR_SIZE];
};

// Whether a line of a reply's head, which no NUL ends, is the header of this name.
static bool is_header(const char *line, size_t line_size, const char *name)
{
    const size_t size = strlen(name);
    return line_size > size && line[size] == ':' && strncasecmp(line, name, size) == 0;
}

// The digits of a Retry-After; -1 for a date or a number without sense.
static long parse_seconds(std::string_view value)
{
    if (value.empty() || value.size() > 9)
        return -1;
    long seconds = 0;
    for (const char c : value) {
        if (c < '0' || c > '9')
            return -1;
        seconds = seconds * 10 + (c - '0');
    }
    return seconds;
}

// What stands after "Name:", without the blanks around it.
static std::string_view header_value(std::string_view line)
{
    const size_t begin = line.find_first_not_of(" \t", line.find(':') + 1);
    const size_t end = line.find_last_not_of(" \t\r\n");
    if (begin == line.npos || end == line.npos || end < begin)
        return "";
    return line.substr(begin, end - begin + 1);
}

// A reply begins, perhaps after another of status 1xx: nothing of that one stays.
static void begin_reply(struct fetch *f, std::string_view status_line)
{
    f->in_headers = true;
    f->retry_after_s = -1;
    f->warning.clear();
    f->http_status = 0;
    const size_t space = status_line.find(' ');
    for (size_t i = space + 1; space != status_line.npos && i < space + 4; i++)
        if (i < status_line.size() && status_line[i] >= '0' && status_line[i] <= '9')
            f->http_status = f->http_status * 10 + (status_line[i] - '0');
}

// Ends the transfer from within one of curl's callbacks, for a reason that curl does not know.
static size_t stop(struct fetch *f, enum fetch_status why)
{
    f->stopped = why;
    return CURL_WRITEFUNC_ERROR;
}

// Called by curl with each line of a reply's head, and with trailers, which do not count.
static size_t on_header(char *data, size_t, size_t size, void *arg)
{
    struct fetch *f = static_cast<struct fetch *>(arg);
    if (f->http_status < 200 && size >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        begin_reply(f, {data, size});
        return size;
    }
    if (!f->in_headers)
        return size;
    if (data[0] == '\r' || data[0] == '\n') {
        f->in_headers = false;
        if (f->stream && f->http_status == 200 && !f->on_data(f->arg, nullptr, 0))
            return stop(f, FETCH_STOPPED);
        return size;
    }
    if (is_header(data, size, "Retry-After"))
        f->retry_after_s = parse_seconds(header_value({data, size}));
    else if (is_header(data, size, "Warning") && f->warning.empty())
        f->warning = header_value({data, size}).substr(0, WARNING_MAX);
    return size;
}

// A piece of a stream, or of what is sent instead.
static size_t take_stream(struct fetch *f, const char *data, size_t size)
{
    const bool good = f->http_status == 200;
    if (size > (good ? f->max_body : REFUSAL_MAX) - f->received)
        return stop(f, FETCH_TOO_LARGE);
    f->received += size;
    if (!good)
        blob_append(f->body, data, size);
    else if (!f->on_data(f->arg, data, size))
        return stop(f, FETCH_STOPPED);
    return size;
}

// Whether it has read enough for now.
static bool is_over_burst(struct fetch *f, size_t size)
{
    const uint64_t action = curl_loop_actions(f->client->loop);
    f->burst = (f->action == action ? f->burst : 0) + size;
    f->action = action;
    return f->burst > BURST_MAX;
}

// Called by curl with each piece of the body, at most 16 KB. After a pause it comes with the same again.
static size_t on_body(char *data, size_t, size_t size, void *arg)
{
    struct fetch *f = static_cast<struct fetch *>(arg);
    if (is_over_burst(f, size)) {
        tasks_add(f->client->tasks, &f->task);
        return CURL_WRITEFUNC_PAUSE;
    }
    if (f->stream)
        return take_stream(f, data, size);
    if (f->received == 0) {
        curl_off_t length = -1;
        curl_easy_getinfo(f->easy->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        if (length > 0 && static_cast<uint64_t>(length) > f->max_body)
            return stop(f, FETCH_TOO_LARGE);
        const size_t room = static_cast<size_t>(std::clamp<curl_off_t>(length, 0, PRESIZE_MAX));
        if (!f->discard && blob_has_room(f->body, room))
            blob_reserve(f->body, room);
    }
    if (size > f->max_body - f->received || (!f->discard && !blob_has_room(f->body, size)))
        return stop(f, FETCH_TOO_LARGE);
    f->received += size;
    if (!f->discard)
        blob_append(f->body, data, size);
    if (f->on_data && !f->on_data(f->arg, data, size))
        return stop(f, FETCH_STOPPED);
    return size;
}

// Called by curl whenever it is about to send the request, also when it sends it again.
static int on_send(void *arg, char *, char *, int, int)
{
    struct fetch *f = static_cast<struct fetch *>(arg);
    if (f->no_resend && f->tries > 0)
        return CURL_PREREQFUNC_ABORT;
    f->tries++;
    return CURL_PREREQFUNC_OK;
}

// Called by curl with a new socket. Without these a watch on a dead server would stay for hours.
static int on_socket_made(void *arg, curl_socket_t fd, curlsocktype)
{
    struct fetch *f = static_cast<struct fetch *>(arg);
    curl_loop_opened(f->client->loop, fd);
    // of each of thousands of nodes
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &RECEIVE_BUFFER, sizeof RECEIVE_BUFFER);
    if (f->patient) {
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &STREAM_UNACKED_MS, sizeof STREAM_UNACKED_MS);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &STREAM_KEEPALIVE_PROBES,
                   sizeof STREAM_KEEPALIVE_PROBES);
    }
    return CURL_SOCKOPT_OK;
}

// Makes the fetch the owner of its handle.
static void set_callbacks(CURL *e, struct fetch *f)
{
    curl_easy_setopt(e, CURLOPT_PRIVATE, f);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, f->error);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, f);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_send);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, f);
    curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, on_socket_made);
    curl_easy_setopt(e, CURLOPT_SOCKOPTDATA, f);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, curl_loop_close_socket);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, f->client->loop);
}

static struct fetch *take_fetch(struct http_client *c)
{
    if (!c->resting.empty()) {
        struct fetch *f = c->resting.back();
        c->resting.pop_back();
        return f;
    }
    struct fetch *f = new fetch{};
    f->client = c;
    f->easy = easy_new();
    set_callbacks(f->easy->curl, f);
    return f;
}

static void delete_fetch(struct fetch *f)
{
    easy_free(f->easy);
    delete f;
}

static void give_fetch(struct fetch *f)
{
    struct http_client *c = f->client;
    struct easy *easy = f->easy;
    if (c->resting.size() == RESTING_MAX) {
        delete_fetch(f);
        return;
    }
    *f = {};
    f->client = c;
    f->easy = easy;
    c->resting.push_back(f);
}

// curl reports both of its time-outs alike. Ours of all is over by now if that was the one.
static enum fetch_status timeout_status(const struct fetch *f, int64_t ms)
{
    return f->timeout_ms > 0 && ms >= f->timeout_ms ? FETCH_TIMEOUT : FETCH_CONNECT;
}

static enum fetch_status status_of(const struct fetch *f, CURLcode code, int64_t ms)
{
    if (f->stopped != FETCH_DONE)
        return f->stopped;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return timeout_status(f, ms);
    // curl 7.88 is content with a connection that ends within the reply's head
    if (code == CURLE_OK && (f->in_headers || f->http_status < 200))
        return FETCH_RESET;
    return easy_status(code, f->tries > 0);
}

static const char *error_words(const struct fetch *f, enum fetch_status status, CURLcode code)
{
    if (status == FETCH_DONE)
        return "";
    if (status == FETCH_TOO_LARGE)
        return "the reply's body is too large";
    if (status == FETCH_STOPPED)
        return "stopped by the receiver";
    if (code == CURLE_OK)
        return "the connection ended within the reply's head";
    return f->error[0] ? f->error : curl_easy_strerror(code);
}

// Takes a fetch out of the client's lists; curl has let it go.
static void unlink_fetch(struct fetch *f)
{
    std::vector<struct fetch *> *live = &f->client->live;
    live->back()->slot = f->slot;
    (*live)[f->slot] = live->back();
    live->pop_back();
}

static void fetch_free(struct fetch *f)
{
    blob_unref(f->body);
    curl_slist_free_all(f->connect_to);
    give_fetch(f);
}

// The one end of every fetch that is not cancelled.
static void finish(struct fetch *f, CURLcode code, long connects)
{
    const int64_t ms = clock_monotonic_ms() - f->begun_ms;
    const enum fetch_status status = status_of(f, code, ms);
    const struct fetch_result result = {
        .status = status,
        .http_status = f->http_status,
        .ms = ms,
        .sent = f->tries > 0,
        .tries = f->tries,
        .connects = connects,
        .retry_after_s = f->retry_after_s,
        .warning = f->warning.c_str(),
        .error = error_words(f, status, code),
        .body = f->body,
    };
    task_remove(&f->task);
    unlink_fetch(f);
    const fetch_done_fn done = f->done;
    f->done = nullptr;
    done(f->arg, &result);
    fetch_free(f);
}

// curl has ended a transfer, and it is out of its shard.
static void on_transfer_done(void *, CURL *easy, CURLcode code)
{
    char *owner = nullptr;
    long connects = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
    struct fetch *f = reinterpret_cast<struct fetch *>(owner);
    f->shard = nullptr;
    finish(f, code, connects);
}

// It was paused by on_body, which gets that piece of the body again, and may end it this time.
static bool on_resume(void *arg)
{
    struct fetch *f = static_cast<struct fetch *>(arg);
    struct shard *s = f->shard;
    f->burst = 0;
    const CURLcode code = curl_easy_pause(f->easy->curl, CURLPAUSE_CONT);
    if (code == CURLE_OK)
        shard_run(s);
    else
        shard_end(s, f->easy->curl, code);
    return false;
}

static bool on_start(void *arg)
{
    struct fetch *f = static_cast<struct fetch *>(arg);
    struct shard *s = curl_loop_shard(f->client->loop, f->number);
    f->task.step = on_resume;
    if (f->refused || !shard_add(s, f->easy->curl)) {
        finish(f, CURLE_FAILED_INIT, 0);
        return false;
    }
    f->shard = s;
    shard_run(s);
    return false;
}

struct fetch *fetch_start(struct http_client *c, const struct fetch_options *o)
{
    struct fetch *f = take_fetch(c);
    f->task = {.step = on_start, .arg = f, .next = nullptr, .previous = nullptr};
    f->number = o->shard;
    f->slot = c->live.size();
    c->live.push_back(f);
    f->done = o->done;
    f->on_data = o->on_data;
    f->arg = o->arg;
    f->begun_ms = clock_monotonic_ms();
    f->timeout_ms = o->timeout_ms;
    f->max_body = o->max_body;
    f->no_resend = o->once || o->no_resend;
    f->discard = o->discard;
    f->stream = o->stream;
    f->patient = o->timeout_ms == 0 || o->shard == FETCH_SHARD_KUBERNETES;
    f->retry_after_s = -1;
    f->body = blob_new_within(o->budget);
    f->connect_to = easy_set_connect_to(f->easy->curl, o->connect_to);
    f->refused = !easy_set_request(f->easy, o, o->headers ? o->headers : c->no_headers);
    tasks_add(c->tasks, &f->task);
    return f;
}

void fetch_cancel(struct fetch *f)
{
    assert(f->done); // or it is in its `done`, or at rest
    task_remove(&f->task);
    if (f->shard)
        shard_remove(f->shard, f->easy->curl);
    unlink_fetch(f);
    fetch_free(f);
}

bool fetch_was_sent(const struct fetch *f)
{
    return f->tries > 0;
}

static bool on_rest(void *arg)
{
    struct http_client *c = static_cast<struct http_client *>(arg);
    if (pool_trim(TRIMMED_A_STEP) || curl_loop_rest(c->loop, c->rest_shard++))
        return true;
    c->rested(c->rested_arg);
    return false;
}

void http_client_rest(struct http_client *c, rested_fn rested, void *arg)
{
    c->rested = rested;
    c->rested_arg = arg;
    c->rest_shard = FETCH_SHARD_KUBERNETES + 1; // that one is asked all the time
    tasks_add(c->tasks, &c->rest);
}

static CURLcode init_curl()
{
    if (!pool_is_watched())
        pool_open();
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, pool_take, pool_give, pool_resize,
                                pool_take_copy, pool_take_zeroed);
}

struct http_client *http_client_new(struct event_base *base)
{
    if (init_curl() != CURLE_OK)
        log_fatal("curl cannot be initialised");
    struct http_client *c = new http_client{};
    c->rest = {.step = on_rest, .arg = c, .next = nullptr, .previous = nullptr};
    c->tasks = tasks_new(base);
    c->loop = curl_loop_new(base, c->tasks, on_transfer_done, c);
    c->no_headers = fetch_headers_new({});
    return c;
}

// The order is curl's: transfers out of their multi handles, easy handles, multi handles, at last
// what their callbacks use.
void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    task_remove(&c->rest);
    while (!c->live.empty())
        fetch_cancel(c->live.back());
    for (struct fetch *f : c->resting)
        delete_fetch(f);
    curl_loop_free(c->loop);
    tasks_free(c->tasks);
    fetch_headers_free(c->no_headers);
    delete c;
    curl_global_cleanup();
    (void)pool_trim(SIZE_MAX);
}

void http_client_forget(struct http_client *c, uint32_t shard)
{
    curl_loop_forget(c->loop, shard);
}
