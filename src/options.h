// What an operator may set. The program fills it from its arguments and environment
// (program_options.cc); a C++ user sets members. Times are milliseconds, sizes bytes.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "bounds.h"

namespace lastcall {

struct Options {
  using Duration = std::chrono::milliseconds;

  std::string listen = "[::]:8080";  // ADDRESS:PORT; port 0 picks one and logs it
  std::string admin_listen;          // health paths and /metrics only; empty: off
  unsigned workers = 0;              // 0: one per usable CPU

  Duration drain_window{10'000};      // listener open after the signal
  Duration shutdown_timeout{15'000};  // from the window's end
  Duration grace_period{30'000};      // the pod's terminationGracePeriodSeconds
  Duration pre_stop{0};               // what a preStop hook spends of it
  Duration serving_lead{5'000};       // /servingz says no this long before; at most the window
  bool hard = false;                  // the control: end at once on the signal

  std::size_t max_connections = 0;  // 0: from RLIMIT_NOFILE
  Duration header_timeout{10'000};
  Duration body_timeout{30'000};
  Duration idle_timeout{620'000};
  Duration write_timeout{30'000};
  std::size_t max_jobs = limits::jobs_default;  // background work, all workers together
  std::size_t max_header_bytes = limits::header_bytes_default;
  std::size_t max_body_bytes = limits::body_bytes_default;
  std::size_t body_memory = limits::body_memory_default;  // of all bodies, received or sent

  std::string termination_log = "/dev/termination-log";  // where the audit goes if it exists

  // Empty, or one line that says which value is wrong and what would be right.
  [[nodiscard]] std::string invalid() const;
};

}  // namespace lastcall
