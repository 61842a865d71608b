// `lastcall --upstream … -- COMMAND`: a command behind our door. It is started when we have that,
// and told to stop when everything is answered; what it leaves behind is ended, too.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <lastcall/server.h>

#include "command.h"
#include "forwarder.h"
#include "wrap_options.h"

namespace lastcall {

class Wrapper {
 public:
  // All outlive the server's run.
  Wrapper(const WrapOptions& options, std::vector<std::string> command, Server& server);
  Wrapper(const Wrapper&) = delete;
  Wrapper& operator=(const Wrapper&) = delete;

  void add_to_server();
  // When the server has run: nothing of the command is left behind.
  void end();

 private:
  struct Look;

  [[nodiscard]] Task<> start();
  [[nodiscard]] Task<> wait_until_ready();
  [[nodiscard]] bool is_given_up(Instant began);
  [[nodiscard]] Task<> wait_for_first_worker();
  [[nodiscard]] bool start_command();
  void on_child();
  void on_command_end();
  [[nodiscard]] Task<> stop();
  [[nodiscard]] Task<> wait_for_the_end();
  void kill_all();
  void settle_exit_code();

  const WrapOptions options_;
  Server& server_;
  Command command_;
  Forwarder forwarder_;
  std::atomic<bool> ready_{false};
  std::atomic<bool> given_up_{false};  // it will never be
  bool told_to_stop_ = false;
  bool killed_ = false;
  bool daemonized_ = false;
  bool start_failed_ = false;
  std::atomic<std::int64_t> command_exit_{-1};
};

}  // namespace lastcall
