// How tracer-nodes know us and we know them: a token of our own, and the certificates that those which
// speak https are checked with.
//
// Both are files, opened by path each time, since mounted secrets are swapped by a symbolic link. A file
// that can not be used any more changes nothing: what was good last stays, and the log says so once. The
// token goes over https only, where the node has shown its certificate before; it is never logged.
#pragma once
#include <string>
#include <vector>

struct fetch_options;
struct fetch_result;
struct node_access;
struct node_pass; // what the requests of one broadcast carry, the same while it lasts

struct node_access_options {
    std::string token_file; // empty: no token
    std::string ca_file;    // PEM; empty: the system's certificates
};

// Null, and a message that names the option in `error`, where a file can not be used.
[[nodiscard]] struct node_access *node_access_new(const struct node_access_options *options,
                                                  std::string *error);

// After the last node_pass_free.
void node_access_free(struct node_access *a);

// Reads the files again. What becomes of it is written to the log when it changes.
void node_access_reread(struct node_access *a);

// A request to a node has ended. One that was refused for the token or the certificate may be so because
// a file has changed: they are read again, once a second at most.
void node_access_learn(struct node_access *a, const struct fetch_result *result);

// `lines`: the headers that all nodes get, "Name: value". `a` null: no token, the system's certificates.
[[nodiscard]] struct node_pass *node_pass_new(struct node_access *a,
                                              const std::vector<std::string> &lines);

// After the last of its fetches has ended.
void node_pass_free(struct node_pass *p);

// Sets the headers and the trust of a fetch whose URL and all else is set.
void node_pass_apply(struct node_pass *p, struct fetch_options *fetch);
