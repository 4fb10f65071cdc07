// Text for terminals and error messages. File names in it may hold any bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mec {

// Length in bytes of the UTF-8 character that the text begins with; 0 where there is none: a stray
// byte, an overlong form, a surrogate.
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);

// The text for a terminal, on one line: control characters and bytes that are not UTF-8 become \n,
// \t, \x1b, \xff.
std::string printable(std::string_view text);

// A limit as people write it: 1048576 rather than 1.04858e+06.
std::string digits_of(double number);

// "a, b, c", and "a, b and c".
std::string joined(const std::vector<std::string>& words, std::string_view between = ", ");
std::string listed(const std::vector<std::string>& words);

// The first `columns` characters.
std::string first_columns(std::string_view text, std::size_t columns);

}  // namespace mec
