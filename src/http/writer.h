// The bytes that an answer becomes (RFC 9112).
#pragma once

#include <string_view>

#include <lastcall/response.h>

namespace lastcall {

class DateCache;
class OutBuffer;

// How an answer is framed, which the connection knows and the handler need not.
struct Framing {
  bool head = false;      // the request was HEAD
  bool close = false;     // say `Connection: close`
  bool http_1_0 = false;  // the client speaks 1.0: keeping alive has to be said
};

[[nodiscard]] std::string_view reason_phrase(int status);
// What of its body is sent: nothing in answer to HEAD, or with a status that has no content (RFC
// 9110 sections 9.3.2, 15.3.5 and 15.4.5).
[[nodiscard]] std::string_view content(const Response& response, bool head);
// False: there is no memory, and nothing has been written.
[[nodiscard]] bool write_response(OutBuffer& out, const Response& response, Framing framing,
                                  const DateCache& date);

}  // namespace lastcall
