#include "mec/tensor/text.h"

#include <cmath>
#include <cstdint>
#include <cstdio>

#include "mec/tensor/error.h"

namespace mec {

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return 1;
  const std::size_t length = byte(0) < 0xc2 ? 0 : byte(0) < 0xe0 ? 2 : byte(0) < 0xf0 ? 3 : byte(0) < 0xf5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  std::uint32_t code = byte(0) & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fU);
  }
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  const bool too_long = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  return surrogate || too_long || code > 0x10ffff ? 0 : length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text[0]);
    const bool c1 = length == 2 && first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;  // terminals obey these, too
    const bool shown = length > 0 && first >= 0x20 && first != 0x7f && !c1;
    const std::size_t taken = length > 0 ? length : 1;
    if (shown) {
      out += text.substr(0, taken);
    } else if (first == '\n' || first == '\t' || first == '\r') {
      out += first == '\n' ? "\\n" : first == '\t' ? "\\t" : "\\r";
    } else {
      for (const char c : text.substr(0, taken)) {
        char escaped[5];
        std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
        out += escaped;
      }
    }
    text.remove_prefix(taken);
  }
  return out;
}

std::string digits_of(double number) {
  const bool whole = std::fabs(number) < 1e15 && number == std::trunc(number);
  return whole ? concat(static_cast<std::int64_t>(number)) : concat(number);
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : between).append(word);
  return text;
}

std::string listed(const std::vector<std::string>& words) {
  if (words.size() < 2) return joined(words);
  return joined({words.begin(), words.end() - 1}) + " and " + words.back();
}

std::string first_columns(std::string_view text, std::size_t columns) {
  std::size_t end = 0;
  for (; columns > 0 && end < text.size(); --columns) {
    const std::size_t length = utf8_length(text.substr(end));
    end += length > 0 ? length : 1;
  }
  return std::string(text.substr(0, end));
}

}  // namespace mec
