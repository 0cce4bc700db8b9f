// A scanner for braces, brackets and strings. Pure.
#include "json_stream.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Follows strings. Whether the byte is part of one, its quotes included.
static bool in_string(struct json_stream *s, char c)
{
    if (!s->in_string) {
        s->in_string = c == '"';
        return s->in_string;
    }
    if (s->escaped)
        s->escaped = false;
    else if (c == '\\')
        s->escaped = true;
    else if (c == '"')
        s->in_string = false;
    return true;
}

static const char ITEMS_KEY[] = "\"items\":";
static const unsigned ITEMS_KEY_SIZE = sizeof ITEMS_KEY - 1;

// Looks for the key of the items, by its bytes, at the list's own level. A text of the same bytes that is
// a value is not followed by a colon.
static void follow_key(struct json_stream *s, char c, bool opens)
{
    if (s->depth != 1 || (!s->in_string && is_blank(c)))
        return;
    if (opens)
        s->key = 1;
    else if (s->key > 0 && s->key < ITEMS_KEY_SIZE && c == ITEMS_KEY[s->key])
        s->key++;
    else
        s->key = 0;
}

// Where an object that is to be given away may begin.
static bool may_begin(const struct json_stream *s)
{
    if (s->in_string)
        return false;
    return s->form == JSON_STREAM_OBJECTS ? s->depth == 0 : s->in_items && s->depth == 2;
}

// A byte that is in no object which is to be given away.
static enum json_stream_result take_outside(struct json_stream *s, char c)
{
    if (s->form == JSON_STREAM_OBJECTS)
        return is_blank(c) ? JSON_STREAM_OK : JSON_STREAM_GARBAGE;
    if (s->whole || (s->depth == 0 && !s->in_string && c != '{'))
        return is_blank(c) ? JSON_STREAM_OK : JSON_STREAM_GARBAGE;
    if (s->envelope.size() >= s->envelope_max)
        return JSON_STREAM_TOO_LARGE;
    s->envelope += c;
    const bool items = s->key == ITEMS_KEY_SIZE, opens = !s->in_string && c == '"';
    if (!in_string(s, c)) {
        if (c == '{' || c == '[')
            s->depth++;
        else if ((c == '}' || c == ']') && s->depth > 0)
            s->depth--;
        if (c == '[' && s->depth == 2 && items)
            s->in_items = true;
        else if (s->depth < 2)
            s->in_items = false;
        s->whole = s->depth == 0;
    }
    follow_key(s, c, opens);
    return JSON_STREAM_OK;
}

// Goes on within an object; returns the offset behind its last byte, or `size` where it goes on.
static size_t find_end(struct json_stream *s, const char *data, size_t from, size_t size,
                       size_t outside)
{
    for (size_t i = from; i < size; i++) {
        const char c = data[i];
        if (in_string(s, c))
            continue;
        if (c == '{' || c == '[') {
            s->depth++;
        } else if (c == '}' || c == ']') {
            s->depth--;
            if (s->depth == outside) {
                s->in_object = false;
                return i + 1;
            }
        }
    }
    return size;
}

// Gives away the object that ends with these bytes, or keeps them until the rest has come.
static enum json_stream_result take_object(struct json_stream *s, const char *data, size_t size,
                                           json_stream_fn receive, void *arg)
{
    if (size > s->object_max - s->rest.size())
        return JSON_STREAM_TOO_LARGE;
    if (s->in_object) {
        s->rest.append(data, size);
        return JSON_STREAM_OK;
    }
    if (s->rest.empty())
        return receive(arg, data, size) ? JSON_STREAM_OK : JSON_STREAM_STOPPED;
    s->rest.append(data, size);
    const std::string object = std::move(s->rest);
    s->rest.clear();
    return receive(arg, object.data(), object.size()) ? JSON_STREAM_OK : JSON_STREAM_STOPPED;
}

enum json_stream_result json_stream_feed(struct json_stream *s, const char *data, size_t size,
                                         json_stream_fn receive, void *arg)
{
    const size_t outside = s->form == JSON_STREAM_OBJECTS ? 0 : 2;
    enum json_stream_result result = JSON_STREAM_OK;
    for (size_t i = 0; i < size && result == JSON_STREAM_OK;) {
        if (!s->in_object && !(may_begin(s) && data[i] == '{')) {
            result = take_outside(s, data[i++]);
            continue;
        }
        const size_t begin = i;
        if (!s->in_object && s->form == JSON_STREAM_LIST) {
            if (s->envelope.size() >= s->envelope_max)
                return JSON_STREAM_TOO_LARGE;
            s->envelope += '0'; // stands for it
        }
        s->in_object = true;
        i = find_end(s, data, i, size, outside);
        result = take_object(s, data + begin, i - begin, receive, arg);
    }
    return result;
}

bool json_stream_is_whole(const struct json_stream *s)
{
    return !s->in_object && (s->form == JSON_STREAM_OBJECTS || s->whole);
}
