// What one run of a server needs, from its construction on: `run` and what the program says before
// it (server.cc), and how it comes up (server_start.cc).
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <lastcall/exit_code.h>
#include <lastcall/server.h>

#include "await/blocking_pool.h"
#include "http/router.h"
#include "http/trusted_proxies.h"
#include "io/sockets.h"
#include "server/health.h"
#include "server/memory_plan.h"
#include "server/opening.h"
#include "server/process.h"
#include "server/program_report.h"
#include "server/signals.h"
#include "server/worker.h"

namespace lastcall {

// Before anybody is served.
[[noreturn]] void end_without_memory();

// What one run needs. Parts that threads or signal handlers may look at to the very end (`process`)
// are kept for the life of the process.
struct Server::Impl {
  explicit Impl(Options given) : options(std::move(given)) {
    health.draining_status = options.draining_status;
    health.program = &program_report;
    if (options.health_paths) add_health_routes(router, health);
    add_health_routes(admin_router, health);
    watch_signals();
  }
  ~Impl() { *start_is_over = true; }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // A signal, or `stop`, asks a start to end.
  [[nodiscard]] bool to_stop() const { return stop_asked != unasked || signal_pending(signal_fd); }
  void pass_stop_on() noexcept;
  int refuse(const ExitCode& exit, const std::string& why) const {
    *start_is_over = true;
    log::write_last(log::Level::error, why, {});  // whatever --log-level is
    log::flush(limits::log_flush_ms);
    return exit.code;
  }

  void watch_signals();
  std::optional<int> start();
  [[nodiscard]] Opening opening() const {
    return {listener_options(), [this] { return to_stop(); }};
  }
  [[nodiscard]] ListenerOptions listener_options() const {
    return {.keepalive = options.tcp_keepalive.count(),
            .narrow = plan.narrow,
            .listens = options.until_ready != "refuse"};
  }
  bool open_main_listeners(std::string& why);
  bool open_admin_listener(std::string& why);
  bool open_hooked_signals(std::string& why);
  bool open_engines(std::string& why);
  bool start_threads(std::string& why);
  bool all_engines_open();
  std::unique_ptr<Io> open_engine();
  void open_main_engine();
  std::unique_ptr<Worker> make_worker(unsigned index, Io& io);
  void fall_back();
  std::vector<WorkerConfig> worker_configs() const;
  std::string bound_connections(unsigned workers);
  void worker_thread(unsigned index);
  void serve_on(unsigned index, Worker& worker) noexcept;
  int finish();

  Options options;
  bool has_run = false;  // or does
  std::atomic<bool> runs{false};
  std::atomic<bool> serves{false};  // its workers may be told something
  enum Stop : int { unasked, with_window, at_once };
  std::atomic<int> stop_asked{unasked};
  std::atomic<std::uint16_t> port{0};
  Health health;
  Router router;
  Router admin_router;
  After on_error;
  TrustedProxies trusted_proxies;
  detail::Callable<Task<>()> on_start;
  detail::Callable<void()> on_drain;
  detail::Callable<Task<>()> on_drained;
  std::vector<SignalHook> signal_hooks;
  int hooked_signal_fd = -1;
  ProgramReport program_report;

  Process* process = nullptr;
  MemoryPlan plan;
  std::unique_ptr<BlockingPool> blocking;
  int signal_fd = -1;
  // Nothing will be served: the program may take its time, whatever signal has come.
  const std::shared_ptr<std::atomic<bool>> start_is_over =
      std::make_shared<std::atomic<bool>>(false);
  std::string watch_failed;  // why nobody watches the signal beside the leader
  int admin_fd = -1;
  std::vector<WorkerConfig> configs;
  std::vector<std::thread> threads;
  std::unique_ptr<Io> main_io;
  std::unique_ptr<Worker> main_worker;

  // What the other threads wait for, once each has opened its engine or failed to.
  enum Go : int { wait, reopen, serve, give_up };
  std::atomic<int> go{wait};
  std::atomic<unsigned> reported{0};  // of them: those that have
  std::mutex engine_failing;
  std::string engine_failed;  // why the first failed
};

}  // namespace lastcall
