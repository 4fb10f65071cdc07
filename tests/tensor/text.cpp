#include "mec/tensor/text.h"

#include <doctest/doctest.h>

using namespace mec;

TEST_CASE("words are joined, and listed as in a sentence") {
  CHECK(joined({}) == "");
  CHECK(joined({"a", "b", "c"}, "|") == "a|b|c");
  CHECK(listed({"a"}) == "a");
  CHECK(listed({"a", "b"}) == "a and b");
  CHECK(listed({"a", "b", "c"}) == "a, b and c");
}

TEST_CASE("UTF-8 is told from other bytes") {
  for (const char* text :
       {"", "plain", "\xc3\xa9", "\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x8e\x89", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    CAPTURE(text);
    CHECK(is_utf8(text));
  }
  // A stray byte, cut short, longer than needed, a surrogate, beyond the last character, bytes of
  // no character.
  for (const char* text : {"\xff", "\x80", "a\xc3", "\xe6\x97", "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xed\xa0\x80",
                           "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xc3\x28"}) {
    CAPTURE(text);
    CHECK_FALSE(is_utf8(text));
  }
}

TEST_CASE("what a terminal would obey is shown escaped, all else as it is") {
  CHECK(printable("a b/\xc3\xa9\xe6\x97\xa5\xf0\x9f\x8e\x89\\n") == "a b/\xc3\xa9\xe6\x97\xa5\xf0\x9f\x8e\x89\\n");
  CHECK(printable("two\nlines\tand\rmore") == "two\\nlines\\tand\\rmore");
  CHECK(printable("\x1b[2J\x07\x7f") == "\\x1b[2J\\x07\\x7f");
  CHECK(printable(std::string_view("\0end", 4)) == "\\x00end");
  CHECK(printable("\xc2\x9b"
                  "2J\xc2\xa0") == "\\xc2\\x9b2J\xc2\xa0");  // a control sequence's beginning in one character
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");
}

TEST_CASE("limits are shown with all their digits") {
  CHECK(digits_of(1000000) == "1000000");
  CHECK(digits_of(-3) == "-3");
  CHECK(digits_of(0.25) == "0.25");
  CHECK(digits_of(1e15) == "1e+15");
}

TEST_CASE("columns are characters, and none is cut") {
  CHECK(first_columns("abc", 2) == "ab");
  CHECK(first_columns("abc", 5) == "abc");
  CHECK(first_columns("abc", 0).empty());
  CHECK(first_columns("\xc3\xa9\xe6\x97\xa5"
                      "c",
                      1) == "\xc3\xa9");
  CHECK(first_columns("\xc3\xa9\xe6\x97\xa5"
                      "c",
                      2) == "\xc3\xa9\xe6\x97\xa5");
  CHECK(first_columns("\xff\xfe"
                      "c",
                      1) == "\xff");
}
