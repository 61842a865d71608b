// Traffic of every kind, and who answers it: what bench/train.cc has counted, and
// bench/request_cost.cc measures.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lastcall/shared_content.h>
#include <lastcall/sleep.h>

#include "pretend_server.h"

namespace lastcall::traffic {

using namespace std::chrono_literals;

inline constexpr std::string_view browser_fields =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Cookie: session=0123456789abcdef; theme=dark\r\n"
    "Connection: keep-alive\r\n";
inline constexpr std::string_view proxy_fields =
    "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Request-Id: 7f3a9c\r\n"
    "Accept: */*\r\nUser-Agent: client/1.0\r\n";
inline constexpr std::string_view probe_fields = "User-Agent: kube-probe/1.30\r\n";

inline std::string request(std::string_view method, std::string_view target,
                           std::string_view fields = "", std::string_view content = "") {
  std::string text;
  text.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: example.org\r\n");
  text.append(fields);
  if (!content.empty()) text.append(fmt::format("Content-Length: {}\r\n", content.size()));
  return text.append("\r\n").append(content);
}

inline std::string chunked(std::string_view target, std::string_view content) {
  std::string text = request("POST", target, "Transfer-Encoding: chunked\r\n");
  for (std::size_t at = 0; at < content.size(); at += 1000) {
    const std::string_view piece = content.substr(at, 1000);
    text.append(fmt::format("{:x}\r\n{}\r\n", piece.size(), piece));
  }
  return text.append("0\r\n\r\n");
}

// Fills that many receive buffers.
inline std::string with_content(std::string_view target, std::size_t buffers) {
  const std::string least = request("POST", target, proxy_fields, std::string(10'000, 'l'));
  const std::size_t more = buffers * limits::receive_buffer_bytes - least.size();
  return request("POST", target, proxy_fields, std::string(10'000 + more, 'l'));
}

inline std::string times(std::size_t count, std::string_view text) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

// ---- who answers

inline void item(Request& request, Response& response, void*) {
  response.field("Cache-Control", "no-store").content_type("application/json");
  response.body(R"({"id":")").append(request.param("id")).append("\"}");
}
inline void echo(Request& request, Response& response, void*) { response.body(request.body()); }
inline void page(Request&, Response& response, void*) {
  static const std::string text(8000, 'p');
  response.content_type("text/html").body(text);
}
inline Task<> waits(Request&, Response& response, void*) {
  co_await sleep(1ms);
  response.body("after a while");
}

inline void add_routes(PretendServer& server) {
  RouteGroup& root = server.router.root();
  class Open : public Routes {
   public:
    explicit Open(RouteGroup& group) : Routes(&group) {}
  };
  Open routes(root);
  routes.route("GET", "/", Handler(hello, nullptr));
  routes.route("GET", "/items/{id}", Handler(item, nullptr));
  routes.route("GET", "/page", Handler(page, nullptr));
  routes.route("POST", "/echo", Handler(echo, nullptr));
  routes.route("GET", "/waits", Handler(waits, nullptr));
  routes.route("GET", "/ready-at-once", [](Request&, Response& response) -> Task<> {
    response.body("hello world");
    co_return;
  });
  routes.route("POST", "/upload", [](Request& request, Response& response) -> Task<> {
    std::size_t bytes = 0;
    while (const auto piece = co_await request.read()) bytes += piece->size();
    response.body(std::to_string(bytes));
  });
  routes.route("GET", "/large",
               [content = SharedContent(std::string(64 * 1024, 'l'))](
                   Request&, Response& response) { response.body(content); });
  routes.route("GET", "/stream", [](Request&, Response& response) -> Task<> {
    ResponseBody body = co_await response.begin();
    for (int i = 0; i < 8; ++i) {
      const bool there = co_await body.write("data: a line of what happens\n\n");
      if (!there) break;
    }
    body.end();
  });
}

// ---- what is asked

struct Load {
  const char* name;
  std::string batch;     // of each client, again and again
  std::size_t requests;  // in it
  std::size_t batches;   // to be counted
  bool waits = false;    // for the clock, mostly
  bool large = false;    // a content that is too large for memory that is kept
};

inline std::vector<Load> loads() {
  const std::string browser = request("GET", "/", browser_fields);
  const std::string kilobyte(1024, 'k');
  const std::string mixed = browser + request("GET", "/items/42?fields=all", proxy_fields) +
                            request("HEAD", "/page", proxy_fields) +
                            request("GET", "/nowhere", browser_fields) +
                            request("POST", "/echo", proxy_fields, kilobyte);
  return {
      {"small", request("GET", "/"), 1, 60'000},
      {"small, pipelined", times(16, request("GET", "/")), 16, 6'000},
      {"browser", browser, 1, 60'000},
      {"browser, pipelined", times(8, browser), 8, 8'000},
      {"items", request("GET", "/items/42?fields=all", proxy_fields), 1, 30'000},
      {"mixed, pipelined", mixed, 5, 6'000},
      {"probes", request("GET", "/readyz", probe_fields), 1, 6'000},
      {"a page", request("GET", "/page", browser_fields), 1, 10'000},
      {"content", request("POST", "/echo", proxy_fields, kilobyte), 1, 20'000},
      {"a large content", with_content("/echo", 8), 1, 1'000},
      {"chunks", chunked("/echo", kilobyte + kilobyte), 1, 6'000},
      {"64 KiB, echoed", with_content("/echo", 32), 1, 500, false, true},
      {"64 KiB, shared", request("GET", "/large", browser_fields), 1, 3'000, false, true},
      {"upload", with_content("/upload", 8), 1, 1'000},
      {"upload of 64 KiB", with_content("/upload", 32), 1, 500},
      {"coroutine", request("GET", "/ready-at-once", browser_fields), 1, 20'000},
      {"coroutine, pipelined", times(16, request("GET", "/ready-at-once")), 16, 1'000},
      {"coroutine that waits", request("GET", "/waits", browser_fields), 1, 20'000, true},
      {"stream", request("GET", "/stream", browser_fields), 1, 6'000},
  };
}

// How many clients a server has room for at once.
inline std::size_t clients_of(const Load& load) {
  std::size_t buffers = 1;
  while (buffers * limits::receive_buffer_bytes < load.batch.size()) buffers *= 2;
  return std::min<std::size_t>(64, limits::receive_buffers / buffers);
}

// Starts it, and finds out how many bytes the answers to a batch have.
inline std::size_t start(PretendServer& server, std::size_t clients) {
  constexpr std::size_t quiet_turns = 200;
  add_routes(server);
  server.start();
  for (std::uint64_t quiet = 0, before = 0; quiet < quiet_turns; ++quiet) {
    server.turn();
    if (std::exchange(before, server.io.bytes_sent()) != server.io.bytes_sent()) quiet = 0;
  }
  CHECK(server.io.bytes_sent() > 0 && server.io.bytes_sent() % clients == 0);
  const std::size_t answer_bytes = server.io.bytes_sent() / clients;
  server.io.answer_bytes(answer_bytes);
  return answer_bytes;
}

}  // namespace lastcall::traffic
