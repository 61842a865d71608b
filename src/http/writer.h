// The bytes that an answer becomes (RFC 9112).
#pragma once

#include <cstdint>
#include <string_view>

#include <lastcall/response.h>

namespace lastcall {

class DateCache;
class OutBuffer;

// How an answer is framed, which the connection knows and the handler need not. Passed by
// reference: as a value it would be read at once where it has just been written bit by bit.
struct Framing {
  // How the end of the content is told (RFC 9112 section 6.3).
  enum class Content : std::uint8_t { length, chunked, until_close };

  bool head = false;      // the request was HEAD
  bool close = false;     // say `Connection: close`
  bool http_1_0 = false;  // the client speaks 1.0: keeping alive has to be said
  bool tunnel = false;    // a 101: what follows is another protocol's
  Content content = Content::length;
};

[[nodiscard]] std::string_view reason_phrase(int status);
// RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5.
[[nodiscard]] constexpr bool may_have_content(int status) {
  return status != 204 && status != 205 && status != 304;
}
// What of its body is sent: nothing in answer to HEAD, or with a status that has no content (RFC
// 9110 sections 9.3.2, 15.3.5 and 15.4.5).
[[nodiscard]] std::string_view content(const Response& response, bool head);
// Status line and fields of an answer whose content has `length` bytes, where that is known; then
// what says whether the connection goes on, and the blank line. There is room for `head_bytes_max`
// at `at`, for both; each returns its end.
[[nodiscard]] std::size_t head_bytes_max(const Response& response);
[[nodiscard]] char* write_head(char* at, const Response& response, const Framing& framing,
                               std::uint64_t length, const DateCache& date);
[[nodiscard]] char* end_head(char* at, const Framing& framing);
// False: there is no memory, and nothing has been written.
[[nodiscard]] bool write_response(OutBuffer& out, const Response& response, const Framing& framing,
                                  const DateCache& date);

}  // namespace lastcall
