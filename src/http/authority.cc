#include "http/authority.h"

#include <arpa/inet.h>

#include <array>
#include <string>

#include "base/token.h"

namespace lastcall {
namespace {

// unreserved and sub-delims of RFC 3986, without the comma.
constexpr auto is_reg_name = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = true;
  for (const char c : {'-', '.', '_', '~', '!', '$', '&', '\'', '(', ')', '*', '+', ';', '='})
    table[static_cast<unsigned char>(c)] = true;
  return table;
}();

}  // namespace

bool is_authority(std::string_view text) {
  std::size_t i = 0;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    const std::string literal(text.substr(1, end - 1));
    in6_addr address;
    if (inet_pton(AF_INET6, literal.c_str(), &address) != 1) return false;
    i = end + 1;
  } else {
    for (; i < text.size() && text[i] != ':'; ++i) {
      if (is_reg_name[static_cast<unsigned char>(text[i])]) continue;
      const bool encoded =
          text[i] == '%' && text.size() - i >= 3 && is_hex(text[i + 1]) && is_hex(text[i + 2]);
      if (!encoded) return false;
      i += 2;
    }
  }
  if (i == text.size()) return true;
  return text[i] == ':' && all_digits(text.substr(i + 1));
}

}  // namespace lastcall
