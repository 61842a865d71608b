#include "http/preconditions.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include <lastcall/request.h>

#include "base/token.h"
#include "http/date.h"

namespace lastcall {
namespace {

enum class Comparison : std::uint8_t { strong, weak };  // RFC 9110 section 8.8.3.2

// Cuts the next entity-tag off a list, whose quotes may hold commas; empty: there is none.
std::string_view take_etag(std::string_view& list) {
  const auto begin = list.find_first_not_of(", \t");
  list.remove_prefix(begin == std::string_view::npos ? list.size() : begin);
  const std::size_t open = list.starts_with("W/") ? 2 : 0;
  const auto close = list.substr(open).starts_with('"') ? list.find('"', open + 1) : list.npos;
  const std::string_view tag =
      close == std::string_view::npos ? std::string_view{} : list.substr(0, close + 1);
  list.remove_prefix(tag.size());
  const bool is_tag = std::none_of(tag.begin(), tag.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 0x7f;
  });
  return is_tag ? tag : std::string_view{};
}

bool same_etag(std::string_view a, std::string_view b, Comparison how) {
  const auto is_weak = [](std::string_view tag) { return tag.starts_with("W/"); };
  if (how == Comparison::strong) return a == b && !is_weak(a);
  const auto opaque = [&](std::string_view tag) { return tag.substr(is_weak(tag) ? 2 : 0); };
  return opaque(a) == opaque(b);
}

bool is_among(std::string_view list, std::string_view etag, Comparison how) {
  if (trim(list) == "*") return true;
  for (std::string_view tag; !(tag = take_etag(list)).empty();) {
    if (same_etag(tag, etag, how)) return true;
  }
  return false;
}

// Nothing where it is no date, or comes twice.
std::optional<std::int64_t> date_of(const Request& request, std::string_view name) {
  const auto value = request.combined_field(name);
  return value ? parse_http_date(*value) : std::nullopt;
}

// Digits alone; what is beyond 64 bits is as good as the largest.
std::optional<std::uint64_t> number(std::string_view digits) {
  if (digits.empty() || !all_digits(digits)) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc{} ? value : std::numeric_limits<std::uint64_t>::max();
}

bool is_less(std::string_view a, std::string_view b) {  // digits
  a.remove_prefix(std::min(a.find_first_not_of('0'), a.size()));
  b.remove_prefix(std::min(b.find_first_not_of('0'), b.size()));
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

// Section 13.1.5: a client that has another state of it gets all of it.
bool range_applies(const Request& request, const Validators& has) {
  const auto condition = request.combined_field("If-Range");
  if (!condition) return true;
  std::string_view tag = trim(*condition);
  if (tag.starts_with('"') || tag.starts_with("W/"))
    return same_etag(tag, has.etag, Comparison::strong);
  return has.strong && parse_http_date(tag) == has.modified;
}

}  // namespace

int failed_precondition(const Request& request, const Validators& has) {
  if (const auto wanted = request.combined_field("If-Match")) {
    if (!is_among(*wanted, has.etag, Comparison::strong)) return 412;
  } else if (const auto since = date_of(request, "If-Unmodified-Since")) {
    if (has.modified > *since) return 412;
  }
  const bool reads = request.method() == Method::get || request.method() == Method::head;
  if (const auto known = request.combined_field("If-None-Match")) {
    if (is_among(*known, has.etag, Comparison::weak)) return reads ? 304 : 412;
  } else if (const auto since = date_of(request, "If-Modified-Since"); since && reads) {
    if (has.modified <= *since) return 304;
  }
  return 0;
}

ByteRange wanted_range(const Request& request, const Validators& has, std::uint64_t bytes) {
  const ByteRange whole{.kind = ByteRange::Kind::whole, .first = 0, .bytes = bytes};
  const auto field = request.combined_field("Range");
  if (!field || request.method() != Method::get || !range_applies(request, has)) return whole;
  std::string_view set = trim(*field);
  const auto equals = set.find('=');
  if (equals == std::string_view::npos || !same_token(set.substr(0, equals), "bytes")) return whole;
  set = trim(set.substr(equals + 1));
  const auto dash = set.find('-');
  if (dash == std::string_view::npos) return whole;
  const auto first = number(set.substr(0, dash));
  const auto last = number(set.substr(dash + 1));
  const bool open = dash + 1 == set.size();
  const ByteRange none{.kind = ByteRange::Kind::unsatisfiable};
  if (dash == 0) {  // so many at the end
    if (!last) return whole;
    if (*last == 0) return none;
    const std::uint64_t size = std::min(*last, bytes);
    if (size == 0) return whole;
    return {.kind = ByteRange::Kind::part, .first = bytes - size, .bytes = size};
  }
  if (!first || (!last && !open) || (last && is_less(set.substr(dash + 1), set.substr(0, dash))))
    return whole;
  if (*first >= bytes) return none;
  const std::uint64_t end = open ? bytes : std::min(*last, bytes - 1) + 1;
  return {.kind = ByteRange::Kind::part, .first = *first, .bytes = end - *first};
}

}  // namespace lastcall
