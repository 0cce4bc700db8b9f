// The option table: flags, environment, defaults, and what is said about bad values.
#include "config.h"

#include <cstdio>
#include <cstring>
#include <map>
#include <unistd.h>

#include "cmocka_cc.h"

static std::map<std::string, std::string> the_environment;

static char *fake_getenv(const char *name)
{
    const auto at = the_environment.find(name);
    return at == the_environment.end() ? nullptr : at->second.data();
}

// Reads a command line given as words.
static enum config_action read_words(struct config *c, std::vector<std::string> words,
                                     std::string *error)
{
    std::string name = "tracer-svc";
    std::vector<char *> argv = {name.data()};
    for (std::string &word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    return config_read(c, static_cast<int>(argv.size()) - 1, argv.data(), fake_getenv, error);
}

static int forget_environment(void **)
{
    the_environment.clear();
    return 0;
}

static void nothing__given__gives_the_defaults(void **)
{
    struct config c;
    std::string error;

    assert_int_equal(read_words(&c, {}, &error), CONFIG_RUN);

    assert_string_equal(c.address.c_str(), ":8080");
    assert_int_equal(c.poll_ms, 10000);
    assert_string_equal(c.pods_selector.c_str(), "app=container-tracer-backend");
    assert_string_equal(c.svc_selector.c_str(), "metadata.name=container-tracer-node");
    assert_false(c.verbose);
    assert_string_equal(c.ns.c_str(), "");
    assert_int_equal(c.nodes.size(), 0);
    assert_int_equal(c.timeout_ms, 10000);
    assert_int_equal(c.max_timeout_ms, 60000);
    assert_int_equal(c.max_requests, 256);
    assert_int_equal(c.max_connections, 1024);
    assert_int_equal(c.max_in_flight, 64);
    assert_int_equal(c.max_body, 1 << 20);
    assert_int_equal(c.max_reply, 16 << 20);
    assert_int_equal(c.drain_delay_ms, 5000);
    assert_int_equal(c.log_format, LOG_AS_TEXT);
}

static void flag__and_variable_given__flag_wins(void **)
{
    struct config c;
    std::string error;
    the_environment = {{"TRACE_KUBE_DISCOVERY_POLL", "7"}, {"TRACE_KUBE_API_ADDRESS", ":1"}};

    assert_int_equal(read_words(&c, {"--address", "127.0.0.1:9"}, &error), CONFIG_RUN);

    assert_string_equal(c.address.c_str(), "127.0.0.1:9");
    assert_int_equal(c.poll_ms, 7000);
}

static void variable__bad_but_flag_given__is_not_looked_at(void **)
{
    struct config c;
    std::string error;
    the_environment = {{"TRACE_KUBE_DISCOVERY_POLL", "soon"}};

    assert_int_equal(read_words(&c, {"--poll", "3"}, &error), CONFIG_RUN);

    assert_int_equal(c.poll_ms, 3000);
}

static void variable__empty__counts_as_unset(void **)
{
    struct config c;
    std::string error;
    the_environment = {{"TRACE_KUBE_DISCOVERY_POLL", ""}, {"TRACE_KUBE_TLS_CERT", ""}};

    assert_int_equal(read_words(&c, {}, &error), CONFIG_RUN);

    assert_int_equal(c.poll_ms, 10000);
}

static void spellings__of_go__are_taken(void **)
{
    const std::vector<std::vector<std::string>> lines = {
        {"-address", "[::1]:8080", "-verbose"},
        {"--address=[::1]:8080", "--verbose"},
        {"-address=[::1]:8080", "-verbose=true"},
        {"--address", "[::1]:8080", "--verbose=1"},
    };

    for (const auto &line : lines) {
        struct config c;
        std::string error;
        assert_int_equal(read_words(&c, line, &error), CONFIG_RUN);
        assert_string_equal(c.address.c_str(), "[::1]:8080");
        assert_true(c.verbose);
    }
}

static void verbose__false__beats_the_variable(void **)
{
    struct config c;
    std::string error;
    the_environment = {{"TRACE_KUBE_VERBOSE", "yes"}};

    assert_int_equal(read_words(&c, {"--verbose=false"}, &error), CONFIG_RUN);

    assert_false(c.verbose);
}

static void verbose__as_variable__takes_words_for_yes_and_no(void **)
{
    const struct {
        const char *text;
        bool verbose;
    } cases[] = {{"1", true},  {"true", true},   {"yes", true}, {"on", true},  {"TRUE", true},
                 {"0", false}, {"false", false}, {"no", false}, {"off", false}};

    for (const auto &t : cases) {
        struct config c;
        std::string error;
        the_environment = {{"TRACE_KUBE_VERBOSE", t.text}};
        assert_int_equal(read_words(&c, {}, &error), CONFIG_RUN);
        assert_int_equal(c.verbose, t.verbose);
    }
}

static void nodes__listed__are_read_in_order(void **)
{
    struct config c;
    std::string error;

    assert_int_equal(
        read_words(&c, {"--nodes", "worker-1=10.0.0.1:8080,w2=[fd00::2]:81,localhost:82"}, &error),
        CONFIG_RUN);

    assert_int_equal(c.nodes.size(), 3);
    assert_string_equal(c.nodes[0].name.c_str(), "worker-1");
    assert_string_equal(c.nodes[0].host.c_str(), "10.0.0.1");
    assert_int_equal(c.nodes[0].port, 8080);
    assert_string_equal(c.nodes[1].host.c_str(), "fd00::2");
    assert_string_equal(c.nodes[2].name.c_str(), "localhost:82");
    assert_string_equal(c.nodes[2].host.c_str(), "localhost");
}

static void nodes__with_https__are_read(void **)
{
    struct config c;
    std::string error;
    the_environment = {{"TRACE_KUBE_NODE_CA", "ca.crt"}};

    assert_int_equal(read_words(&c,
                                {"--nodes", "a=https://10.0.0.1:8443,https://b.example:81,c=d:82",
                                 "--node-token-file", "token"},
                                &error),
                     CONFIG_RUN);

    assert_int_equal(c.nodes.size(), 3);
    assert_true(c.nodes[0].https);
    assert_string_equal(c.nodes[0].name.c_str(), "a");
    assert_string_equal(c.nodes[0].host.c_str(), "10.0.0.1");
    assert_int_equal(c.nodes[0].port, 8443);
    assert_true(c.nodes[1].https);
    assert_string_equal(c.nodes[1].name.c_str(), "b.example:81");
    assert_string_equal(c.nodes[1].host.c_str(), "b.example");
    assert_false(c.nodes[2].https);
    assert_string_equal(c.node_token_file.c_str(), "token");
    assert_string_equal(c.node_ca.c_str(), "ca.crt");
}

static void tls__as_variables__is_read(void **)
{
    struct config c;
    std::string error;
    the_environment = {{"TRACE_KUBE_TLS_CERT", "tls.crt"},
                       {"TRACE_KUBE_TLS_KEY", "tls.key"},
                       {"TRACE_KUBE_TLS_CLIENT_CA", "ca.crt"},
                       {"TRACE_KUBE_TLS_CLIENT_NAMES", "a.example,b"}};

    assert_int_equal(read_words(&c, {}, &error), CONFIG_RUN);

    assert_string_equal(c.certfile.c_str(), "tls.crt");
    assert_string_equal(c.keyfile.c_str(), "tls.key");
    assert_string_equal(c.client_ca.c_str(), "ca.crt");
    assert_int_equal(c.client_names.size(), 2);
    assert_string_equal(c.client_names[1].c_str(), "b");
}

static void auth__given__is_read(void **)
{
    struct config c;
    std::string error;

    assert_int_equal(read_words(&c, {}, &error), CONFIG_RUN);
    assert_int_equal(c.auth, AUTH_BY_NOBODY);
    assert_string_equal(c.auth_audience.c_str(), "tracer-svc");
    assert_false(c.open_metrics);

    the_environment = {{"TRACE_KUBE_AUTH", "kubernetes"},
                       {"TRACE_KUBE_AUTH_AUDIENCE", "mine"},
                       {"TRACE_KUBE_OPEN_METRICS", "1"}};
    assert_int_equal(read_words(&c, {"--nodes", "a:1", "--kube-server", "https://b"}, &error),
                     CONFIG_RUN);
    assert_int_equal(c.auth, AUTH_BY_KUBERNETES);
    assert_string_equal(c.auth_audience.c_str(), "mine");
    assert_true(c.open_metrics);
}

// Words that are refused, and parts of what is said then.
struct bad_words {
    std::vector<std::string> words;
    const char *says[3];
};

static void assert_refused(const struct bad_words &bad)
{
    struct config c;
    std::string error;
    assert_int_equal(read_words(&c, bad.words, &error), CONFIG_BAD);
    for (const char *part : bad.says)
        if (!strstr(error.c_str(), part))
            fail_msg("\"%s\" does not say %s", error.c_str(), part);
}

static void value__bad__is_refused_naming_flag_and_what_it_takes(void **)
{
    const struct bad_words cases[] = {
        {{"--poll", "0"}, {"--poll", "\"0\"", "duration from 100ms to 24h"}},
        {{"--poll=-5"}, {"--poll", "\"-5\"", "duration"}},
        {{"--poll", "soon"}, {"--poll", "soon", "such as"}},
        {{"--address", "nonsense"}, {"--address", "nonsense", "port"}},
        {{"--address", "127.0.0.1:70000"}, {"--address", "70000", "65535"}},
        {{"--address", ""}, {"--address", "\"\"", ""}},
        {{"--kube-server", "10.0.0.1:6443"}, {"--kube-server", "HOST:PORT", "https://"}},
        {{"--svc-selector", "spec.x=1"}, {"--svc-selector", "spec.x=1", "metadata.name"}},
        {{"--pods-selector", "="}, {"--pods-selector", "key=value", ""}},
        {{"--timeout", "90s"}, {"--timeout", "90s", "--max-timeout"}},
        {{"--max-requests", "0"}, {"--max-requests", "\"0\"", "whole number from 1"}},
        {{"--max-requests", "1e3"}, {"--max-requests", "1e3", "whole number"}},
        {{"--max-body", "1MB"}, {"--max-body", "1MB", "1MiB"}},
        {{"--log-format", "xml"}, {"--log-format", "xml", "text or json"}},
        {{"--verbose=maybe"}, {"--verbose", "maybe", "true"}},
        {{"--certfile", "x.pem"}, {"--certfile", "--keyfile", "TRACE_KUBE_TLS_KEY"}},
        {{"--keyfile=x.pem"}, {"--keyfile", "--certfile", "TRACE_KUBE_TLS_CERT"}},
        {{"--certfile=", "--keyfile="}, {"--certfile", "\"\"", "a file"}},
        {{"--client-ca", "x.pem"}, {"--client-ca", "--certfile", ""}},
        {{"--certfile=x", "--keyfile=y", "--client-names=a"},
         {"--client-names", "--client-ca", ""}},
        {{"--client-names", "a,,b"}, {"--client-names", "a,,b", "commas"}},
        {{"--auth", "basic"}, {"--auth", "basic", "none or kubernetes"}},
        {{"--auth", ""}, {"--auth", "\"\"", "none"}},
        {{"--auth-audience="}, {"--auth-audience", "\"\"", "tracer-svc"}},
        {{"--open-metrics=perhaps"}, {"--open-metrics", "perhaps", "true"}},
        {{"--pods-selector", ""}, {"--pods-selector", "app=container-tracer-backend", ""}},
        {{"--addr", ":1"}, {"--addr", "no such option", "--help"}},
        {{"--nope"}, {"--nope", "no such option", ""}},
        {{"-x"}, {"-x", "no such option", ""}},
        {{"--address"}, {"--address", "takes a value", ""}},
        {{"word"}, {"word", "not an option", ""}},
        {{"--verbose", "false"}, {"false", "not an option", ""}},
    };

    for (const struct bad_words &bad : cases)
        assert_refused(bad);
}

static void nodes__bad__are_refused_naming_the_entry(void **)
{
    const struct bad_words cases[] = {
        {{"--nodes", "a=10.0.0.1:1,a=10.0.0.2:1"}, {"--nodes", "twice", "a"}},
        {{"--nodes", "a=10.0.0.1:1,"}, {"--nodes", "HOST:PORT", ""}},
        {{"--nodes", "a=10.0.0.1:0"}, {"--nodes", "HOST:PORT", "10.0.0.1:0"}},
        {{"--nodes", "a=10.0.0.999:8"}, {"--nodes", "HOST:PORT", "10.0.0.999:8"}},
        {{"--nodes", "a=https://10.0.0.1"}, {"--nodes", "https://HOST:PORT", "https://10.0.0.1"}},
        {{"--nodes", "a=https://b:8/"}, {"--nodes", "https://HOST:PORT", "https://b:8/"}},
        {{"--nodes", "a=http://b:8"}, {"--nodes", "NAME=HOST:PORT", "http://b:8"}},
        {{"--node-token-file="}, {"--node-token-file", "\"\"", "a file"}},
        {{"--node-ca="}, {"--node-ca", "\"\"", "a file"}},
        {{"--nodes=a:1", "--node-ca=x"}, {"--node-ca", "https://", "--nodes"}},
        {{"--nodes=a:1", "--node-token-file=x"}, {"--node-token-file", "https://", "--nodes"}},
        {{"--nodes", "a b=10.0.0.1:8"}, {"--nodes", "HOST:PORT", "a b"}},
        {{"--nodes", "a:1", "--kube-server", "http://a"}, {"--nodes", "--kube-server", ""}},
        {{"--auth", "kubernetes", "--kube-server", "http://a"},
         {"--kube-server", "https://", "http://a"}},
    };

    for (const struct bad_words &bad : cases)
        assert_refused(bad);
}

static void variable__bad__is_refused_naming_the_variable(void **)
{
    const struct {
        const char *name, *value;
    } cases[] = {{"TRACE_KUBE_DISCOVERY_POLL", "0"}, {"TRACE_KUBE_API_ADDRESS", "nonsense"},
                 {"TRACE_KUBE_VERBOSE", "maybe"},    {"TRACE_KUBE_TLS_CLIENT_NAMES", ","},
                 {"TRACE_KUBE_AUTH", "Kubernetes"},  {"TRACE_KUBE_NODES", "x"}};

    for (const auto &t : cases) {
        struct config c;
        std::string error;
        the_environment = {{t.name, t.value}};
        assert_int_equal(read_words(&c, {}, &error), CONFIG_BAD);
        assert_ptr_equal(strstr(error.c_str(), t.name), error.c_str());
    }
}

static void help__asked_for__fits_eighty_columns_and_names_all(void **)
{
    struct config c;
    std::string error;
    for (const char *word : {"--help", "-help", "-h"})
        assert_int_equal(read_words(&c, {word}, &error), CONFIG_HELP);
    assert_int_equal(read_words(&c, {"--version"}, &error), CONFIG_VERSION);

    const std::string help = config_help();

    size_t begin = 0;
    for (size_t end; (end = help.find('\n', begin)) != std::string::npos; begin = end + 1)
        assert_true(end - begin <= 80);
    for (const char *name : {"--address", "TRACE_KUBE_API_ADDRESS", "--drain-delay", "--help"})
        assert_non_null(strstr(help.c_str(), name));
}

// What bash makes of a command line: its last word is completed.
static std::string completed(const std::string &words, int last)
{
    const std::string file = "/tmp/tracer-svc-completion-" + std::to_string(getpid());
    FILE *script = fopen(file.c_str(), "w");
    assert_non_null(script);
    fputs(config_completion(CONFIG_BASH).c_str(), script);
    fclose(script);
    const std::string command = "bash -c '. " + file + "; COMP_WORDS=(" + words +
                                "); COMP_CWORD=" + std::to_string(last) +
                                "; _tracer_svc; echo ${COMPREPLY[@]}'";
    FILE *out = popen(command.c_str(), "r");
    assert_non_null(out);
    char text[4096] = "";
    const size_t size = fread(text, 1, sizeof text - 1, out);
    assert_int_equal(pclose(out), 0);
    unlink(file.c_str());
    return std::string(text, size);
}

static void completion__in_bash__knows_flags_choices_and_files(void **)
{
    struct config c;
    std::string error;
    assert_int_equal(read_words(&c, {"--completion", "zsh"}, &error), CONFIG_COMPLETION);
    assert_int_equal(c.shell, CONFIG_ZSH);

    assert_string_equal(completed("tracer-svc --pod", 1).c_str(), "--pods-selector\n");
    assert_string_equal(completed("tracer-svc --log-format j", 2).c_str(), "json\n");
    assert_string_equal(completed("tracer-svc --log-format = t", 3).c_str(), "text\n");
    assert_string_equal(completed("tracer-svc --certfile /etc/hostnam", 2).c_str(),
                        "/etc/hostname\n");
    assert_string_equal(completed("tracer-svc --poll 1", 2).c_str(), "\n");
}

static void completion__in_zsh__quotes_what_the_shell_would_read(void **)
{
    const std::string script = config_completion(CONFIG_ZSH);

    for (const char *part : {"#compdef tracer-svc\n", "'--verbose[", ":IP\\:PORT:'",
                             ":FILE:_files'", ":text|json:(text json)'", "'\\''kubectl proxy'\\''"})
        assert_non_null(strstr(script.c_str(), part));
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing__given__gives_the_defaults, forget_environment),
        cmocka_unit_test_setup(flag__and_variable_given__flag_wins, forget_environment),
        cmocka_unit_test_setup(variable__bad_but_flag_given__is_not_looked_at, forget_environment),
        cmocka_unit_test_setup(variable__empty__counts_as_unset, forget_environment),
        cmocka_unit_test_setup(spellings__of_go__are_taken, forget_environment),
        cmocka_unit_test_setup(verbose__false__beats_the_variable, forget_environment),
        cmocka_unit_test_setup(verbose__as_variable__takes_words_for_yes_and_no,
                               forget_environment),
        cmocka_unit_test_setup(nodes__listed__are_read_in_order, forget_environment),
        cmocka_unit_test_setup(nodes__with_https__are_read, forget_environment),
        cmocka_unit_test_setup(tls__as_variables__is_read, forget_environment),
        cmocka_unit_test_setup(auth__given__is_read, forget_environment),
        cmocka_unit_test_setup(value__bad__is_refused_naming_flag_and_what_it_takes,
                               forget_environment),
        cmocka_unit_test_setup(nodes__bad__are_refused_naming_the_entry, forget_environment),
        cmocka_unit_test_setup(variable__bad__is_refused_naming_the_variable, forget_environment),
        cmocka_unit_test_setup(help__asked_for__fits_eighty_columns_and_names_all,
                               forget_environment),
        cmocka_unit_test(completion__in_bash__knows_flags_choices_and_files),
        cmocka_unit_test(completion__in_zsh__quotes_what_the_shell_would_read),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
