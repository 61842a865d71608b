// A request as a handler sees it. All views point into memory of the exchange: valid until the
// handler returns, for a coroutine until its frame ends. Copy what must live longer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lastcall/task.h>

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
  other,  // elsewhere registered than in RFC 9110 and RFC 5789, or nowhere; see `method_name`
  any,    // in a route only: every method but TRACE and CONNECT
};
[[nodiscard]] std::string_view name(Method method);

struct Field {
  std::string_view name;   // as sent; compare without case (RFC 9110 section 5.1)
  std::string_view value;  // without leading and trailing white space
};

// ASCII case-insensitive equality, as field names and most tokens compare.
[[nodiscard]] bool same_token(std::string_view a, std::string_view b);

struct Exchange;

// The rest of a request's content will not come. It is no std::exception: where a handler lets it
// pass, the request is answered by `status`, and that is no failure of the handler's.
struct Incomplete {
  // 400: malformed, or the client has sent its FIN; 408: it has stopped; 413 or 431: too large;
  // 503: there is no memory; 0: it has gone.
  int status;
};

class Request {
 public:
  Request() = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  [[nodiscard]] Method method() const { return method_; }
  [[nodiscard]] std::string_view method_name() const { return method_name_; }
  // As on the request line (RFC 9112 section 3.2); `path` and `query` are its parts, not decoded.
  [[nodiscard]] std::string_view target() const { return target_; }
  [[nodiscard]] std::string_view path() const { return path_; }
  [[nodiscard]] std::string_view query() const { return query_; }
  // What stands for `{name}` or `{name...}` in the path of the route, percent-decoded: it may hold
  // any byte, a slash and NUL too. Throws std::out_of_range for a name that the route does not
  // have.
  [[nodiscard]] std::string_view param(std::string_view name) const;
  // The value of the first `name=value` in the query, decoded as forms write it: a '+' is a space
  // (WHATWG URL standard, section 5.1).
  [[nodiscard]] std::optional<std::string> query_value(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> query_values(
      std::string_view name) const;  // all, in order
  // The authority that the client asked for: of an absolute-form target, else of Host.
  [[nodiscard]] std::string_view host() const { return host_; }
  [[nodiscard]] int minor_version() const { return minor_version_; }  // of HTTP/1.x

  [[nodiscard]] std::span<const Field> fields() const { return fields_; }
  // The first field of that name; empty when there is none.
  [[nodiscard]] std::optional<std::string_view> field(std::string_view name) const;
  // The values of all fields of that name, joined by ", " (RFC 9110 section 5.2).
  [[nodiscard]] std::optional<std::string> combined_field(std::string_view name) const;
  // The first cookie of that name (RFC 6265 section 4.2.1), without the quotes around it.
  [[nodiscard]] std::optional<std::string_view> cookie(std::string_view name) const;
  // The content, transfer coding removed (RFC 9110 section 6.4). A coroutine of two parameters
  // begins when the head is known: there this throws std::logic_error for a request that has
  // content, until `read_all` has been awaited.
  [[nodiscard]] std::string_view body() const {
    if (body_to_be_read_) throw_to_be_read();
    return body_;
  }
  // The next piece of the content, of any size but 0, valid until the next call; nothing behind the
  // last, which is told only of a content that was complete. Waits for the client, who waits for
  // whoever reads slowly: a bounded amount is held here. A client that waits for `100
  // Continue` gets it with the first call. Throws `Incomplete` where the rest never comes, and
  // `Canceled` once the drain's deadline has passed. In a coroutine only.
  [[nodiscard]] Task<std::optional<std::string_view>> read();
  // Has all of it come? Waits for that, or until more than `bytes` are here that nobody has read;
  // `read` gives them. Throws as `read`. For a handler that has done nothing before: the half of a
  // request that is cut here at the drain's deadline is no loss, and changes no exit code.
  [[nodiscard]] Task<bool> gather(std::size_t bytes);
  // All that has not been read yet, at once, at most the limit of the route (`max_body_bytes`):
  // beyond that `Incomplete` is thrown, for a 413; otherwise likewise.
  [[nodiscard]] Task<std::string_view> read_all();
  // What came behind a chunked body; never a field (RFC 9110 section 6.5).
  [[nodiscard]] std::span<const Field> trailers() const { return trailers_; }

  // Who is at the other end of the connection, without the port: "192.0.2.1", "2001:db8::1". Costs
  // a system call, the first time. Of a connection that is gone: empty.
  [[nodiscard]] std::string peer_address() const;
  // The same, or whom X-Forwarded-For names where it comes through proxies that are trusted
  // (Options::trusted_proxies).
  [[nodiscard]] std::string client_address() const;
  [[nodiscard]] bool comes_by_trusted_proxy() const;  // that one is at the other end
  // Its Connection field names an option, "upgrade" say, or a field that is for this hop alone
  // (RFC 9110 section 7.6.1).
  [[nodiscard]] bool connection_names(std::string_view option) const;

  // An answer can no longer be delivered: the connection broke, or the drain's deadline has cut it.
  // Of use to a coroutine that could stop early.
  [[nodiscard]] bool client_gone() const { return client_gone_; }
  // The client will send nothing more. It may well wait for the answer, as `nc -N` does (RFC 9112
  // section 9.6), or have gone.
  [[nodiscard]] bool half_closed() const { return half_closed_; }

  static constexpr std::size_t parameters_max = 8;  // of one route

 private:
  [[noreturn]] static void throw_to_be_read();
  friend class Parser;
  friend struct Exchange;

  Method method_ = Method::other;
  bool client_gone_ = false;
  bool half_closed_ = false;
  bool body_to_be_read_ = false;
  int minor_version_ = 1;
  std::string_view method_name_;
  std::string_view target_;
  std::string_view path_;
  std::string_view query_;
  std::string_view host_;
  std::string_view body_;
  std::vector<Field> fields_;  // keeps its capacity from request to request
  std::vector<Field> trailers_;
  const std::vector<std::string>* parameters_ = nullptr;  // names, of its route
  std::array<std::string_view, parameters_max> values_{};
  Exchange* exchange_ = nullptr;  // in which it stands
};

}  // namespace lastcall
