// How a server comes up: all that can fail, before anybody is served.
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <lastcall/duration.h>
#include <lastcall/exit_code.h>
#include <lastcall/log.h>

#include "base/check.h"
#include "base/cpus.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/epoll.h"
#include "io/sockets.h"
#include "io/uring.h"
#include "server/last_words.h"
#include "server/memory_plan.h"
#include "server/opening.h"
#include "server/server_impl.h"
#include "server/signals.h"
#include "server/worker.h"

namespace lastcall {
namespace {

// What is allowed, and hardly meant.
void warn_of(const Options& options, const MemoryPlan& plan, unsigned workers) {
  const bool lead_given = options.serving_lead != Options{}.serving_lead;
  if (lead_given && options.serving_lead > options.drain_window) {
    log::warning("--serving-lead {} is longer than --drain-window {}: /servingz says no at once",
                 format_duration(options.serving_lead.count()),
                 format_duration(options.drain_window.count()));
  }
  const std::size_t bodies = plan.each.bodies;
  const std::size_t answers = bodies - bodies / 4;
  const bool bounded = options.max_body_bytes < Options::unbounded_body;
  if (bounded && answers < options.max_body_bytes) {
    log::warning(
        "--memory and --body-memory leave {} for the bodies of each of {} workers, {} of it for "
        "answers: less than --max-body-bytes {}, and what has no room gets 503 or 500; raise the "
        "one, or lower the other, or --workers",
        format_size(bodies), workers, format_size(answers), format_size(options.max_body_bytes));
  }
}

Options::Duration behind_drain(const Options& options) {
  Options::Duration all{0};
  for (const Options::Step& step : options.behind_drain) all += step.time;
  return all;
}

// `docker stop` and its like wait for ten seconds.
void tell_how_long(const Options& options) {
  const auto longest =
      options.pre_stop + options.drain_window + options.shutdown_timeout + behind_drain(options);
  if (options.grace_period != Options{}.grace_period || options.hard ||
      longest.count() <= limits::impatient_stop_ms)
    return;
  log::info(
      "after SIGTERM it may take {}: allow it {} (docker stop waits for 10s, unless told --time), "
      "and tell it with --grace-period",
      format_duration(longest.count()),
      format_duration(longest.count() + limits::budget_margin_ms));
}

// Each has a place for a client at least.
unsigned workers_for(const Options& options) {
  const unsigned wanted =
      options.workers != 0 ? options.workers : std::min(usable_cpus(), workers_max);
  if (options.max_connections == 0 || options.max_connections >= wanted) return wanted;
  log::info("{} workers, not {}: --max-connections is {}", options.max_connections, wanted,
            options.max_connections);
  return static_cast<unsigned>(options.max_connections);
}

Budget budget_of(const Options& options) {
  return {.window = options.drain_window.count(),
          .timeout = options.shutdown_timeout.count(),
          .lead = std::min(options.serving_lead, options.drain_window).count(),
          .behind = behind_drain(options).count()};
}

// Never destroyed: the watch thread may look at it to the very end of the process.
Process* make_process_for_ever(unsigned workers, const Budget& budget) {
  static Process* const only = new Process(workers, budget);
  return only;
}

void end_hard(int signal) { _exit(128 + signal); }

}  // namespace

void end_without_memory() {
  log::write_last(
      log::Level::error,
      "there is not enough memory to start: raise its limit (memory.max, ulimit -v), or "
      "lower --workers",
      {});
  log::flush(limits::log_flush_ms);
  _exit(exit_failed.code);
}

void Server::Impl::watch_signals() {
  signal_fd = open_signalfd();
  if (signal_fd < 0) return;
  const Ms patience = options.shutdown_timeout.count() + limits::watchdog_ms;
  watch_failed = start_signal_watch(signal_fd, patience, options.termination_log, start_is_over);
}

// All that can fail. Nothing: it serves.
std::optional<int> Server::Impl::start() {
  block_signals();
  log::start();
  if (const std::string wrong = options.invalid(); !wrong.empty())
    return refuse(exit_bad_option, wrong);
  const unsigned workers = workers_for(options);
  CHECK(workers >= 1 && workers <= workers_max);
  if (const std::string wrong = bound_connections(workers); !wrong.empty())
    return refuse(exit_bad_option, wrong);

  warn_of(options, plan, workers);
  process = make_process_for_ever(workers, budget_of(options));
  health.process = process;
  process->router = &router;
  process->program = &program_report;
  process->can_unlisten = can_unlisten();
  process->arm_watchdog = arm_watchdog;
  if (options.hard) process->end_now = end_hard;
  if (signal_fd < 0) watch_signals();
  if (signal_fd < 0)
    return refuse(exit_failed, fmt::format("no signalfd: {}", std::strerror(errno)));
  if (!make_watchdog()) {
    return refuse(exit_failed,
                  fmt::format("no timer for the watchdog: {}; EAGAIN means RLIMIT_SIGPENDING "
                              "(ulimit -i), which all processes of this user share",
                              std::strerror(errno)));
  }

  if (!watch_failed.empty()) {
    return refuse(exit_failed,
                  fmt::format("no thread to watch the signal beside the workers, which may be "
                              "stuck: {}; raise the limit of processes (ulimit -u, pids.max)",
                              watch_failed));
  }

  unblock_fatal_signals();
  (void)trusted_proxies.parse(options.trusted_proxies);  // checked by Options::invalid
  blocking = std::make_unique<BlockingPool>(options.blocking_threads);
  configs = worker_configs();
  std::string why;
  const bool opened = open_hooked_signals(why) && open_engines(why) && !to_stop() &&
                      open_admin_listener(why) && open_main_listeners(why);
  if (!opened) {
    go = give_up;
    go.notify_all();
    for (std::thread& thread : threads) thread.join();
    if (!why.empty() && !to_stop()) return refuse(exit_failed, why);
    *start_is_over = true;
    log::info("{} before serving had begun",
              stop_asked != unasked ? "stop() was called" : "the signal came");
    log::flush(limits::log_flush_ms);
    return exit_finished.code;
  }
  tell_how_long(options);
  if (!prepare_last_words(*process, options.termination_log)) wait_for_the_end();
  watch_over(*process);
  go = serve;
  go.notify_all();
  serves = true;
  pass_stop_on();
  return std::nullopt;
}

// Whoever comes second, `stop` or the start, finds both set.
void Server::Impl::pass_stop_on() noexcept {
  if (!serves || stop_asked == unasked) return;
  process->on_stop(monotonic_ms(), stop_asked == at_once);
  process->wake_workers();
}

std::string Server::Impl::bound_connections(unsigned workers) {
  const std::size_t have = descriptors_allowed();
  const std::size_t open = descriptors_open();
  const std::size_t reserved =
      limits::descriptors_reserved + workers * limits::descriptors_per_worker + open;
  if (have <= reserved + limits::descriptors_reserved) {
    return fmt::format(
        "RLIMIT_NOFILE is {}: {} workers need at least {}, {} of them are open already; raise it "
        "(ulimit -n), or lower --workers",
        have, workers, reserved + limits::descriptors_reserved + 1, open);
  }
  const std::size_t most = (have - reserved) / options.descriptors_each;
  const std::size_t connections_max = options.max_connections == 0 ? most : options.max_connections;
  if (connections_max > most) {
    return fmt::format(
        "--max-connections is {}, but RLIMIT_NOFILE allows {}: lower it, or raise the limit of "
        "descriptors (ulimit -n)",
        connections_max, most);
  }
  plan = MemoryPlan::of(options, workers, usable_memory(), connections_max);
  keep_freed_memory(plan.each.bodies);
  if (plan.each.all < limits::memory_each_min) {
    return fmt::format(
        "--memory leaves {} for each of {} workers: at least {}; raise it, or lower --workers",
        format_size(plan.each.all), workers, format_size(limits::memory_each_min));
  }
  if (plan.connections < connections_max) {
    log::info("at most {} connections at once: there is memory for no more (--memory is {})",
              plan.connections, format_size(plan.each.all * workers));
  }
  return {};
}

std::vector<WorkerConfig> Server::Impl::worker_configs() const {
  const std::size_t workers = process->slots.size();
  std::vector<WorkerConfig> all(workers);
  for (std::size_t i = 0; i < workers; ++i) {
    WorkerConfig& config = all[i];
    config.router = &router;
    config.admin_router = &admin_router;
    config.parser = {options.max_header_bytes, options.max_body_bytes, &router.method_names(),
                     router.takes_all()};
    config.on_error = on_error;
    config.trusted_proxies = trusted_proxies.empty() ? nullptr : &trusted_proxies;
    config.connections_max =
        std::max<std::size_t>(1, (plan.connections + workers - 1 - i) / workers);
    config.memory = plan.each;
    config.narrow = plan.narrow;
    config.wide_sockets = plan.wide_sockets;
    config.watches_resident = true;
    config.jobs_max = std::max<std::size_t>(1, (options.max_jobs + workers - 1 - i) / workers);
    config.evict_silent = options.evict_silent;
    config.header_timeout = options.header_timeout.count();
    config.body_timeout = options.body_timeout.count();
    config.idle_timeout = options.idle_timeout.count();
    config.write_timeout = options.write_timeout.count();
    if (options.tunnel_timeout.count() > 0) config.tunnel_timeout = options.tunnel_timeout.count();
    config.blocking = blocking.get();
    config.on_start = on_start;
    if (options.until_ready == "refuse") config.before_ready = BeforeReady::refuse;
    if (options.until_ready == "503") config.before_ready = BeforeReady::deny;
    config.on_drain = on_drain;
    config.on_drained = on_drained;
    config.signal_hooks = signal_hooks;
    config.hooked_signal_fd = hooked_signal_fd;
  }
  return all;
}

bool Server::Impl::open_hooked_signals(std::string& why) {
  std::vector<int> signals;
  signals.reserve(signal_hooks.size());
  for (const SignalHook& hook : signal_hooks) signals.push_back(hook.signal);
  if (signals.empty()) return true;
  hooked_signal_fd = open_hooked_signalfd(signals);
  if (hooked_signal_fd < 0) why = fmt::format("no signalfd: {}", std::strerror(errno));
  for (WorkerConfig& config : configs) config.hooked_signal_fd = hooked_signal_fd;
  return hooked_signal_fd >= 0;
}

// All workers serve by the same engine: if one of them is denied io_uring, all take epoll. Each
// engine belongs to the thread that creates it. Before anything listens: an engine that is denied
// must not cost a client that has connected already.
bool Server::Impl::open_engines(std::string& why) {
  process->io = options.io == "epoll" ? "epoll" : "io_uring";
  open_main_engine();
  if (main_io == nullptr) fall_back();
  if (main_io == nullptr || !start_threads(why)) {
    if (why.empty()) why = engine_failed;
    return false;
  }
  if (all_engines_open()) return true;
  fall_back();
  if (main_io != nullptr) {
    reported = 0;
    go = reopen;
    go.notify_all();
    if (all_engines_open()) return true;
  }
  why = engine_failed;
  return false;
}

// Null, and the reason noted, where it cannot be had.
std::unique_ptr<Io> Server::Impl::open_engine() {
  std::string failed;
  std::unique_ptr<Io> io;
  try {
    io = process->io == "epoll" ? make_epoll(failed) : make_uring(failed);
  } catch (const std::bad_alloc&) {
    end_without_memory();
  }
  if (io == nullptr) {
    const std::lock_guard lock(engine_failing);
    if (engine_failed.empty()) engine_failed = failed;
  }
  return io;
}

void Server::Impl::open_main_engine() {
  main_io = open_engine();
  if (main_io != nullptr) main_worker = make_worker(0, *main_io);
}

// Before anybody is served, so that nobody is lost where there is not enough memory for it.
std::unique_ptr<Worker> Server::Impl::make_worker(unsigned index, Io& io) {
  detail::frames_trim();  // what this thread needs for it is made now
  try {
    return std::make_unique<Worker>(io, configs[index], *process, index);
  } catch (const std::bad_alloc&) {
    end_without_memory();
  }
}

// From io_uring to epoll, unless the operator has chosen; `main_io` is null if there is no way.
void Server::Impl::fall_back() {
  main_worker.reset();
  main_io.reset();
  if (options.io != "auto" || process->io == "epoll") return;
  log::info("serving by epoll: {}", engine_failed);
  engine_failed.clear();
  process->io = "epoll";
  open_main_engine();
}

bool Server::Impl::start_threads(std::string& why) {
  for (unsigned index = 1; index < process->slots.size(); ++index) {
    try {
      threads.emplace_back(&Impl::worker_thread, this, index);
    } catch (const std::system_error& error) {
      why = fmt::format(
          "no thread for a worker: {}; lower --workers, or raise the limit of processes "
          "(ulimit -u, pids.max) or of memory, which its stack takes (ulimit -v)",
          error.what());
      return false;
    }
  }
  return true;
}

bool Server::Impl::all_engines_open() {
  for (unsigned now = reported; now < threads.size(); now = reported) reported.wait(now);
  const std::lock_guard lock(engine_failing);
  return engine_failed.empty();
}

void Server::Impl::worker_thread(unsigned index) {
  std::unique_ptr<Io> io;
  std::unique_ptr<Worker> worker;
  for (int seen = wait; seen == wait || seen == reopen; seen = go) {
    worker.reset();
    io.reset();
    io = open_engine();
    if (io != nullptr) worker = make_worker(index, *io);
    ++reported;
    reported.notify_all();
    go.wait(seen);
  }
  if (go == serve) serve_on(index, *worker);
}

bool Server::Impl::open_main_listeners(std::string& why) {
  process->tcp_at_start = main_io->tcp_counts();
  Address address;
  const Descriptor first = opening().open(options.listen, address);
  if (first.error != 0) {
    why = why_not_listening("--listen", options.listen, first.error);
    return false;
  }
  process->slots[0].listener = first.fd;
  const Address bound = local_address(first.fd);
  process->port = port = bound.port();
  for (WorkerSlot& slot : process->slots) {
    if (slot.listener < 0) {
      const Descriptor next = open_listener(bound, listener_options());
      if (next.error != 0) {
        why = why_not_listening("--listen", bound.text(), next.error);
        return false;
      }
      slot.listener = next.fd;
    }
    slot.wake_fd = eventfd(0, EFD_CLOEXEC);
    if (slot.wake_fd < 0) {
      why = fmt::format("no eventfd: {}", std::strerror(errno));
      return false;
    }
  }
  log::info("listening on {}, {} workers by {}, drain window {}, shutdown timeout {}, close by {}",
            bound.text(), process->slots.size(), process->io,
            format_duration(options.drain_window.count()),
            format_duration(options.shutdown_timeout.count()),
            options.hard ? "exiting at once (--hard)"
            : process->can_unlisten
                ? "un-listen, settle, sweep"
                : "settle and sweep (this kernel cannot un-listen: a client that connects in the "
                  "last instant may be reset)");
  return true;
}

bool Server::Impl::open_admin_listener(std::string& why) {
  if (options.admin_listen.empty()) return true;
  Address address;
  ListenerOptions how = listener_options();
  how.listens = true;
  const Descriptor opened =
      Opening(how, [this] { return to_stop(); }).open(options.admin_listen, address);
  if (opened.error != 0) {
    why = why_not_listening("--admin-listen", options.admin_listen, opened.error);
    return false;
  }
  admin_fd = opened.fd;
  log::info("health paths and metrics on {}", local_address(opened.fd).text());
  return true;
}

}  // namespace lastcall
