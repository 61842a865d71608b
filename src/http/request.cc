#include <lastcall/request.h>

#include <stdexcept>

#include "base/same_bytes.h"
#include "base/token.h"
#include "http/exchange.h"
#include "http/percent.h"
#include "http/trusted_proxies.h"

namespace lastcall {
namespace {

std::string_view take_until(std::string_view& rest, char end) {
  const auto at = rest.find(end);
  const std::string_view taken = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return taken;
}

// Calls `each` with the value of each `name=value`, as sent, until it says that it will do.
template <class Each>
void each_query_value(std::string_view query, std::string_view name, Each each) {
  while (!query.empty()) {
    std::string_view value = take_until(query, '&');
    const std::string_view key = take_until(value, '=');
    const bool same = key == name || decode_form(key) == name;
    if (same && each(value)) return;
  }
}

}  // namespace

std::string_view name(Method method) {
  switch (method) {
    case Method::get: return "GET";
    case Method::head: return "HEAD";
    case Method::post: return "POST";
    case Method::put: return "PUT";
    case Method::delete_: return "DELETE";
    case Method::options: return "OPTIONS";
    case Method::patch: return "PATCH";
    case Method::trace: return "TRACE";
    case Method::connect: return "CONNECT";
    case Method::other: return "?";
    case Method::any: return "*";
  }
  return "?";
}

bool same_token(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  if (same_bytes(a.data(), b.data(), a.size())) return true;  // most are spelled as we spell them
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c | 0x20) : c; };
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

void Request::throw_to_be_read() {
  throw std::logic_error("the content is still to come: co_await request.read_all() first");
}

std::string_view Request::param(std::string_view name) const {
  const std::size_t count = parameters_ == nullptr ? 0 : parameters_->size();
  for (std::size_t i = 0; i < count; ++i) {
    if ((*parameters_)[i] == name) return values_[i];
  }
  throw std::out_of_range("the path of this route has no parameter " + std::string(name));
}

std::optional<std::string> Request::query_value(std::string_view name) const {
  std::optional<std::string> first;
  each_query_value(query_, name, [&](std::string_view value) {
    first = decode_form(value);
    return true;
  });
  return first;
}

std::vector<std::string> Request::query_values(std::string_view name) const {
  std::vector<std::string> all;
  each_query_value(query_, name, [&](std::string_view value) {
    all.push_back(decode_form(value));
    return false;
  });
  return all;
}

std::optional<std::string_view> Request::field(std::string_view name) const {
  for (const Field& field : fields_) {
    if (same_token(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::optional<std::string> Request::combined_field(std::string_view name) const {
  std::optional<std::string> combined;
  for (const Field& field : fields_) {
    if (!same_token(field.name, name)) continue;
    if (combined) {
      combined->append(", ").append(field.value);
    } else {
      combined = field.value;
    }
  }
  return combined;
}

std::optional<std::string_view> Request::cookie(std::string_view name) const {
  for (const Field& field : fields_) {
    if (!same_token(field.name, "Cookie")) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      std::string_view value = trim(take_until(rest, ';'));
      if (take_until(value, '=') != name) continue;
      const bool quoted = value.size() >= 2 && value.starts_with('"') && value.ends_with('"');
      return quoted ? value.substr(1, value.size() - 2) : value;
    }
  }
  return std::nullopt;
}

bool Request::connection_names(std::string_view option) const {
  for (const Field& field : fields_) {
    if (!same_token(field.name, "Connection")) continue;
    for (std::string_view list = field.value; !list.empty();) {
      if (same_token(take_element(list), option)) return true;
    }
  }
  return false;
}

std::string Request::peer_address() const {
  return exchange_ == nullptr ? std::string() : std::string(exchange_->peer.address());
}

bool Request::comes_by_trusted_proxy() const {
  if (exchange_ == nullptr || exchange_->peer.trusted == nullptr) return false;
  return exchange_->peer.trusted->trusts(exchange_->peer.address());
}

std::string Request::client_address() const {
  std::string peer = peer_address();
  if (exchange_ == nullptr || exchange_->peer.trusted == nullptr) return peer;
  return exchange_->peer.trusted->client(peer, fields_);
}

}  // namespace lastcall
