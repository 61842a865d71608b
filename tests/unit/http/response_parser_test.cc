#include "http/response_parser.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "base/limits.h"

using namespace lastcall;
using Result = ResponseParser::Result;

namespace {

// What a text is taken for, fed in pieces of `size` bytes; 0: whole.
std::string taken(const std::string& text, std::size_t size, bool to_head = false,
                  bool fin = true) {
  ResponseParser parser;
  parser.begin(to_head);
  std::string told;
  bool head_told = false;
  const auto tell_head = [&] {
    if (head_told || !parser.has_head()) return;
    head_told = true;
    const ClientResponse head = parser.take_head();
    told += std::to_string(head.status());
    for (const Field& field : head.fields())
      told.append(" ").append(field.name).append("=").append(field.value);
    told += "|";
  };
  for (std::size_t at = 0; at < text.size();) {
    // Each piece has memory of its own, of which nothing may be kept.
    const std::string piece = text.substr(at, size == 0 ? std::string::npos : size);
    std::string_view bytes = piece;
    for (;;) {
      const Result result = parser.feed(bytes);
      for (const std::string_view content : parser.pieces()) told += content;
      if (result == Result::failed) return told + "!";
      if (result == Result::too_large) return told + "too large";
      if (result == Result::informational) continue;
      tell_head();
      if (result == Result::end) {
        const std::size_t rest = text.size() - at - piece.size() + bytes.size();
        told += parser.keep_alive() ? "." : "x";
        if (rest > 0) told.append("+").append(std::to_string(rest));
        return told;
      }
      if (result == Result::incomplete) break;
    }
    at += piece.size();
  }
  if (!fin) return told + "?";
  const bool complete = parser.on_fin();
  return told + (complete ? "x" : "cut");
}

// However the bytes were cut.
std::string taken_in_any_pieces(const std::string& text, bool to_head = false, bool fin = true) {
  std::string whole = taken(text, 0, to_head, fin);
  for (std::size_t size = 1; size <= text.size(); ++size) {
    const std::string pieces = taken(text, size, to_head, fin);
    if (pieces != whole) return std::to_string(size).append(" bytes a piece: ").append(pieces);
  }
  return whole;
}

const std::string ok = "HTTP/1.1 200 OK\r\n";

}  // namespace

TEST_CASE("an answer ends by its length, its last chunk or a FIN, and by nothing else") {
  const auto t = [](const std::string& rest) { return taken_in_any_pieces(ok + rest); };
  CHECK(t("Content-Length: 5\r\n\r\nhello") == "200 Content-Length=5|hello.");
  CHECK(t("Content-Length: 0\r\n\r\n") == "200 Content-Length=0|.");
  CHECK(t("Content-Length: 5\r\n\r\nhell") == "200 Content-Length=5|hellcut");
  CHECK(t("Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: u\r\n\r\n") ==
        "200 Transfer-Encoding=chunked|hello.");
  CHECK(t("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n") ==
        "200 Transfer-Encoding=chunked|hellocut");
  CHECK(t("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n") ==
        "200 Transfer-Encoding=chunked|hellocut");
  CHECK(t("\r\nhello") == "200|hellox");
  CHECK(t("A: b\r\n") == "cut");
  CHECK(taken("", 0) == "cut");
  CHECK(taken_in_any_pieces(ok + "\r\nhello", false, false) == "200|hello?");
}

TEST_CASE("an answer to HEAD, 204 and 304 have no content, whatever they say of it") {
  CHECK(taken_in_any_pieces("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true) ==
        "200 Content-Length=9|x");
  CHECK(taken_in_any_pieces("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true) ==
        "200 Transfer-Encoding=chunked|x");
  CHECK(taken_in_any_pieces("HTTP/1.1 200 OK\r\n\r\n", true) == "200|x");
  CHECK(taken_in_any_pieces("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true) ==
        "200 Content-Length=0|.");
  CHECK(taken_in_any_pieces("HTTP/1.1 204 No Content\r\n\r\n") == "204|.");
  CHECK(taken_in_any_pieces("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n") ==
        "304 Content-Length=9|x");
  CHECK(taken_in_any_pieces("HTTP/1.1 304 Not Modified\r\n\r\n") == "304|x");
}

TEST_CASE("a connection is kept if both say so") {
  const std::string empty = "Content-Length: 0\r\n\r\n";
  CHECK(taken_in_any_pieces(ok + ("Connection: close\r\n" + empty)) ==
        "200 Connection=close Content-Length=0|x");
  CHECK(taken_in_any_pieces("HTTP/1.0 200 OK\r\n" + empty) == "200 Content-Length=0|x");
  CHECK(taken_in_any_pieces("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + empty) ==
        "200 Connection=keep-alive Content-Length=0|.");
}

TEST_CASE("a connection is not kept where more may come, however `close` is written") {
  CHECK(taken("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", 0) ==
        "204 Content-Length=2|x");
  for (const char* close : {"close \t", "close\t, x", "x, Close", "keep-alive, close"})
    CHECK(taken(ok + "Connection: " + close + "\r\nContent-Length: 0\r\n\r\n", 0).ends_with("|x"));
  CHECK(taken("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 0).ends_with("|x"));
}

TEST_CASE("informational answers are skipped, and a switch that nobody asked for is none") {
  const std::string final = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
  CHECK(taken_in_any_pieces("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + final) ==
        "200 Content-Length=2|hi.");
  CHECK(taken_in_any_pieces("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + final) ==
        "200 Content-Length=2|hi.");
  CHECK(taken_in_any_pieces("HTTP/1.1 100 Continue\r\n\r\n") == "cut");
  CHECK(taken_in_any_pieces(
            "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n") == "!");
}

TEST_CASE("what two readers may take differently is no answer") {
  const auto t = [](const std::string& text) { return taken_in_any_pieces(text); };
  CHECK(t("hello\r\n\r\n") == "!");
  CHECK(t("HTTP/2.0 200 OK\r\n\r\n") == "!");
  CHECK(t("HTTP/1.1 99 Low\r\n\r\n") == "!");
  CHECK(t("HTTP/1.1 600 High\r\n\r\n") == "!");
  CHECK(t("HTTP/1.1 20 OK\r\n\r\n") == "!");
  CHECK(t(ok + "A b: c\r\n\r\n") == "!");
  CHECK(t(ok + "A: b\r\n c\r\n\r\n") == "!");
  CHECK(t(ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhey") == "!");
  CHECK(t(ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n") == "!");
  CHECK(t(ok + "Content-Length: -2\r\n\r\n") == "!");
  CHECK(t(ok + "Transfer-Encoding: chunked\r\n\r\nx\r\n") == "200 Transfer-Encoding=chunked|!");
}

TEST_CASE("an informational answer has no content, and one that says so is none") {
  const std::string final = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
  for (const char* status : {"100", "103", "104", "199"}) {
    const std::string line = std::string("HTTP/1.1 ") + status + " X\r\n";
    CHECK(taken_in_any_pieces(line + "\r\n" + final) == "200 Content-Length=2|hi.");
    CHECK(taken_in_any_pieces(line + "Content-Length: 5\r\n\r\nhello" + final) == "!");
    CHECK(taken_in_any_pieces(line + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + final) == "!");
  }
}

TEST_CASE("one transfer coding is known, of HTTP/1.1, and nobody asked for another") {
  for (const char* coding : {"gzip", "gzip, chunked", "chunked, gzip", "xchunked", "chunked;q=1",
                             "", "chunked, chunked", "chunked\r\nTransfer-Encoding: chunked"}) {
    CAPTURE(coding);
    CHECK(taken_in_any_pieces(ok + "Transfer-Encoding: " + coding + "\r\n\r\n0\r\n\r\n") == "!");
  }
  CHECK(taken_in_any_pieces("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n"
                            "Connection: keep-alive\r\n\r\n0\r\n\r\n") == "!");
  CHECK(taken_in_any_pieces(ok + "transfer-encoding:  Chunked \r\n\r\n0\r\n\r\n") ==
        "200 transfer-encoding=Chunked|.");
}

TEST_CASE("what comes behind an answer is not part of it") {
  CHECK(taken(ok + "Content-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n", 0) ==
        "200 Content-Length=2|hi.+19");
}

TEST_CASE("fields are trimmed, may be empty, and come in order") {
  CHECK(taken_in_any_pieces(ok + "A: b \t\r\nE:\r\na:c d\r\nContent-Length: 0\r\n\r\n") ==
        "200 A=b E= a=c d Content-Length=0|.");
}

TEST_CASE("a head, and what else is no content, has a bound") {
  const std::string large(limits::response_head_bytes_max, 'a');
  CHECK(taken(ok + ("A: " + large + "\r\n\r\n"), 0) == "too large");
  CHECK(taken(ok + ("A: " + large + "\r\n\r\n"), 1000) == "too large");
  std::string many;
  for (std::size_t i = 0; i <= limits::fields_max; ++i) many += "A: b\r\n";
  CHECK(taken(ok + many + "\r\n", 0) == "too large");
  CHECK(taken(ok + ("Transfer-Encoding: chunked\r\n\r\n0\r\nT: " + large + "\r\n\r\n"), 0) ==
        "200 Transfer-Encoding=chunked|too large");
  for (const char* endless : {"\r\n", "HTTP/1.1 103\r\n\r\n", "HTTP/1.1 103 \r\n\r\n"}) {
    std::string text;
    while (text.size() < limits::response_head_bytes_max + 100) text += endless;
    CHECK(taken(text, 1000) == "too large");
  }
  CHECK(taken(ok + "A:" + std::string(large.size(), ' '), 1000) == "too large");
  const std::string chunked = ok + "Transfer-Encoding: chunked\r\n\r\n";
  const std::string zeros(large.size(), '0');
  CHECK(taken(chunked + zeros, 1000) == "200 Transfer-Encoding=chunked|too large");
  CHECK(taken(chunked + "1;" + large + large + "\r\na\r\n", 1000) ==
        "200 Transfer-Encoding=chunked|too large");
  std::string many_chunks;  // each with little beside its content
  for (int i = 0; i < 30'000; ++i) many_chunks += "1\r\na\r\n";
  CHECK(taken(chunked + many_chunks + "0\r\n\r\n", 1000).ends_with("aaa."));
  std::string endless;
  while (endless.size() <= limits::response_head_bytes_max * 12)
    endless += "HTTP/1.1 103 Early\r\n\r\n";
  CHECK(taken(endless, 0) == "too large");
}

namespace {

// The heads, informational ones too, and the trailers, fed in pieces of `size` bytes; 0: whole.
std::string heads(const std::string& text, std::size_t size, bool may_switch = false) {
  ResponseParser parser;
  parser.begin(false, may_switch);
  std::string told;
  const auto tell = [&] {
    const ClientResponse head = parser.take_head();
    told.append(std::to_string(head.status()));
    for (const Field& field : head.fields())
      told.append(" ").append(field.name).append("=").append(field.value);
    told += "|";
  };
  bool has_told = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::string piece = text.substr(at, size == 0 ? std::string::npos : size);
    std::string_view bytes = piece;
    for (Result result = Result::head; result != Result::incomplete;) {
      result = parser.feed(bytes);
      if (result == Result::failed) return told + "!";
      if (result == Result::informational) tell();
      if (parser.has_head() && !has_told) tell(), has_told = true;
      if (result != Result::end) continue;
      for (const Field& field : parser.trailers())
        told.append(field.name).append(":").append(field.value).append(";");
      if (parser.has_switched())
        told.append("+").append(std::to_string(text.size() - at - piece.size() + bytes.size()));
      return told;
    }
    at += piece.size();
  }
  return told + "?";
}

std::string heads_in_any_pieces(const std::string& text, bool may_switch = false) {
  std::string whole = heads(text, 0, may_switch);
  for (std::size_t size = 1; size <= text.size(); ++size) {
    std::string pieces = heads(text, size, may_switch);
    if (pieces != whole) return std::to_string(size).append(" bytes a piece: ").append(pieces);
  }
  return whole;
}

}  // namespace

TEST_CASE("informational heads are told with their fields, and leave nothing to the next") {
  CHECK(
      heads_in_any_pieces("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n"
                          "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") ==
      "100|103 Link=</a>|200 Content-Length=0|");
}

TEST_CASE("trailers are what stands behind the last chunk, and no fields") {
  CHECK(heads_in_any_pieces(ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: b\r\nC:\r\n"
                                 "D-E:  f \r\n\r\n") ==
        "200 Transfer-Encoding=chunked|A:b;C:;D-E:f;");
}

TEST_CASE("a switch that was asked for ends the answer, and what follows is none") {
  const std::string switched =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
  CHECK(heads_in_any_pieces(switched + "hello", true) ==
        "101 Upgrade=websocket Connection=Upgrade|+5");
  CHECK(heads_in_any_pieces(switched + "\r\nHTTP/1.1 200 OK\r\n\r\n", true) ==
        "101 Upgrade=websocket Connection=Upgrade|+21");
  CHECK(heads_in_any_pieces("HTTP/1.1 101 Switching Protocols\r\n\r\nx", true) == "101|+1");
  CHECK(heads_in_any_pieces(switched) == "!");
}

TEST_CASE("how long it is, and how long a connection is kept, is what the head says") {
  const auto parsed = [](const std::string& fields, bool to_head = false) {
    auto parser = std::make_unique<ResponseParser>();
    parser->begin(to_head);
    const std::string text = ok + fields + "\r\n";
    std::string_view bytes = text;
    (void)parser->feed(bytes);
    return parser;
  };
  CHECK(parsed("Content-Length: 12\r\n")->length() == 12);
  CHECK(parsed("Content-Length: 12\r\n", true)->length() == 12);
  CHECK(parsed("Content-Length: 0\r\n")->length() == 0);
  CHECK_FALSE(parsed("Transfer-Encoding: chunked\r\n")->length());
  CHECK(parsed("Transfer-Encoding: chunked\r\n")->is_framed());
  CHECK_FALSE(parsed("")->is_framed());
  CHECK(parsed("Keep-Alive: timeout=5, max=100\r\n")->keep_alive_for() == 5000);
  CHECK(parsed("Keep-Alive: max=1, Timeout = 2\r\n")->keep_alive_for() == 2000);
  for (const char* none : {"timeout=", "timeout=x", "timeout=99999999999999999999", "max=4", ""})
    CHECK_FALSE(parsed(std::string("Keep-Alive: ") + none + "\r\n")->keep_alive_for());
}
