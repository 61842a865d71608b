#include "http/trusted_proxies.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/token.h"

namespace lastcall {
namespace {

constexpr unsigned bits_of_all = 128;
constexpr unsigned bits_of_v4 = 32;
constexpr std::string_view v4_mapped = "::ffff:";

// An IPv4 address is the IPv6 address that is mapped to it (RFC 4291 section 2.5.5.2).
std::optional<in6_addr> parse_address(std::string_view text) {
  const bool v4 = text.find(':') == std::string_view::npos;
  std::string whole(v4 ? v4_mapped : std::string_view{});
  whole.append(text);
  in_addr checked;
  if (v4 && inet_pton(AF_INET, whole.c_str() + v4_mapped.size(), &checked) != 1)
    return std::nullopt;
  in6_addr address;
  if (inet_pton(AF_INET6, whole.c_str(), &address) != 1) return std::nullopt;
  return address;
}

bool within(const in6_addr& address, const in6_addr& network, unsigned bits) {
  const unsigned whole = bits / 8;
  if (std::memcmp(address.s6_addr, network.s6_addr, whole) != 0) return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - bits % 8));
  return ((address.s6_addr[whole] ^ network.s6_addr[whole]) & mask) == 0;
}

// As proxies write them, some with a port: "192.0.2.1:4711", "[2001:db8::1]:4711", "[2001:db8::1]".
std::string_view without_port(std::string_view entry) {
  if (entry.starts_with('[')) {
    const auto end = entry.find(']');
    return end == std::string_view::npos ? entry : entry.substr(1, end - 1);
  }
  const auto colon = entry.find(':');
  return colon == entry.rfind(':') ? entry.substr(0, colon) : entry;
}

}  // namespace

std::string TrustedProxies::parse(std::string_view networks) {
  networks_.clear();
  while (!networks.empty()) {
    const std::string_view element = take_element(networks);
    if (element.empty()) continue;
    const auto slash = element.find('/');
    const std::string_view text = element.substr(0, slash);
    const auto address = parse_address(text);
    const bool v4 = text.find(':') == std::string_view::npos;
    const unsigned most = v4 ? bits_of_v4 : bits_of_all;
    unsigned bits = most;
    bool fits = address.has_value();
    if (fits && slash != std::string_view::npos) {
      const std::string_view number = element.substr(slash + 1);
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), bits);
      fits = error == std::errc{} && end == number.data() + number.size() && bits <= most;
    }
    if (!fits) return std::string(element).append(" is no network such as 10.0.0.0/8 or fd00::/8");
    networks_.push_back({.address = *address, .bits = v4 ? bits + bits_of_all - bits_of_v4 : bits});
  }
  return {};
}

bool TrustedProxies::trusts(std::string_view address) const {
  const auto parsed = parse_address(address);
  return parsed && std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
           return within(*parsed, network.address, network.bits);
         });
}

std::string TrustedProxies::client(std::string_view peer, std::span<const Field> fields) const {
  std::string_view client = peer;
  for (auto field = fields.rbegin(); field != fields.rend() && trusts(client); ++field) {
    if (!same_token(field->name, "X-Forwarded-For")) continue;
    for (std::string_view rest = field->value; !rest.empty() && trusts(client);) {
      const auto comma = rest.rfind(',');
      const bool last = comma == std::string_view::npos;
      const std::string_view entry = without_port(trim(last ? rest : rest.substr(comma + 1)));
      rest = last ? std::string_view{} : rest.substr(0, comma);
      if (!parse_address(entry)) return std::string(client);
      client = entry;
    }
  }
  return std::string(client);
}

}  // namespace lastcall
