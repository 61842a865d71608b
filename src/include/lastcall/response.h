// An answer as a handler makes it (RFC 9110, RFC 9112).
//
// Everything a handler passes is copied, or taken over; nothing of it has to live on. What HTTP
// itself decides (Date, Content-Length, Connection, no body to HEAD, nor with 204, 205 and 304) is
// not the handler's business.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <lastcall/response_body.h>

namespace lastcall {

struct ByteRange;
class ClientResponse;
class SharedContent;
struct OpenedFile;

// How far a cookie goes (RFC 6265 section 4.1.2). Without any of it: to this host, below the path
// of the request, until the browser ends.
struct CookieScope {
  enum class SameSite : std::uint8_t { unsaid, lax, strict, none };

  std::string path{};
  std::string domain{};
  std::optional<std::chrono::seconds> max_age{};  // 0: the browser forgets it
  bool secure = false;
  bool http_only = false;
  SameSite same_site = SameSite::unsaid;
};

class Response {
 public:
  Response() = default;
  Response(const Response&) = delete;
  Response& operator=(const Response&) = delete;

  // A final status, 200 to 599; 200 unless set. Throws std::invalid_argument beyond.
  Response& status(int code);
  // Appends a field; a name may come again. Throws std::invalid_argument for a name that is no
  // token, a value with control characters, and for Content-Length, Transfer-Encoding, Connection
  // and Date, which are ours.
  Response& field(std::string_view name, std::string_view value);
  // Appends a Set-Cookie. Throws std::invalid_argument for a name that is no token, for a value
  // with what a cookie cannot hold (white space, quotes, comma, semicolon, backslash, all beyond
  // ASCII: encode it), and for SameSite=None without `secure`, which browsers refuse.
  Response& cookie(std::string_view name, std::string_view value, const CookieScope& scope = {});
  // Elsewhere: Location, and no body. `code`: 301, 302, 303, 307 or 308 (RFC 9110 section 15.4).
  // Throws std::invalid_argument for another, and for a location with what no URI has.
  Response& redirect(std::string_view location, int code = 302);
  Response& content_type(std::string_view type);  // "text/plain" unless set; empty: not sent
  Response& body(std::string_view content);       // replaces
  Response& body(const char* content) { return body(std::string_view(content)); }
  // The same of a string that nobody needs any more: what is large is sent from where it is,
  // without a copy.
  Response& body(std::string&& content);
  // The same of what the program keeps, and may send to many at once (shared_content.h).
  Response& body(const SharedContent& content);
  Response& append(std::string_view content);
  // A regular file below `directory`, which nothing in `path` leaves (RESOLVE_BENEATH of
  // openat2(2), Linux 5.6); any method may be answered so. Sets ETag and Last-Modified, from its
  // size and time, Accept-Ranges, and the type by the end of its name: text/plain without any, else
  // application/octet-stream; say `content_type` behind it for another. What the request's
  // preconditions and its Range ask for is done (RFC 9110 sections 13 and 14): 304, 412, 206 of one
  // range, 416; several ranges are answered with all of it. With a status that is set before and no
  // success it is sent whole, whatever the request asks for: a page for an error. Where there is no
  // such file the status is 404, 403 where it may not be read, 503 where no descriptor is left:
  // each file takes the place of a client (`files_denied`); each with its phrase as body. Throws
  // std::system_error where there is no such directory.
  //
  // It is open until it has been sent, from the page cache without a copy of ours; what is not in
  // there is read by the worker, which waits for the disk. One that gets shorter meanwhile is cut,
  // so that the client can tell: `answers_broken_off`. `body`, `append`, `begin` or another file
  // behind it replace it, with all that it has set.
  Response& file(std::string_view directory, std::string_view path);
  // This is the connection's last answer, and says so.
  Response& close();
  // The answer goes on from here (response_body.h), `length` bytes if that is known. In a coroutine
  // only; throws std::logic_error elsewhere, and the second time.
  [[nodiscard]] Task<ResponseBody> begin();
  [[nodiscard]] Task<ResponseBody> begin(std::uint64_t length);
  // An informational answer before the final one (RFC 9110 section 15.2), 103 with Link fields,
  // say; not to HTTP/1.0. In a coroutine only, before `begin`. Throws std::invalid_argument for
  // 100, which `Request::read` sends, for 101, and for what `field` would not take.
  void inform(int status, std::span<const Field> fields);
  // 101: from here on the connection is another protocol's (RFC 9110 section 7.8), which the client
  // has asked for: `Request::read` gives what it sends, as it comes, up to its FIN, and what is
  // written is sent as it is. When the handler returns we send our FIN; where an exception leaves
  // it, a reset. In a drain a tunnel goes on up to its deadline (`Options::tunnel_timeout`), and is
  // then counted by itself (`tunnels_cut`): nothing was promised about it. Throws std::logic_error
  // as `begin`, and for a request whose content has not all been read; std::invalid_argument for a
  // protocol that is no token.
  [[nodiscard]] Task<ResponseBody> switch_protocols(std::string_view protocol);
  // Takes over what another server has answered (client.h), for this client: its status, and its
  // fields but for those of its connection (RFC 9110 section 7.6.1) and those that frame it; its
  // Date, too. What was set before is gone.
  Response& relay(const ClientResponse& answer);
  void clear();  // as new; memory is kept

  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] std::string_view fields() const { return fields_; }  // as lines, CRLF each
  [[nodiscard]] std::string_view content_type() const { return content_type_; }
  [[nodiscard]] std::string_view body() const { return is_shared() ? shared_ : body_; }
  [[nodiscard]] bool closes() const { return closes_; }
  [[nodiscard]] bool has_date() const { return has_date_; }  // among the fields
  [[nodiscard]] bool begun() const;  // by `begin`: what is set here is not sent any more

 private:
  friend struct Exchange;
  void check_may_begin() const;
  ResponseBody begin_as(std::optional<std::uint64_t> length);
  void drop_file();
  [[nodiscard]] bool is_shared() const { return shared_.data() != nullptr; }
  void drop_shared();
  ByteRange choose_part(const OpenedFile& opened, std::string_view path);

  int status_ = 200;
  bool closes_ = false;
  bool has_date_ = false;
  bool has_file_ = false;  // what stands here is a file's, and of the exchange
  std::string content_type_ = "text/plain";
  std::string fields_;
  std::string body_;
  std::string_view shared_;       // in the place of `body_`; it lives by the exchange
  Exchange* exchange_ = nullptr;  // in which it stands
};

}  // namespace lastcall
