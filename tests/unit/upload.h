// A client that uploads, on a simulated wire, and handlers that read what it sends.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "wire.h"

namespace lastcall {

inline constexpr std::string_view chunked =
    "POST /in HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

inline std::string with_length(std::size_t bytes, std::string_view fields = "") {
  return std::string("POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: ")
      .append(std::to_string(bytes))
      .append("\r\n")
      .append(fields)
      .append("\r\n");
}

inline RouteOptions take(Wire& wire, Handler handler) {
  class Open : public Routes {
   public:
    explicit Open(RouteGroup& group) : Routes(&group) {}
  };
  return Open(wire.router.root()).route("POST", "/in", std::move(handler));
}

// Reads to the end, and answers with how many bytes there were, and how they ended.
struct Reader {
  std::size_t bytes = 0;
  std::size_t pieces = 0;
  int incomplete = -1;
  bool canceled = false;
  std::chrono::milliseconds between{0};

  Handler handler() {
    return [this](Request& request, Response& response) -> Task<> {
      try {
        while (const auto piece = co_await request.read()) {
          bytes += piece->size();
          ++pieces;
          if (between.count() > 0) co_await sleep(between);
        }
      } catch (const Incomplete& why) {
        incomplete = why.status;
        throw;
      } catch (const Canceled&) {
        canceled = true;
        throw;
      }
      response.body(std::to_string(bytes));
    };
  }
};

// A client whose content is read to its end.
struct Upload {
  explicit Upload(const WorkerConfig& config = {},
                  Budget budget = {.window = 2000, .timeout = 1000})
      : wire(config, budget) {
    (void)take(wire, reader.handler());
    socket = wire.connect();
  }

  Reader reader;
  Wire wire;
  int socket = -1;
};

inline std::string body_of(std::string_view answer) {
  return std::string(answer.substr(answer.find("\r\n\r\n") + 4));
}

}  // namespace lastcall
