// lastcall's worker over a PretendIo, with routes of every kind.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <lastcall/handler.h>

#include "http/router.h"
#include "pretend_io.h"
#include "server/health.h"
#include "server/worker.h"

namespace lastcall {

class PretendServer {
 public:
  PretendServer(std::string_view batch, std::size_t clients,
                PretendIo::Clock clock = PretendIo::Clock::real)
      : io(batch, clients, clock) {
    add_health_routes(router, health_);
    add_health_routes(admin_router_, health_);
    config_.router = &router;
    config_.admin_router = &admin_router_;
    config_.connections_max = 20'000;  // room for a multishot accept
    worker_ = std::make_unique<Worker>(io, config_, process_, 0);
    process_.slots[0].listener = listener_fd;
  }
  void start() { worker_->start(-1, -1); }  // once its routes are there
  void turn() { worker_->turn(); }

  PretendIo io;
  Router router;

  static constexpr int listener_fd = PretendIo::first_fd - 1;

 private:
  Process process_{1, {.window = 0, .timeout = 0, .lead = 0}};
  Health health_{.process = &process_, .also_alive = {}};
  Router admin_router_;
  WorkerConfig config_;
  std::unique_ptr<Worker> worker_;
};

inline void hello(Request&, Response& response, void*) { response.body("hello world"); }

}  // namespace lastcall
