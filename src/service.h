// The sample service, on the public face only: hello, whoami, slow, echo.
#pragma once

#include "server.h"

namespace lastcall {

class Service {
 public:
  // Adds its routes; the service outlives the server's run.
  void add_routes(Server& server);

 private:
  std::string host_name_;
};

}  // namespace lastcall
