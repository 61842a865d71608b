// The sample service, on the public face only: hello, whoami, slow, echo, and a counter whose
// increments are background work.
#pragma once

#include <string>

#include <lastcall/server.h>

#include "counter.h"

namespace lastcall {

class Service {
 public:
  // `job_delay`: the simulated slow work behind `/incr`. `signs`: each answer names its host, in
  // the field X-Served-By.
  Service(Counter& counter, std::chrono::milliseconds job_delay, bool signs);

  // Adds its routes, and its look at the counter when it starts; the service outlives the server's
  // run.
  void add_routes(Server& server);

 private:
  // Handlers; `service` is this.
  static void hello(Request&, Response& response, void* service);
  static void whoami(Request&, Response& response, void* service);
  static void echo(Request& request, Response& response, void* service);
  static Task<> slow(Request& request, Response& response, void* service);
  static void incr(Request&, Response& response, void* service);
  static Task<> count(Request&, Response& response, void* service);

  void sign(Response& response) const;

  Counter& counter_;
  const std::chrono::milliseconds job_delay_;
  const bool signs_;
  std::string host_name_;
};

}  // namespace lastcall
