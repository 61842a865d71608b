// A worker over the simulated kernel with no faults, and a wire to it: for tests that are about the
// bytes of one connection.
#pragma once

#include <string>
#include <string_view>

#include "io/simulated.h"
#include "server/health.h"
#include "server/worker.h"

namespace lastcall {

class Wire {
 public:
  // How /echo and /take get theirs: whole, or as they come.
  enum class Contents : std::uint8_t { whole, streamed };

  explicit Wire(WorkerConfig config = {}, Budget budget = {.window = 2000, .timeout = 1000},
                Contents contents = Contents::whole);
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire();  // drains the worker, which checks that nothing is left

  int connect();
  void send(int socket, std::string_view bytes);
  [[nodiscard]] std::string take(int socket);  // what was answered since
  [[nodiscard]] bool closed(int socket) { return kernel.sockets[socket].server_fin; }
  void hang_up(int socket) { kernel.sockets[socket].client_fin = true, turn(); }
  void reset(int socket) { kernel.sockets[socket].client_reset = true, turn(); }
  void turn(int times = 4);
  void pass(Ms ms);  // time goes by, a tick at a time
  void signal(int number) { kernel.raise(number), turn(); }
  [[nodiscard]] std::uint64_t count(Metric metric) const { return process.sum(metric); }
  [[nodiscard]] std::string ask(int socket, std::string_view bytes) {
    send(socket, bytes);
    return take(socket);
  }

  sim::Kernel kernel{1, sim::Faults::none()};
  Process process;
  Health health{.process = &process, .also_alive = {}};
  Router router;
  Router admin_router;
  WorkerConfig config;
  sim::SimIo io{kernel};
  Worker worker;
};

inline constexpr std::string_view hello = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
[[nodiscard]] std::string post(std::string_view path, std::size_t body_bytes);
[[nodiscard]] WorkerConfig with_timeouts(Ms ms);           // all of them
[[nodiscard]] std::size_t answers(std::string_view text);  // how many begin in it
[[nodiscard]] int status(std::string_view answer);         // 0: it is none
[[nodiscard]] bool says_close(std::string_view answer);

}  // namespace lastcall
