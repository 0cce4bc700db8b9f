// Streams of JSON cut into objects.
#include "cmocka_cc.h"

#include <string_view>
#include <vector>

#include "json_stream.h"

struct fixture {
    struct json_stream stream;
    std::vector<std::string> objects;
    size_t stop_at; // 0: never
};

static bool receive(void *arg, const char *data, size_t size)
{
    struct fixture *f = static_cast<struct fixture *>(arg);
    f->objects.emplace_back(data, size);
    return f->objects.size() != f->stop_at;
}

// Feeds the text in pieces of `step` bytes, as long as that works.
static enum json_stream_result feed(struct fixture *f, enum json_stream_form form,
                                    std::string_view text, size_t step)
{
    f->stream = {};
    f->stream.form = form;
    f->stream.object_max = f->stream.envelope_max = 100;
    f->objects.clear();
    enum json_stream_result result = JSON_STREAM_OK;
    for (size_t i = 0; i < text.size() && result == JSON_STREAM_OK; i += step) {
        const std::string piece(text.substr(i, step));
        result = json_stream_feed(&f->stream, piece.data(), piece.size(), receive, f);
    }
    return result;
}

static void objects__any_pieces_and_layouts__give_the_same(void **)
{
    static const char *const texts[] = {
        "{\"a\":[{}]}\n{\"b\":\"}\\\"{\\\\\"}\n",
        "{\"a\":[{}]}{\"b\":\"}\\\"{\\\\\"}",
        "\r\n {\"a\":[{}]}\r\n\t{\"b\":\"}\\\"{\\\\\"}  ",
    };
    struct fixture f = {};
    for (const char *text : texts)
        for (const size_t step : {1UL, 2UL, 3UL, 7UL, 1000UL}) {
            assert_int_equal(feed(&f, JSON_STREAM_OBJECTS, text, step), JSON_STREAM_OK);
            assert_int_equal(f.objects.size(), 2);
            assert_string_equal(f.objects[0].c_str(), "{\"a\":[{}]}");
            assert_string_equal(f.objects[1].c_str(), "{\"b\":\"}\\\"{\\\\\"}");
            assert_true(json_stream_is_whole(&f.stream));
        }
}

static void objects__end_inside_one__is_not_whole(void **)
{
    struct fixture f = {};
    assert_int_equal(feed(&f, JSON_STREAM_OBJECTS, "{}{\"a\":", 1), JSON_STREAM_OK);
    assert_int_equal(f.objects.size(), 1);
    assert_false(json_stream_is_whole(&f.stream));
}

static void list__items__are_given_and_the_rest_is_kept(void **)
{
    static const struct {
        const char *text;
        size_t objects;
        const char *envelope;
    } table[] = {
        {"{\"k\":1,\"items\":[{\"a\":[1]},{\"b\":\"]\"}],\"m\":{}}\n", 2,
         "{\"k\":1,\"items\":[0,0],\"m\":{}}"},
        {"{ \"items\" : [ {} , {} ] }", 2, "{ \"items\" : [ 0 , 0 ] }"},
        {"{\"items\":null}", 0, "{\"items\":null}"},
        {"{\"items\":[]}", 0, "{\"items\":[]}"},
        {"{\"x\":\"items\",\"y\":[{}]}", 0, "{\"x\":\"items\",\"y\":[{}]}"},
        {"{\"a\\\"items\":[{}]}", 0, "{\"a\\\"items\":[{}]}"},
        {"{\"m\":{\"items\":[{}]}}", 0, "{\"m\":{\"items\":[{}]}}"},
        {"{\"items\":{\"a\":[{}]},\"n\":[{}]}", 0, "{\"items\":{\"a\":[{}]},\"n\":[{}]}"},
        {"{\"items\":[[{}],1,{}]}", 1, "{\"items\":[[{}],1,0]}"},
        {"{\"items\":[\"}{\",{}]}", 1, "{\"items\":[\"}{\",0]}"},
    };
    struct fixture f = {};
    for (const auto &row : table)
        for (const size_t step : {1UL, 5UL, 1000UL}) {
            assert_int_equal(feed(&f, JSON_STREAM_LIST, row.text, step), JSON_STREAM_OK);
            assert_int_equal(f.objects.size(), row.objects);
            const size_t end = f.stream.envelope.size();
            assert_string_equal(f.stream.envelope.substr(0, end).c_str(), row.envelope);
            assert_true(json_stream_is_whole(&f.stream));
        }
}

static void list__not_whole__is_told(void **)
{
    struct fixture f = {};
    for (const char *text : {"", "{\"items\":[", "{\"items\":[{", "{\"items\":[{}]"}) {
        assert_int_equal(feed(&f, JSON_STREAM_LIST, text, 1), JSON_STREAM_OK);
        assert_false(json_stream_is_whole(&f.stream));
    }
}

static void feed__what_makes_no_sense__is_refused(void **)
{
    const std::string large(200, 'x');
    std::string crowded = "{\"items\":[";
    for (int i = 0; i < 200; i++)
        crowded += "{}"; // nothing between them, but each leaves its place in the list
    const struct {
        enum json_stream_form form;
        std::string text;
        enum json_stream_result result;
    } table[] = {
        {JSON_STREAM_OBJECTS, "slow down", JSON_STREAM_GARBAGE},
        {JSON_STREAM_OBJECTS, "{}x", JSON_STREAM_GARBAGE},
        {JSON_STREAM_OBJECTS, "[{}]", JSON_STREAM_GARBAGE},
        {JSON_STREAM_OBJECTS, "{\"" + large, JSON_STREAM_TOO_LARGE},
        {JSON_STREAM_LIST, "[]", JSON_STREAM_GARBAGE},
        {JSON_STREAM_LIST, "{}{}", JSON_STREAM_GARBAGE},
        {JSON_STREAM_LIST, "\"items\":[{}]", JSON_STREAM_GARBAGE},
        {JSON_STREAM_LIST, "{\"" + large, JSON_STREAM_TOO_LARGE},
        {JSON_STREAM_LIST, "{\"items\":[{\"" + large, JSON_STREAM_TOO_LARGE},
        {JSON_STREAM_LIST, crowded, JSON_STREAM_TOO_LARGE},
    };
    struct fixture f = {};
    for (const auto &row : table)
        for (const size_t step : {1UL, 1000UL})
            assert_int_equal(feed(&f, row.form, row.text, step), row.result);
}

static void feed__receiver_stops__no_more_is_given(void **)
{
    struct fixture f = {};
    f.stop_at = 2;
    assert_int_equal(feed(&f, JSON_STREAM_OBJECTS, "{}{}{}", 1000), JSON_STREAM_STOPPED);
    assert_int_equal(f.objects.size(), 2);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects__any_pieces_and_layouts__give_the_same),
        cmocka_unit_test(objects__end_inside_one__is_not_whole),
        cmocka_unit_test(list__items__are_given_and_the_rest_is_kept),
        cmocka_unit_test(list__not_whole__is_told),
        cmocka_unit_test(feed__what_makes_no_sense__is_refused),
        cmocka_unit_test(feed__receiver_stops__no_more_is_given),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
