#include <lastcall/response.h>

#include <algorithm>
#include <stdexcept>

#include <lastcall/request.h>

#include "base/limits.h"
#include "base/token.h"

namespace lastcall {
namespace {

constexpr std::string_view ours[] = {"Content-Length", "Transfer-Encoding", "Connection", "Date"};

bool is_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

}  // namespace

Response& Response::status(int code) {
  if (code < 200 || code > 599) throw std::invalid_argument("a final status is 200 to 599");
  status_ = code;
  return *this;
}

Response& Response::field(std::string_view name, std::string_view value) {
  if (!is_token(name)) throw std::invalid_argument("a field name is a token");
  if (!is_value(value)) throw std::invalid_argument("a field value has no control characters");
  if (std::any_of(std::begin(ours), std::end(ours),
                  [&](std::string_view own) { return same_token(own, name); })) {
    throw std::invalid_argument("this field is set by the server itself");
  }
  if (same_token(name, "Content-Type")) return content_type(value);
  fields_.append(name).append(": ").append(value).append("\r\n");
  return *this;
}

Response& Response::content_type(std::string_view type) {
  if (!is_value(type)) throw std::invalid_argument("a field value has no control characters");
  content_type_.assign(type);
  return *this;
}

Response& Response::body(std::string_view content) {
  body_.assign(content);
  return *this;
}

Response& Response::append(std::string_view content) {
  body_.append(content);
  return *this;
}

void Response::clear() {
  status_ = 200;
  // One large answer does not bloat a pool for ever: nothing but a swap frees a string's memory.
  for (std::string* text : {&content_type_, &fields_, &body_}) {
    text->clear();
    if (text->capacity() > limits::exchange_kept_bytes) std::string().swap(*text);
  }
  content_type_.assign("text/plain");
}

}  // namespace lastcall
