// What an operator may set, and its defaults. A program fills it from its arguments and environment
// by `from`; or it sets members. Times are
// milliseconds, sizes bytes.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace lastcall {

struct Options {
  using Duration = std::chrono::milliseconds;

  std::string listen = "[::]:8080";
  std::string admin_listen;  // empty: off
  // Of clients that come before `Server::on_start` has ended: "wait" in the listener's queue, are
  // "refuse"d, since it does not listen yet, or get "503".
  std::string until_ready = "wait";
  bool health_paths = true;     // on `listen`, too: else every path there is the program's
  unsigned workers = 0;         // 0: one per usable CPU
  std::string io = "auto";      // or "io_uring", "epoll"; auto: io_uring where it can be had
  std::string trusted_proxies;  // "10.0.0.0/8, fd00::/8": whose X-Forwarded-For is believed

  Duration drain_window{10'000};
  Duration shutdown_timeout{15'000};
  Duration grace_period{30'000};
  Duration pre_stop{0};
  Duration serving_lead{5'000};
  unsigned draining_status = 503;
  // What the program does behind the drain (`Server::on_drained`), and for how long at most, each
  // by the name of its option: a part of the grace period.
  struct Step {
    std::string option;
    Duration time;
  };
  std::vector<Step> behind_drain;
  bool hard = false;

  std::size_t max_connections = 0;  // at most; 0: as many as descriptors and memory allow
  // What a connection takes of them: 2 where each is passed on by one of its own.
  std::size_t descriptors_each = 1;
  Duration header_timeout{10'000};
  Duration body_timeout{30'000};
  Duration idle_timeout{620'000};
  Duration write_timeout{30'000};
  Duration tunnel_timeout{0};  // of a drain, from the window's end; 0: until its deadline
  Duration tcp_keepalive{15'000};
  bool evict_silent = false;
  std::size_t max_jobs = 65'536;
  std::size_t blocking_threads = 16;
  std::size_t max_header_bytes = 16 * 1024;
  static constexpr std::size_t unbounded_body = std::size_t{1} << 40;
  std::size_t max_body_bytes = 1024 * 1024;
  std::size_t memory = 0;                       // 0: half of what there is
  std::size_t body_memory = 256 * 1024 * 1024;  // of it

  std::string termination_log = "/dev/termination-log";

  std::vector<std::string> rest;  // what stands behind `--`, for the program

  // From `main`'s arguments, and the environment: --listen ADDRESS:PORT, or LASTCALL_LISTEN; --help
  // has them all. Configures the log, too. Ends the process, by exit code 0 where it has been asked
  // for help, and by 2 and one line where something is wrong. A program with options of its own has
  // a `CommandLine` (command_line.h).
  [[nodiscard]] static Options from(int count, const char* const* arguments);

  // Empty, or one line that says which value is wrong and what would be right.
  [[nodiscard]] std::string invalid() const;
};

}  // namespace lastcall
