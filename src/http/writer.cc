#include "http/writer.h"

#include <charconv>
#include <cstring>

#include "base/check.h"
#include "http/buffers.h"
#include "http/date.h"

namespace lastcall {
namespace {

char* put(char* at, std::string_view text) {
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

// It has three digits (Response::status).
char* put_status(char* at, int status) {
  DCHECK(status >= 100 && status <= 999);
  *at++ = static_cast<char>('0' + status / 100);
  *at++ = static_cast<char>('0' + status / 10 % 10);
  *at++ = static_cast<char>('0' + status % 10);
  return at;
}

// RFC 9110 sections 8.6, 15.3.5 and 15.4.5: no content, and no length that claims one.
bool has_length(int status) { return status != 204 && status != 304; }

// Of what the handler gave, what may be sent to anybody at all (RFC 9110 section 15.3.6).
std::string_view representation(const Response& response) {
  return may_have_content(response.status()) ? response.body() : std::string_view{};
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 102: return "Processing";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 207: return "Multi-Status";
    case 208: return "Already Reported";
    case 226: return "IM Used";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 305: return "Use Proxy";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 506: return "Variant Also Negotiates";
    case 507: return "Insufficient Storage";
    case 508: return "Loop Detected";
    case 510: return "Not Extended";
    case 511: return "Network Authentication Required";
    default: return "";  // RFC 9112 section 4: the phrase may be absent, the space may not
  }
}

std::string_view content(const Response& response, bool head) {
  return head ? std::string_view{} : representation(response);
}

std::size_t head_bytes_max(const Response& response) {
  constexpr std::size_t fixed = 320;  // every literal below, a reason phrase, and three numbers
  return fixed + response.fields().size() + response.content_type().size();
}

namespace {

constexpr std::size_t end_bytes_max = 32;  // of `put_end`

inline char* put_head(char* at, const Response& response, const Framing& framing,
                      std::uint64_t length, const DateCache& date) {
  [[maybe_unused]] char* const begin = at;
  const int status = response.status();
  const std::string_view type = response.content_type();
  at = put(at, "HTTP/1.1 ");
  at = put_status(at, status);
  *at++ = ' ';
  at = put(put(at, reason_phrase(status)), "\r\n");
  if (!response.has_date()) at = put(at, date.line());
  if (has_length(status)) {
    const bool typed = may_have_content(status) && !type.empty();
    if (framing.content == Framing::Content::length || !may_have_content(status)) {
      at = put(at, "Content-Length: ");
      at = std::to_chars(at, at + 20, may_have_content(status) ? length : 0).ptr;
      at = put(at, "\r\n");
      if (length > 0 && typed) at = put(put(put(at, "Content-Type: "), type), "\r\n");
    } else {
      if (framing.content == Framing::Content::chunked)
        at = put(at, "Transfer-Encoding: chunked\r\n");
      if (typed) at = put(put(put(at, "Content-Type: "), type), "\r\n");
    }
  }
  if (!response.fields().empty()) at = put(at, response.fields());
  DCHECK(static_cast<std::size_t>(at - begin) + end_bytes_max <= head_bytes_max(response));
  return at;
}

inline char* put_end(char* at, const Framing& framing) {
  if (framing.tunnel) {
    at = put(at, "Connection: Upgrade\r\n");
  } else if (framing.close) {
    at = put(at, "Connection: close\r\n");
  } else if (framing.http_1_0) {
    at = put(at, "Connection: keep-alive\r\n");
  }
  return put(at, "\r\n");
}

}  // namespace

char* write_head(char* at, const Response& response, const Framing& framing, std::uint64_t length,
                 const DateCache& date) {
  return put_head(at, response, framing, length, date);
}

char* end_head(char* at, const Framing& framing) { return put_end(at, framing); }

bool write_response(OutBuffer& out, const Response& response, const Framing& framing,
                    const DateCache& date) {
  const std::string_view body = representation(response);
  const std::size_t content_bytes = framing.head ? 0 : body.size();
  char* const begin = out.reserve(head_bytes_max(response) + content_bytes);
  if (begin == nullptr) return false;
  char* const at = put_end(put_head(begin, response, framing, body.size(), date), framing);
  if (content_bytes > 0) std::memcpy(at, body.data(), content_bytes);
  out.commit(static_cast<std::size_t>(at - begin) + content_bytes);
  return true;
}

}  // namespace lastcall
