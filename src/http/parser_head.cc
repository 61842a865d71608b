// What makes a head acceptable, beyond what llhttp asks of it.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

#include "base/same_bytes.h"
#include "base/token.h"
#include "http/authority.h"
#include "http/parser.h"

namespace lastcall {
namespace {

Method method_of(std::uint8_t number) {
  switch (number) {
    case HTTP_GET: return Method::get;
    case HTTP_HEAD: return Method::head;
    case HTTP_POST: return Method::post;
    case HTTP_PUT: return Method::put;
    case HTTP_DELETE: return Method::delete_;
    case HTTP_OPTIONS: return Method::options;
    case HTTP_PATCH: return Method::patch;
    case HTTP_TRACE: return Method::trace;
    case HTTP_CONNECT: return Method::connect;
    default: return Method::other;
  }
}

// `same_token`, without a call for what is spelled as we spell it, which most is.
inline bool is(std::string_view token, std::string_view ours) {
  return token.size() == ours.size() && (token == ours || same_token(token, ours));
}

}  // namespace

// Whatever is wrong behind it, a HEAD is answered without content.
void Parser::note_method() {
  const auto known = static_cast<std::uint8_t>(llhttp_get_method(&llhttp_));
  exchange_->request.method_ = by_another_name_ ? Method::other : method_of(known);
}

int Parser::check_request_line() {
  Request& request = exchange_->request;
  const std::string_view target = request.target_;
  if (static_cast<std::size_t>(version_.data() - head_) >= limits_.header_bytes_max) return 414;
  // Exactly one space on either side of the target, and the name of this protocol: llhttp would
  // take more spaces, RTSP and ICE.
  constexpr std::string_view before_version = " HTTP/";
  if (target.data() + target.size() + before_version.size() != version_.data()) return 400;
  if (std::memcmp(target.data() + target.size(), before_version.data(), before_version.size()) != 0)
    return 400;
  const auto method_bytes = static_cast<std::size_t>(target.data() - head_ - 1);
  if (head_[method_bytes] != ' ' || head_[method_bytes - 1] == ' ') return 400;
  if (version_[0] != '1') return 505;
  // llhttp would wait for the rest of HTTP/2's preface.
  if (llhttp_get_method(&llhttp_) == HTTP_PRI) return 400;
  request.minor_version_ = version_[2] - '0';
  note_method();
  request.method_name_ = {head_, method_bytes};
  return 0;
}

int Parser::check_target() {
  Request& request = exchange_->request;
  const std::string_view target = request.target_;
  const bool clean = std::all_of(target.begin(), target.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7f && byte != '#';
  });
  if (!clean) return 400;
  if (request.method_ == Method::connect) return 501;  // no tunnels (RFC 9110 section 9.3.6)
  std::string_view rest = target;
  if (target == "*") {
    if (request.method_ != Method::options) return 400;
  } else if (!target.starts_with('/')) {  // absolute-form (RFC 9112 section 3.2.2)
    const auto colon = target.find("://");
    if (colon == std::string_view::npos) return 400;
    const std::string_view scheme = target.substr(0, colon);
    if (!same_token(scheme, "http") && !same_token(scheme, "https")) return 400;
    rest = target.substr(colon + 3);
    request.host_ = rest.substr(0, rest.find_first_of("/?"));
    if (request.host_.empty() || request.host_.front() == ':' || !is_authority(request.host_))
      return 400;
    rest.remove_prefix(request.host_.size());
  }
  const auto question = rest.find('?');
  request.path_ = rest.substr(0, question);
  if (request.path_.empty()) request.path_ = "/";
  request.query_ =
      question == std::string_view::npos ? std::string_view{} : rest.substr(question + 1);
  return 0;
}

int Parser::check_fields() {
  Request& request = exchange_->request;
  unsigned hosts = 0;
  unsigned lengths = 0;
  unsigned codings = 0;
  std::string_view host;
  std::string_view length;
  std::string_view coding;
  int expectation = 0;
  for (const Field& field : request.fields_) {
    switch (field.name.size()) {  // each length has one name that matters here
      case 4:
        if (is(field.name, "Host")) host = field.value, ++hosts;
        break;
      case 6:
        if (is(field.name, "Expect") && expectation == 0)
          expectation = note_expectation(field.value);
        break;
      case 10:
        if (is(field.name, "Connection")) note_connection(field.value);
        break;
      case 14:
        if (is(field.name, "Content-Length")) length = field.value, ++lengths;
        break;
      case 17:
        if (is(field.name, "Transfer-Encoding")) coding = field.value, ++codings;
        break;
      default: break;
    }
  }
  const bool http_1_0 = request.minor_version_ == 0;
  keep_alive_ = !close_asked_ && (!http_1_0 || keep_alive_asked_);

  // RFC 9112 section 3.2: an empty one is what a client sends that has no name for us.
  if (hosts > 1 || (hosts == 0 && !http_1_0) || !is_host(host)) return 400;
  if (request.host_.data() == nullptr) request.host_ = host;

  // RFC 9112 section 6: one framing, and only one that nobody on the way can read differently.
  if (lengths > 1 || (lengths == 1 && codings > 0)) return 400;
  if (lengths == 1 && (length.empty() || !all_digits(length))) return 400;
  if (codings > 0) {
    if (codings > 1 || coding.empty() || http_1_0) return 400;
    if (!is(coding, "chunked")) {
      std::string_view rest = coding;
      while (!rest.empty()) {
        if (!is_token(take_element(rest))) return 400;
      }
      return 501;  // well-formed, and not ours
    }
    chunked_ = true;
  }
  set_body_limit();
  if (lengths == 1 && llhttp_.content_length > body_limit_) return 413;

  if (!chunked_ && llhttp_.content_length == 0) expects_continue_ = false;
  return expectation;
}

// Clients name one host, again and again.
bool Parser::is_host(std::string_view host) {
  if (host_bytes_ > 0 && host.size() == host_bytes_ &&
      same_bytes(host.data(), host_.data(), host_bytes_))
    return true;
  if (!is_authority(host)) return false;
  host_bytes_ = host.size() <= host_.size() ? static_cast<std::uint8_t>(host.size()) : 0;
  host.copy(host_.data(), host_bytes_);
  return true;
}

// That of its route, which is known from here on.
void Parser::set_body_limit() {
  exchange_->find_route();
  exchange_->read_all_max = body_limit_ = limits_.body_bytes_max;
  const Route* const route = exchange_->found.route();
  if (route == nullptr) return;
  if (route->body_bytes_max) {
    exchange_->read_all_max = body_limit_ = *route->body_bytes_max;
  } else if (route->handler.begins_with_head()) {
    body_limit_ = SIZE_MAX;
  }
}

// RFC 9110 section 10.1.1; HTTP/1.0 does not know it.
int Parser::note_expectation(std::string_view list) {
  if (exchange_->request.minor_version_ == 0) return 0;
  while (!list.empty()) {
    const std::string_view expectation = take_element(list);
    if (expectation.empty()) continue;
    if (!same_token(expectation, "100-continue")) return 417;
    expects_continue_ = true;
  }
  return 0;
}

void Parser::note_connection(std::string_view list) {
  while (!list.empty()) {
    const std::string_view option = take_element(list);
    if (is(option, "close")) close_asked_ = true;
    if (is(option, "keep-alive")) keep_alive_asked_ = true;
  }
}

}  // namespace lastcall
