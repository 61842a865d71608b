// Every HTTP text, fed whole, byte by byte and cut at every point: the answers are the same.
#include <doctest/doctest.h>

#include "corpus.h"
#include "wire.h"

using namespace lastcall;

namespace {

constexpr std::size_t cut_everywhere_bytes_max = 1200;  // longer texts are cut in some places
constexpr std::string_view follow_up =
    "GET / HTTP/1.1\r\nHost: follow-up\r\nConnection: close\r\n\r\n";

std::string feed(Wire& wire, const corpus::Case& c, const std::vector<std::string_view>& pieces) {
  const int socket = wire.connect();
  wire.kernel.sockets[socket].window = 4 << 20;
  std::string output;
  for (const std::string_view piece : pieces) {
    wire.send(socket, piece);
    output += wire.take(socket);
    if (wire.closed(socket)) break;
  }
  const bool closed = wire.closed(socket);
  bool kept = false;
  if (!closed && c.may_keep) {
    wire.send(socket, follow_up);
    kept = wire.take(socket).starts_with("HTTP/1.1 200 OK\r\n") && wire.closed(socket);
  }
  const std::string wrong = corpus::differs(c, output, closed, kept);
  wire.hang_up(socket);
  wire.kernel.sockets.erase(socket);
  return wrong;
}

void check_all_texts(Wire& wire) {
  const auto cases = corpus::load(CORPUS_DIRECTORY);
  REQUIRE(cases.size() > 2000);
  for (const corpus::Case& c : cases) {
    CAPTURE(c.file);
    CAPTURE(c.name);
    if (c.in_segments) {
      CHECK(feed(wire, c, {c.segments.begin(), c.segments.end()}) == "");
      continue;
    }
    const std::string text = c.text();
    const std::string_view all = text;
    CHECK(feed(wire, c, {all}) == "");
    if (all.size() <= cut_everywhere_bytes_max) {
      std::vector<std::string_view> bytes;
      for (std::size_t i = 0; i < all.size(); ++i) bytes.push_back(all.substr(i, 1));
      CHECK(feed(wire, c, bytes) == "");
    }
    const std::size_t step = all.size() <= cut_everywhere_bytes_max ? 1 : all.size() / 11 + 1;
    for (std::size_t cut = 1; cut < all.size(); cut += step) {
      CAPTURE(cut);
      const std::string wrong = feed(wire, c, {all.substr(0, cut), all.substr(cut)});
      if (!wrong.empty()) CHECK(wrong == "");
    }
  }
}

}  // namespace

TEST_CASE("every HTTP text is answered the same, whole, byte by byte and cut at every point") {
  Wire wire;
  check_all_texts(wire);
}

TEST_CASE("and where its handler reads the content as it comes") {
  Wire wire({}, {}, Wire::Contents::streamed);
  check_all_texts(wire);
}
