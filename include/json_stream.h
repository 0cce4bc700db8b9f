// Cuts JSON that arrives in pieces into the objects it is made of, without parsing them.
//
// Pure. Two forms: a stream of objects, one after the other with blanks or nothing between them (RFC
// 7464 is stricter; Kubernetes watches send a line each), and one object whose array "items" may be long,
// as Kubernetes lists are. It finds where an object ends and checks no more than that needs: who gets it
// parses it.
#pragma once
#include <cstddef>
#include <string>

enum json_stream_form {
    JSON_STREAM_OBJECTS, // objects one behind the other
    JSON_STREAM_LIST,    // the objects in "items" of one object
};

enum json_stream_result {
    JSON_STREAM_OK,
    JSON_STREAM_STOPPED,   // the receiver returned false
    JSON_STREAM_GARBAGE,   // no such JSON
    JSON_STREAM_TOO_LARGE, // an object, or what is around the items, is larger than it may be
};

// Gets one whole object. Borrowed for the call.
typedef bool (*json_stream_fn)(void *arg, const char *data, size_t size);

// All but `envelope` is of the module itself. Plain data: begins as {} with the form and limits set.
struct json_stream {
    enum json_stream_form form = JSON_STREAM_OBJECTS;
    size_t object_max = 0;   // bytes
    size_t envelope_max = 0; // bytes
    // JSON_STREAM_LIST: the list with its items left out, whole once the list is.
    std::string envelope;

    std::string rest; // the begin of an object that is not whole yet
    size_t depth = 0; // of braces and brackets
    bool in_object = false, in_string = false, escaped = false;
    bool in_items = false, whole = false;
    unsigned key = 0; // how much of `"items":` was just read at the list's own level
};

// Gives the objects that become whole with these bytes to `receive`. After another result than OK
// nothing more is to be fed.
[[nodiscard]] enum json_stream_result json_stream_feed(struct json_stream *s, const char *data,
                                                       size_t size, json_stream_fn receive,
                                                       void *arg);

// Whether the stream may end here: not within an object, and a list only when it is whole.
[[nodiscard]] bool json_stream_is_whole(const struct json_stream *s);
