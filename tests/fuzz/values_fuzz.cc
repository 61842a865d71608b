// libFuzzer: what is read of a request piece by piece, beside what a slow and obvious reading
// finds: escapes, ranges, dates, and which of the patterns of a router answers a path. And an
// answer of another server, whole and byte by byte.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/token.h"
#include "http/date.h"
#include "http/parser.h"
#include "http/pattern_rank.h"
#include "http/percent.h"
#include "http/preconditions.h"
#include "http/response_parser.h"
#include "http/router.h"

using namespace lastcall;

namespace {

void check(bool right) {
  if (!right) std::abort();
}

int value_of(char c) {
  constexpr std::string_view digits = "0123456789abcdef";
  const auto at = digits.find(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  return at == std::string_view::npos || c == '\0' ? -1 : static_cast<int>(at);
}

void escapes(std::string_view text) {
  std::optional<std::string> wanted = std::string();
  for (std::size_t i = 0; wanted && i < text.size(); ++i) {
    if (text[i] != '%') {
      *wanted += text[i];
    } else if (i + 2 < text.size() && value_of(text[i + 1]) >= 0 && value_of(text[i + 2]) >= 0) {
      *wanted += static_cast<char>(value_of(text[i + 1]) * 16 + value_of(text[i + 2]));
      i += 2;
    } else {
      wanted.reset();
    }
  }
  std::string out(text.size(), '\0');
  const auto bytes = percent_decode(text, out.data());
  check(bytes.has_value() == wanted.has_value());
  if (bytes) check(out.substr(0, *bytes) == *wanted);
  check(decode_form(text).size() <= text.size());
}

// A field of a request, as the parser gives it; false: it takes no such value.
bool ranges(std::string_view value, std::uint64_t bytes) {
  Memory memory{{}};
  Exchange exchange(memory);
  const ParserLimits limits;
  Parser parser(limits);
  parser.begin(exchange);
  const std::string text =
      "GET / HTTP/1.1\r\nHost: a\r\nIf-Range: \"a\"\r\nRange: bytes=" + std::string(value) +
      "\r\n\r\n";
  std::string_view rest = text;
  if (parser.feed(rest) != Parser::Result::complete || !rest.empty()) return false;
  const Validators has{.etag = "\"a\"", .modified = 0};
  const ByteRange range = wanted_range(exchange.request, has, bytes);
  if (range.kind == ByteRange::Kind::whole) {
    check(range.first == 0 && range.bytes == bytes);
  } else if (range.kind == ByteRange::Kind::part) {
    check(range.bytes > 0 && range.first < bytes && range.bytes <= bytes - range.first);
    check(value.find('-') != std::string_view::npos && value.find(',') == std::string_view::npos);
  }
  const int failed = failed_precondition(exchange.request, has);
  check(failed == 0);
  return true;
}

void dates(std::string_view text) {
  if (const auto seconds = parse_http_date(text)) {
    const std::string written = http_date(*seconds);
    check(written.size() == http_date_bytes && parse_http_date(written) == seconds);
  }
}

// Patterns, one a line, and behind them a path.
void patterns(std::string_view text) {
  Router router;
  std::vector<std::string> taken;
  while (text.find('\n') != std::string_view::npos && taken.size() < 20) {
    std::string pattern(text.substr(0, text.find('\n')));
    text.remove_prefix(pattern.size() + 1);
    try {
      router.add({.method = Method::get, .path = pattern, .handler = {}});
      taken.push_back(std::move(pattern));
    } catch (const std::invalid_argument&) {
      // It says no more than that.
    }
  }
  const std::string path = "/" + std::string(text);
  Router::Captured captured;
  const Router::Found found = router.find(Method::get, "", path, captured);
  const auto best = std::max_element(taken.begin(), taken.end(), [&](const auto& a, const auto& b) {
    return rank(a, path) < rank(b, path);
  });
  const bool some = best != taken.end() && !rank(*best, path).empty();
  check((found.route() != nullptr) == some && found.known == (some || path == "*"));
  if (some) check(rank(found.route()->path, path) == rank(*best, path));
  for (std::size_t i = 0; some && i < found.captured; ++i)
    check(path.find(captured[i]) != std::string::npos);
}

// What an answer is taken for, in pieces of `size` bytes.
std::string answer_in_pieces(std::string_view text, std::size_t size, bool to_head) {
  using Result = ResponseParser::Result;
  ResponseParser parser;
  parser.begin(to_head);
  std::string told;
  while (!text.empty()) {
    const std::string piece(text.substr(0, size));
    text.remove_prefix(piece.size());
    std::string_view bytes = piece;
    for (Result result = Result::head; result == Result::head;) {
      result = parser.feed(bytes);
      for (const std::string_view content : parser.pieces()) told += content;
      if (result == Result::head || (result == Result::end && to_head)) {
        const ClientResponse head = parser.take_head();
        told += std::to_string(head.status()) + "|";
        for (const Field& field : head.fields()) {
          check(is_token(field.name) && field.value == trim(field.value));
          told.append(field.name).append(":").append(field.value).append("|");
        }
      }
      if (result == Result::end)
        return told + (parser.keep_alive() ? "." : "x") +
               std::to_string(bytes.size() + text.size());
      if (result == Result::failed) return told + "!";
      if (result == Result::too_large) return told + "too large";
    }
    check(bytes.empty());
  }
  return told + (parser.on_fin() ? "fin" : "cut");
}

void answers(std::string_view text, bool to_head) {
  check(answer_in_pieces(text, text.size() + 1, to_head) == answer_in_pieces(text, 1, to_head));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  switch (data[0] % 5) {
    case 0: escapes(text); break;
    case 1: (void)ranges(text, std::uint64_t{data[1]} * data[1]); break;
    case 2: dates(text); break;
    case 3: patterns(text); break;
    case 4: answers(text, data[1] % 2 == 1); break;
  }
  return 0;
}
