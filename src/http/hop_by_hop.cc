#include "http/hop_by_hop.h"

#include <algorithm>

#include "base/token.h"

namespace lastcall {
namespace {

// Those of a connection, those that frame a message, and those that whoever passes it on answers
// for by itself.
constexpr std::string_view never[] = {
    "Connection",     "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade",
    "Content-Length", "Expect",     "HTTP2-Settings"};

constexpr char folded(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c | 0x20);
  return c == '_' ? '-' : c;
}

bool same_folded(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return folded(x) == folded(y); });
}

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view each) { return same_folded(each, name); });
}

}  // namespace

HopByHop::HopByHop(std::span<const Field> fields, std::span<const std::string_view> without)
    : without_(without) {
  for (const Field& field : fields) {
    if (!same_token(field.name, "Connection")) continue;
    for (std::string_view list = field.value; !list.empty();) {
      const std::string_view option = take_element(list);
      if (!option.empty() && !same_token(option, "close") && !same_token(option, "keep-alive"))
        named_.push_back(option);
    }
  }
}

bool HopByHop::passes(std::string_view name) const {
  if (is_one_of(name, never) || is_one_of(name, without_)) return false;
  return named_.empty() || same_token(name, "Host") || !is_one_of(name, named_);
}

}  // namespace lastcall
