// json_members: what it takes and refuses, and what it notes, fed whole and in pieces.
#include "json_members.h"

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "support/cmocka_cc.h"

// Text with NUL bytes in it: the size is that of the literal.
#define TEXT(literal) std::string_view(literal, sizeof literal - 1)

// Feeds `text` as two pieces, cut at `cut`. Each piece is a block of its own, so that reading
// beyond it shows under AddressSanitizer.
static bool feed_cut(struct json_members *m, std::string_view text, size_t cut)
{
    const size_t starts[] = {0, cut, text.size()};
    bool ok = true;
    for (size_t i = 0; ok && i < 2; i++) {
        const size_t size = starts[i + 1] - starts[i];
        char *piece = static_cast<char *>(malloc(size > 0 ? size : 1));
        memcpy(piece, text.data() + starts[i], size);
        ok = json_members_feed(m, piece, size);
        free(piece);
    }
    return ok;
}

static bool feed_bytes(struct json_members *m, std::string_view text)
{
    for (const char &byte : text)
        if (!json_members_feed(m, &byte, 1))
            return false;
    return true;
}

// Everything that was found as text, such as `object 0+9: "a"=[1]`; "refused" where it is no JSON.
static std::string found_text(struct json_members *m, std::string_view text, bool fed)
{
    static const char *const kinds[] = {"object", "array", "string", "number", "literal"};
    if (!json_members_end(m))
        return "refused";
    if (!fed)
        return "refused by feed but not by end";
    std::string found;
    for (size_t i = 0; i < json_members_documents(m); i++) {
        const struct json_document *document = json_members_document(m, i);
        found += found.empty() ? "" : ", ";
        found += std::string(kinds[document->kind]) + " " + std::to_string(document->offset) + "+" +
                 std::to_string(document->size);
    }
    for (const struct json_member &member : json_members_list(m)) {
        found += "; ";
        found += text.substr(member.key, member.key_size);
        found += "=";
        found += text.substr(member.value, member.value_size);
    }
    return found;
}

static std::string found_cut(std::string_view text, size_t cut)
{
    struct json_members *m = json_members_new();
    const bool fed = feed_cut(m, text, cut);
    const std::string found = found_text(m, text, fed);
    json_members_free(m);
    return found;
}

static std::string found_bytewise(std::string_view text)
{
    struct json_members *m = json_members_new();
    const bool fed = feed_bytes(m, text);
    const std::string found = found_text(m, text, fed);
    json_members_free(m);
    return found;
}

// Whole, byte by byte and cut at every place, `text` gives `expected`.
static void expect_found(std::string_view text, const char *expected)
{
    const std::string bytewise = found_bytewise(text);
    if (bytewise != expected)
        fail_msg("'%.*s' byte by byte: '%s', not '%s'", static_cast<int>(text.size()), text.data(),
                 bytewise.c_str(), expected);
    for (size_t cut = 0; cut <= text.size(); cut++) {
        const std::string found = found_cut(text, cut);
        if (found != expected)
            fail_msg("'%.*s' cut at %zu: '%s', not '%s'", static_cast<int>(text.size()),
                     text.data(), cut, found.c_str(), expected);
    }
}

struct sample {
    std::string_view text;
    const char *found;
};

static void feed__valid_documents__are_found(void **)
{
    const struct sample samples[] = {
        {"{}", "object 0+2"},
        {" \t\r\n{ } \n", "object 4+3"},
        {"[]", "array 0+2"},
        {"[ ]", "array 0+3"},
        {"\"\"", "string 0+2"},
        {"0", "number 0+1"},
        {" 12 ", "number 1+2"},
        {"true", "literal 0+4"},
        {"false", "literal 0+5"},
        {" null\n", "literal 1+4"},
        {"[1,[2,{\"a\":[]}],\"x\"]", "array 0+20"},
        {"[[{}],{\"a\":{\"b\":1}},[]]", "array 0+23"},
        {"[true,false,null,{}]", "array 0+20"},
        {"[{\"a\":1},{\"b\":2}]", "array 0+17"},
    };
    for (const struct sample &s : samples)
        expect_found(s.text, s.found);
}

static void feed__objects__notes_the_members(void **)
{
    const struct sample samples[] = {
        {"{\"a\":1}", "object 0+7; \"a\"=1"},
        {"{\"a\":[1]}", "object 0+9; \"a\"=[1]"},
        {"{\"a\":[1,20,300,-4,5.5,0,6]}", "object 0+27; \"a\"=[1,20,300,-4,5.5,0,6]"},
        {" { \"a\" : 1 , \"b\" : \"x\" } ", "object 1+23; \"a\"=1; \"b\"=\"x\""},
        {"{\"a\":1,\"a\":2,\"a\":1}", "object 0+19; \"a\"=1; \"a\"=2; \"a\"=1"},
        {"{\"\":{\"k\":{\"l\":[{\"m\":0}]}}}", "object 0+26; \"\"={\"k\":{\"l\":[{\"m\":0}]}}"},
        {"{\"q\\\"\\u0041\\\\\":-0.50e+7}", "object 0+24; \"q\\\"\\u0041\\\\\"=-0.50e+7"},
        {"{\"a\":{ },\"b\": [ ] ,\"c\":null}", "object 0+28; \"a\"={ }; \"b\"=[ ]; \"c\"=null"},
        {"{\"\xc3\xa9\":\"\xe6\x97\xa5\",\"n\":true\n}",
         "object 0+22; \"\xc3\xa9\"=\"\xe6\x97\xa5\"; \"n\"=true"},
        {"{\"longer than sixteen bytes\":\"and a value, longer than sixteen bytes\"}",
         "object 0+70; \"longer than sixteen bytes\"=\"and a value, longer than sixteen bytes\""},
    };
    for (const struct sample &s : samples)
        expect_found(s.text, s.found);
}

static void feed__two_documents__are_found(void **)
{
    const struct sample samples[] = {
        {"\"a\"\"{}\"", "string 0+3, string 3+4"},
        {"\"text\"{\"a\":1}", "string 0+6, object 6+7; \"a\"=1"},
        {"{\"a\":1}\"text\"", "object 0+7, string 7+6; \"a\"=1"},
        {"\"text\" \n {\"a\":1}\n", "string 0+6, object 9+7; \"a\"=1"},
        {"[{\"b\":2}]{\"a\":1}", "array 0+9, object 9+7; \"a\"=1"},
        {"{\"a\":1}[{\"b\":2}]", "object 0+7, array 7+9; \"a\"=1"},
        {"[][]", "array 0+2, array 2+2"},
        {"1 2", "number 0+1, number 2+1"},
        {"true\tfalse", "literal 0+4, literal 5+5"},
        {"1\"a\"", "number 0+1, string 1+3"},
        {"\"a\"1", "string 0+3, number 3+1"},
        {"null{}", "literal 0+4, object 4+2"},
        {"-1.5e3[]", "number 0+6, array 6+2"},
    };
    for (const struct sample &s : samples)
        expect_found(s.text, s.found);
}

static void feed__numbers_by_the_grammar__are_found(void **)
{
    const char *const numbers[] = {
        "0",
        "-0",
        "7",
        "-12",
        "1.0",
        "0.0",
        "-0.00",
        "1e5",
        "1E5",
        "1e+5",
        "1e-5",
        "0e0",
        "0.5E-10",
        "10.25e007",
        "1e400",
        "-1e400",
        "9007199254740993",
        "123456789012345678901234567890",
    };
    for (const char *number : numbers) {
        const std::string text = number, size = std::to_string(text.size());
        expect_found(text, ("number 0+" + size).c_str());
        expect_found("{\"n\":" + text + "}",
                     ("object 0+" + std::to_string(text.size() + 6) + "; \"n\"=" + text).c_str());
        expect_found("[" + text + "," + text + "]",
                     ("array 0+" + std::to_string(2 * text.size() + 3)).c_str());
    }
}

static void feed__strings_by_the_grammar__are_found(void **)
{
    const std::string_view strings[] = {
        "plain",
        "\x7f",
        "\\\"\\\\\\/\\b\\f\\n\\r\\t",
        "\\u0000\\u00e9\\uABCD\\uabcd\\uD83D\\uDE00",
        "\\ud800",
        "\\udc00\\ud800x",
        "\xc2\x80\xdf\xbf",
        "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf",
        "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
        "\xef\xbb\xbf",
        "fifteen bytes..\\n\xc3\xa9 and \\\" more than one vector \xf0\x9f\x98\x80 of them",
    };
    for (const std::string_view string : strings) {
        const std::string text = "\"" + std::string(string) + "\"";
        expect_found(text, ("string 0+" + std::to_string(text.size())).c_str());
    }
}

// A wrong byte is found wherever it falls in a vector of 16.
static void feed__wrong_byte_in_long_string__is_refused(void **)
{
    const std::string_view wrong[] = {TEXT("\0"), "\x1f", "\n", "\x80", "\xff", "\xc0\xaf", "\\x"};
    for (const std::string_view bytes : wrong)
        for (size_t before = 0; before < 40; before++) {
            const std::string text =
                "\"" + std::string(before, 'x') + std::string(bytes) + std::string(40, 'y') + "\"";
            expect_found(text, "refused");
        }
}

// Long arrays of integers are read by blocks: what that makes of any byte at any place is what is made
// of it byte by byte.
static void feed__other_byte_in_long_array__is_as_byte_by_byte(void **)
{
    const std::string text =
        "{\"a\":[4194303,1,20,1048576,7,99999,300000,4,1234567890123456789,5,6]}";
    for (size_t at = 5; at < text.size(); at++)
        for (const char byte :
             {'0', '9', ',', '-', '.', 'e', ' ', '/', ':', 'x', ']', '"', '\xb1'}) {
            std::string changed = text;
            changed[at] = byte;
            expect_found(changed, found_bytewise(changed).c_str());
        }
    const std::string array = text.substr(5, text.size() - 6);
    expect_found(text, ("object 0+" + std::to_string(text.size()) + "; \"a\"=" + array).c_str());
}

static void feed__broken_structure__is_refused(void **)
{
    const std::string_view texts[] = {
        "",
        " \n",
        "{",
        "[",
        "}",
        "]",
        "{]",
        "[}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "{1:2}",
        "{a:1}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,,2]",
        "[\"a\":1]",
        "{\"a\",1}",
        "{\"a\"::1}",
        ":",
        ",",
        "{'a':1}",
        "[1];",
        "/**/1",
        "[1]//",
        "{\"a\":1",
        "[\"a\"",
        "[{]}",
        "{\"a\":[}]",
        "{\"a\":[1,2,]}",
        "{\"a\":[1,,2]}",
        "{\"a\":[10,020]}",
        "{\"a\":[10,2x]}",
        "{\"a\":[1,2",
        "{\"a\":[1,2,",
        "[]]",
        "{}}",
        "{\"a\":1\"b\":2}",
        "{\"a\":\"b\":1}",
        "{null:1}",
        "[[]",
        "{\"a\":{}",
        "{\"a\":1,\"b\"}",
    };
    for (const std::string_view text : texts)
        expect_found(text, "refused");
}

static void feed__broken_tokens__are_refused(void **)
{
    const std::string_view texts[] = {
        "01",       "-01",        "00",          "1.",          "1.e5",        ".5",
        "+1",       "-",          "--1",         "-a",          "1e",          "1e+",
        "1e+-1",    "1e5.5",      "0x10",        "1_000",       "NaN",         "-NaN",
        "Infinity", "-Infinity",  "[1.]",        "[-]",         "[01]",        "{\"a\":1e}",
        "tru",      "truth",      "True",        "nul",         "nulll",       "[fals]",
        "falsey",   "t",          "\"",          "\"a",         "\"\\\"",      "\"\\x\"",
        "\"\\u\"",  "\"\\u12\"",  "\"\\u12g4\"", "\"\\u 123\"", "\"\\U0041\"", "\"\\'\"",
        "\"\\u123", "\"\\u123\"", "\"\\u123g\"", "\"a\nb\"",    "\"\t\"",      "'a'",
        "\"\\0\"",  "\"\\\n\"",
    };
    for (const std::string_view text : texts)
        expect_found(text, "refused");
}

static void feed__broken_utf8__is_refused(void **)
{
    const std::string_view insides[] = {
        "\x80",         "\xbf",           "\xc0\x80",         "\xc1\xbf",
        "\xc3",         "\xc3(",          "\xe0\x9f\xbf",     "\xe6\x97",
        "\xe6\x97x",    "\xed\xa0\x80",   "\xed\xbf\xbf",     "\xf0\x8f\xbf\xbf",
        "\xf0\x9f\x98", "\xf0\x9f\x98\"", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xfe",         "\xff",           "\xc3\xa9\xa9",     "\xf8\x88\x80\x80\x80",
    };
    for (const std::string_view inside : insides)
        expect_found("{\"" + std::string(inside) + "\":1}", "refused");
}

static void feed__bytes_outside_of_strings__are_refused(void **)
{
    const std::string_view texts[] = {
        "\xef\xbb\xbf{}",
        TEXT("\0{}"),
        TEXT("{}\0"),
        TEXT("[1,\0002]"),
        TEXT("1\0"),
        TEXT("null\0"),
        "\v1",
        "\f1",
        "1\f",
        "\xc2\xa0"
        "1",
        "[\xe2\x80\xa8]",
        "\x7f",
        "\xff",
        "\xc3\xa9",
        "\x1b",
    };
    for (const std::string_view text : texts)
        expect_found(text, "refused");
}

static void feed__too_many_documents__are_refused(void **)
{
    const std::string_view texts[] = {
        "1true",  "truefalse", "nullnull",  "1-1",   "true1",           "0true",
        "0 0 0",  "[][][]",    "{}{}",      "{} {}", "\"a\"\"b\"\"c\"", "{\"a\":1}{\"a\":1}",
        "{}[]{}", "1 2 3",     "{}\"a\"{}",
    };
    for (const std::string_view text : texts)
        expect_found(text, "refused");
}

// `depth` containers, by turns arrays and objects, around a value.
static std::string nested(size_t depth, const char *value = "1")
{
    std::string text, closing;
    for (size_t i = 0; i < depth; i++) {
        text += i % 3 == 0 ? "[" : "{\"k\":";
        closing.insert(closing.begin(), i % 3 == 0 ? ']' : '}');
    }
    return text + value + closing;
}

// What is open is remembered in words of 64: containers open and close where one is full.
static void feed__brackets_at_any_depth__have_to_match(void **)
{
    for (size_t depth = 60; depth < 132; depth++) {
        const std::string text = nested(depth, "[{\"k\":[]},[{}],{},[[]]]");
        assert_string_not_equal(found_cut(text, depth).c_str(), "refused");
        for (size_t at = text.size() - depth; at < text.size(); at++) {
            std::string crossed = text;
            crossed[at] ^= '}' ^ ']';
            assert_string_equal(found_cut(crossed, depth).c_str(), "refused");
        }
    }
}

static void feed__deep_nesting__is_limited(void **)
{
    const std::string deepest = nested(JSON_MAX_DEPTH), deeper = nested(JSON_MAX_DEPTH + 1);
    const std::string open(JSON_MAX_DEPTH + 1, '[');

    const std::string found = "array 0+" + std::to_string(deepest.size());
    assert_string_equal(found_bytewise(deepest).c_str(), found.c_str());
    assert_string_equal(found_cut(deepest, deepest.size() / 2).c_str(), found.c_str());
    assert_string_equal(found_bytewise(deeper).c_str(), "refused");
    assert_string_equal(found_cut(deeper, deeper.size()).c_str(), "refused");
    assert_string_equal(found_cut(open, 0).c_str(), "refused");
    std::string crossed = deepest; // one wrong closing bracket, deep inside
    crossed[crossed.size() - JSON_MAX_DEPTH / 2] ^= '}' ^ ']';
    assert_string_equal(found_cut(crossed, 0).c_str(), "refused");
}

static void feed__beyond_the_size_limit__is_refused_unread(void **)
{
    static const char space[1] = {' '}; // a second byte read shows under AddressSanitizer
    struct json_members *m = json_members_new();

    const bool first = json_members_feed(m, "[1", 2);
    const bool second = json_members_feed(m, space, JSON_MAX_SIZE - 1);
    const bool after = json_members_feed(m, "]", 1);
    const bool end = json_members_end(m);
    json_members_free(m);

    assert_true(first);
    assert_false(second);
    assert_false(after);
    assert_false(end);
}

static void feed__after_refusal__stays_refused(void **)
{
    struct json_members *m = json_members_new();

    const bool wrong = json_members_feed(m, "]", 1);
    const bool right = json_members_feed(m, "{}", 2);
    const bool empty = json_members_feed(m, "", 0);
    const bool end = json_members_end(m);
    json_members_free(m);

    assert_false(wrong);
    assert_false(right);
    assert_false(empty);
    assert_false(end);
}

static void feed__empty_pieces__change_nothing(void **)
{
    struct json_members *m = json_members_new();

    bool fed = json_members_feed(m, nullptr, 0) && json_members_feed(m, "{\"a\"", 4);
    fed = fed && json_members_feed(m, nullptr, 0) && json_members_feed(m, ":12}", 4);
    fed = fed && json_members_feed(m, "", 0);
    const std::string found = found_text(m, "{\"a\":12}", fed);
    json_members_free(m);

    assert_string_equal(found.c_str(), "object 0+8; \"a\"=12");
}

static void feed__many_members__are_all_noted(void **)
{
    constexpr size_t MANY = 100000;
    std::string text = "{";
    for (size_t i = 0; i < MANY; i++)
        text += (i ? ",\"" : "\"") + std::to_string(i) + "\":" + std::to_string(i);
    text += "}";
    struct json_members *m = json_members_new();

    const bool fed = feed_cut(m, text, text.size() / 3) && json_members_end(m);
    const std::span<const struct json_member> members = json_members_list(m);
    const size_t count = members.size();
    size_t right = 0;
    for (size_t i = 0; i < count; i++) {
        const std::string number = std::to_string(i);
        right += text.compare(members[i].key, members[i].key_size, "\"" + number + "\"") == 0 &&
                 text.compare(members[i].value, members[i].value_size, number) == 0;
    }
    json_members_free(m);

    assert_true(fed);
    assert_int_equal(count, MANY);
    assert_int_equal(right, MANY);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feed__valid_documents__are_found),
        cmocka_unit_test(feed__objects__notes_the_members),
        cmocka_unit_test(feed__two_documents__are_found),
        cmocka_unit_test(feed__numbers_by_the_grammar__are_found),
        cmocka_unit_test(feed__strings_by_the_grammar__are_found),
        cmocka_unit_test(feed__wrong_byte_in_long_string__is_refused),
        cmocka_unit_test(feed__other_byte_in_long_array__is_as_byte_by_byte),
        cmocka_unit_test(feed__broken_structure__is_refused),
        cmocka_unit_test(feed__broken_tokens__are_refused),
        cmocka_unit_test(feed__broken_utf8__is_refused),
        cmocka_unit_test(feed__bytes_outside_of_strings__are_refused),
        cmocka_unit_test(feed__too_many_documents__are_refused),
        cmocka_unit_test(feed__brackets_at_any_depth__have_to_match),
        cmocka_unit_test(feed__deep_nesting__is_limited),
        cmocka_unit_test(feed__beyond_the_size_limit__is_refused_unread),
        cmocka_unit_test(feed__after_refusal__stays_refused),
        cmocka_unit_test(feed__empty_pieces__change_nothing),
        cmocka_unit_test(feed__many_members__are_all_noted),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
