// Text for a person: names of files above all, which may hold any bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mec {

// Bytes of the UTF-8 character at the beginning; 0 where there is none: a stray byte, a longer form
// than needed, a surrogate.
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);

// For a person's terminal, on one line: control characters and what is not UTF-8 become \n, \t,
// \x1b, \xff.
std::string printable(std::string_view text);

// A limit as people write it: 1048576 rather than 1.04858e+06.
std::string digits_of(double number);

// "a, b, c", and "a, b and c".
std::string joined(const std::vector<std::string>& words, std::string_view between = ", ");
std::string listed(const std::vector<std::string>& words);

// The first so many characters.
std::string first_columns(std::string_view text, std::size_t columns);

}  // namespace mec
