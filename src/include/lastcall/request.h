// A request as a handler sees it. All views point into memory of the exchange: valid until the
// handler returns, for a coroutine until its frame ends. Copy what must live longer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace lastcall {

enum class Method : std::uint8_t {
  get,
  head,
  post,
  put,
  delete_,
  options,
  patch,
  trace,
  connect,
  other,  // registered elsewhere than RFC 9110 and RFC 5789; see `method_name`
  any,    // in a route only: every method
};
[[nodiscard]] std::string_view name(Method method);

struct Field {
  std::string_view name;   // as sent; compare without case (RFC 9110 section 5.1)
  std::string_view value;  // without leading and trailing white space
};

// ASCII case-insensitive equality, as field names and most tokens compare.
[[nodiscard]] bool same_token(std::string_view a, std::string_view b);

class Request {
 public:
  [[nodiscard]] Method method() const { return method_; }
  [[nodiscard]] std::string_view method_name() const { return method_name_; }
  // As on the request line (RFC 9112 section 3.2); `path` and `query` are its parts, not decoded.
  [[nodiscard]] std::string_view target() const { return target_; }
  [[nodiscard]] std::string_view path() const { return path_; }
  [[nodiscard]] std::string_view query() const { return query_; }
  // The value of the first `name=value` in the query, not decoded.
  [[nodiscard]] std::optional<std::string_view> query_value(std::string_view name) const;
  // The authority that the client asked for: of an absolute-form target, else of Host.
  [[nodiscard]] std::string_view host() const { return host_; }
  [[nodiscard]] int minor_version() const { return minor_version_; }  // of HTTP/1.x

  [[nodiscard]] std::span<const Field> fields() const { return fields_; }
  // The first field of that name; empty when there is none.
  [[nodiscard]] std::optional<std::string_view> field(std::string_view name) const;
  // The content, transfer coding removed (RFC 9110 section 6.4). Trailers are not merged.
  [[nodiscard]] std::string_view body() const { return body_; }

  // An answer can no longer be delivered: the connection broke, or the drain's deadline has cut it.
  // Of use to a coroutine that could stop early.
  [[nodiscard]] bool client_gone() const { return client_gone_; }

 private:
  friend class Parser;
  friend struct Exchange;

  Method method_ = Method::other;
  bool client_gone_ = false;
  int minor_version_ = 1;
  std::string_view method_name_;
  std::string_view target_;
  std::string_view path_;
  std::string_view query_;
  std::string_view host_;
  std::string_view body_;
  std::vector<Field> fields_;  // keeps its capacity from request to request
};

}  // namespace lastcall
