// The sample service, on the public face only: hello, whoami, slow, echo, and a counter whose
// increments are background work.
#pragma once

#include "counter.h"
#include "server.h"

namespace lastcall {

class Service {
 public:
  // `job_delay`: the simulated slow work behind `/incr`.
  Service(Counter& counter, std::chrono::milliseconds job_delay)
      : counter_(counter), job_delay_(job_delay) {}

  // Adds its routes; the service outlives the server's run.
  void add_routes(Server& server);

 private:
  static void incr(Request&, Response& response, void* service);
  static Task<> count(Request&, Response& response, void* service);

  Counter& counter_;
  const std::chrono::milliseconds job_delay_;
  std::string host_name_;
};

}  // namespace lastcall
