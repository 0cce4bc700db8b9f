// json_text: strings written and read back.
#include "json_text.h"

#include <cstdio>
#include <string>
#include <string_view>

#include "json_members.h"
#include "support/cmocka_cc.h"

#define TEXT(literal) std::string_view(literal, sizeof literal - 1)

struct sample {
    std::string_view in;
    std::string_view out;
};

static void expect_same(std::string_view in, std::string_view got, std::string_view expected)
{
    if (got != expected)
        fail_msg("'%.*s' gives '%.*s', not '%.*s'", static_cast<int>(in.size()), in.data(),
                 static_cast<int>(got.size()), got.data(), static_cast<int>(expected.size()),
                 expected.data());
}

static bool is_one_string(std::string_view json)
{
    struct json_members *m = json_members_new();
    const bool valid = json_members_feed(m, json.data(), json.size()) && json_members_end(m);
    const bool one = valid && json_members_documents(m) == 1 &&
                     json_members_document(m, 0)->kind == JSON_STRING &&
                     json_members_document(m, 0)->size == json.size();
    json_members_free(m);
    return one;
}

static void append_string__any_bytes__writes_valid_json(void **)
{
    const struct sample samples[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"b\\c/d", "\"a\\\"b\\\\c/d\""},
        {"\n\r\t", "\"\\n\\r\\t\""},
        {TEXT("\0\x01\b\f\x1b\x1f"), "\"\\u0000\\u0001\\u0008\\u000c\\u001b\\u001f\""},
        {"\x7f", "\"\\u007f\""},
        {"\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80", "\"\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80\""},
        {"a\x80z", "\"a\xef\xbf\xbdz\""},
        {"\xc3", "\"\xef\xbf\xbd\""},
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xe6\x97\"", "\"\xef\xbf\xbd\xef\xbf\xbd\\\"\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xff\xfe", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (const struct sample &s : samples) {
        std::string out;
        json_append_string(&out, s.in);
        expect_same(s.in, out, s.out);
        assert_true(is_one_string(out));
    }
}

static void append_string__text_before__is_kept(void **)
{
    std::string out = "{\"a\":";

    json_append_string(&out, "b");

    assert_string_equal(out.c_str(), "{\"a\":\"b\"");
}

static void decode_string__escapes__are_resolved(void **)
{
    const struct sample samples[] = {
        {"", ""},
        {"plain \xc3\xa9", "plain \xc3\xa9"},
        {"\\\"\\\\\\/", "\"\\/"},
        {"\\b\\f\\n\\r\\t", "\b\f\n\r\t"},
        {"\\u0041\\u00e9\\u00E9\\u65E5", "A\xc3\xa9\xc3\xa9\xe6\x97\xa5"},
        {"a\\u0000b", TEXT("a\0b")},
        {"\\u007f\\u0080\\u07ff\\u0800\\uffff", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
        {"\\ud83d\\ude00!", "\xf0\x9f\x98\x80!"},
        {"\\uD800\\uDC00\\uDBFF\\uDFFF", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
        {"\\ud800", "\xed\xa0\x80"},
        {"\\udc00", "\xed\xb0\x80"},
        {"\\ud800x", "\xed\xa0\x80x"},
        {"\\ud800\\n", "\xed\xa0\x80\n"},
        {"\\ud800\\u0041", "\xed\xa0\x80"
                           "A"},
        {"\\ud800\\ud83d\\ude00", "\xed\xa0\x80\xf0\x9f\x98\x80"},
        {"\\ude00\\ud83d", "\xed\xb8\x80\xed\xa0\xbd"},
        {"\\\\u0041", "\\u0041"},
    };
    for (const struct sample &s : samples)
        expect_same(s.in, json_decode_string(s.in), s.out);
}

static void round_trip__every_code_point__comes_back(void **)
{
    std::string all;
    for (unsigned code = 0; code <= 0x10ffff; code += code < 0x1000 ? 1 : 61) {
        if (code >= 0xd800 && code < 0xe000)
            continue;
        char escape[16];
        if (code < 0x10000)
            snprintf(escape, sizeof escape, "\\u%04x", code);
        else
            snprintf(escape, sizeof escape, "\\u%04x\\u%04x", 0xd7c0 + (code >> 10),
                     0xdc00 + (code & 0x3ff));
        all += json_decode_string(escape);
    }

    std::string written;
    json_append_string(&written, all);
    const std::string read =
        json_decode_string(std::string_view(written).substr(1, written.size() - 2));

    assert_true(is_one_string(written));
    assert_true(written.find("\xef\xbf\xbd") == std::string::npos);
    assert_int_equal(read.size(), all.size());
    assert_true(read == all);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_string__any_bytes__writes_valid_json),
        cmocka_unit_test(append_string__text_before__is_kept),
        cmocka_unit_test(decode_string__escapes__are_resolved),
        cmocka_unit_test(round_trip__every_code_point__comes_back),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
