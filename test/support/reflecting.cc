// Reflectors on a scripted HTTP client.
#include "reflecting.h"

#include "cmocka_cc.h"

#include <cstring>

#include "log.h"

static void on_change(void *arg)
{
    static_cast<struct reflecting *>(arg)->changes++;
}

static void on_current(void *arg)
{
    static_cast<struct reflecting *>(arg)->currents++;
}

static void on_error(void *arg, const struct reflector_error *error)
{
    struct reflecting *f = static_cast<struct reflecting *>(arg);
    f->errors++;
    f->message = error->message;
    f->refused = error->refused;
    if (f->stop_on_error)
        reflector_stop(f->reflector);
}

void use(struct reflecting *f, enum kube_resource resource, const struct reflector_pace &pace)
{
    reflector_free(f->reflector);
    struct reflector_options options = {
        .base = f->base,
        .client = f->client,
        .query = {},
        .pace = pace,
        .on_change = on_change,
        .on_current = on_current,
        .on_error = on_error,
        .arg = f,
    };
    options.query.resource = resource;
    f->reflector = reflector_new(&options);
}

int reflecting_begin(void **state)
{
    struct reflecting *f = new struct reflecting();
    log_configure(LOG_AS_TEXT, LOG_AT_ERROR);
    f->base = event_base_new();
    f->http = http_client_new(f->base);
    f->script = fake_http_client_script(f->http);
    std::string error;
    f->credentials = credentials_new(nullptr, nullptr, 0, &error);
    f->client = kube_client_new(f->http, f->credentials, "https://api");
    use(f, KUBE_PODS, QUICK);
    *state = f;
    return 0;
}

int reflecting_end(void **state)
{
    struct reflecting *f = static_cast<struct reflecting *>(*state);
    reflector_free(f->reflector);
    kube_client_free(f->client);
    credentials_free(f->credentials);
    http_client_free(f->http);
    event_base_free(f->base);
    delete f;
    return 0;
}

void add(struct reflecting *f, int status, const std::string &body)
{
    struct fake_reply reply;
    reply.status = status == 0 ? FETCH_RESET : FETCH_DONE;
    reply.http_status = status;
    reply.body = body;
    f->script->replies.push_back(reply);
}

void add_watch(struct reflecting *f, const std::string &body)
{
    add(f, 200, body);
    f->script->replies.back().match = "watch=1";
    f->script->replies.back().open = true;
}

const struct reflector_status *status(const struct reflecting *f)
{
    return reflector_get_status(f->reflector);
}

void run(struct reflecting *f, size_t requests)
{
    const int64_t end = clock_monotonic_ms() + PATIENCE_MS;
    while (f->script->requests.size() < requests && clock_monotonic_ms() < end)
        event_base_loop(f->base, EVLOOP_ONCE);
    assert_int_equal(f->script->requests.size(), requests);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
}

bool has(const struct reflecting *f, size_t i, const char *part)
{
    assert_true(i < f->script->requests.size());
    return strstr(f->script->requests[i].url.c_str(), part) != nullptr;
}

size_t count(const struct reflecting *f)
{
    return reflector_store(f->reflector)->items.size();
}
