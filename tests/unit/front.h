// A worker that forwards what it is asked, over the simulated kernel, and the command behind it:
// for tests of the forwarding.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "program/forwarder.h"
#include "wire.h"

namespace lastcall {

inline WorkerConfig of_any_method() {
  WorkerConfig config;
  config.parser.any_method = true;
  return config;
}

inline WrapOptions defaults() {
  WrapOptions options;
  options.upstream = "127.0.0.1:3000";
  options.forwarded = "off";
  return options;
}

// A command that is a script of the test's: which bytes it got by which connection, and what it
// says.
struct Front : sim::Upstream {
  explicit Front(const WrapOptions& options = defaults(),
                 Budget budget = {.window = 2000, .timeout = 1000})
      : forwarder(options), wire(of_any_method(), budget) {
    wire.kernel.upstream = this;
    forwarder.open();
    wire.router.set_fallback(forwarder.of_requests(), true);
  }
  std::optional<int> connect(int socket) override {
    if (accepts && *accepts == 0) sockets.push_back(socket);
    return accepts;
  }
  sim::Socket& upstream(std::size_t nth) { return wire.kernel.sockets[sockets.at(nth)]; }
  std::string got(std::size_t nth = 0) {
    std::string bytes;
    bytes.swap(upstream(nth).to_client);
    return bytes;
  }
  void says(const std::string& text, std::size_t nth = 0) {
    upstream(nth).to_server += text;
    wire.turn(20);
  }
  void ends(std::size_t nth = 0) {
    upstream(nth).client_fin = true;
    wire.turn();
  }
  void resets(std::size_t nth = 0) {
    upstream(nth).client_reset = true;
    wire.turn();
  }
  void sends(const std::string& text) {
    if (client < 0) client = wire.connect();
    wire.send(client, text);
  }
  std::string takes() { return wire.take(client); }
  // A request and its answer, and what the client gets.
  std::string exchange(const std::string& request, const std::string& answer, std::size_t nth = 0) {
    sends(request);
    (void)got(nth);
    says(answer, nth);
    return takes();
  }

  std::optional<int> accepts = 0;
  std::vector<int> sockets;
  Forwarder forwarder;
  Wire wire;
  int client = -1;
};

inline std::string get(const std::string& fields = {}, const std::string& target = "/x") {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
inline std::string put(std::size_t bytes, const std::string& fields = {}) {
  return "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(bytes) + "\r\n" +
         fields + "\r\n";
}
inline std::string ok(const std::string& content, const std::string& fields = {}) {
  return "HTTP/1.1 200 Fine\r\nContent-Length: " + std::to_string(content.size()) + "\r\n" +
         fields + "\r\n" + content;
}
inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
inline std::string content(const std::string& answer) {
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

}  // namespace lastcall
