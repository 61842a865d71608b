#include "http/percent.h"

#include "base/token.h"

namespace lastcall {
namespace {

bool is_escape(std::string_view text) {
  return text.size() >= 3 && text[0] == '%' && is_hex(text[1]) && is_hex(text[2]);
}

unsigned hex_value(char c) {
  return is_digit(c) ? static_cast<unsigned>(c - '0')
                     : static_cast<unsigned>((c | 0x20) - 'a' + 10);
}

char escaped(std::string_view escape) {
  return static_cast<char>(hex_value(escape[1]) * 16 + hex_value(escape[2]));
}

}  // namespace

std::optional<std::size_t> percent_decode(std::string_view text, char* out) {
  char* at = out;
  while (!text.empty()) {
    const bool escape = text.front() == '%';
    if (escape && !is_escape(text)) return std::nullopt;
    *at++ = escape ? escaped(text) : text.front();
    text.remove_prefix(escape ? 3 : 1);
  }
  return static_cast<std::size_t>(at - out);
}

std::string decode_form(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  while (!text.empty()) {
    const bool escape = is_escape(text);
    decoded.push_back(escape ? escaped(text) : text.front() == '+' ? ' ' : text.front());
    text.remove_prefix(escape ? 3 : 1);
  }
  return decoded;
}

}  // namespace lastcall
