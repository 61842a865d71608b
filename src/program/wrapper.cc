#include "wrapper.h"

#include <fmt/core.h>
#include <sys/prctl.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <new>
#include <utility>

#include <lastcall/duration.h>
#include <lastcall/exit_code.h>
#include <lastcall/log.h>
#include <lastcall/sleep.h>

#include "descendants.h"

namespace lastcall {
namespace {

using namespace std::chrono_literals;

constexpr auto look_again = 10ms;
constexpr auto first_look = 100ms;  // at most, before the command is started
constexpr auto told_after = 3s;     // then after twice as long, and so on
constexpr int not_found = 127;      // as a shell has it
constexpr int not_executable = 126;

std::string port_of(const UpstreamAddress& address) {
  return address.port == 0 ? std::string() : std::to_string(address.port);
}

// Whatever way the wait ends: the other workers wait for no command any more.
class GivesUp {
 public:
  GivesUp(const std::atomic<bool>& ready, std::atomic<bool>& given_up)
      : ready_(ready), given_up_(given_up) {}
  GivesUp(const GivesUp&) = delete;
  GivesUp& operator=(const GivesUp&) = delete;
  ~GivesUp() { given_up_ = !ready_; }

 private:
  const std::atomic<bool>& ready_;
  std::atomic<bool>& given_up_;
};

}  // namespace

Wrapper::Wrapper(const WrapOptions& options, std::vector<std::string> command, Server& server)
    : options_(options),
      server_(server),
      command_(std::move(command), port_of(options.address())),
      forwarder_(options) {}

void Wrapper::add_to_server() {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  forwarder_.add_to(server_);
  server_.on_start([this] { return start(); });
  server_.on_drained([this] { return stop(); });
  server_.on_signal(SIGCHLD, [this] { on_child(); });
  server_.on_signal(SIGHUP, [] {});  // with a command it begins no drain
  for (const int signal : options_.passed_signals())
    server_.on_signal(signal, [this, signal] { command_.signal(signal); });
  server_.on_liveness(
      [this] { return draining() || !forwarder_.activity().is_stuck(options_.hang_timeout); });
  server_.audit("command_exit", [this] { return command_exit_.load(); });
}

// ---- the start

Task<> Wrapper::start() {
  return this_worker() == 0 ? wait_until_ready() : wait_for_first_worker();
}

bool Wrapper::start_command() {
  const int error = command_.start();
  if (error == 0) {
    log::info("started {} as process {}", command_.text(), command_.pid());
    return true;
  }
  log::error("'{}' cannot be started: {}", command_.name(), std::strerror(error));
  server_.exit_with(error == ENOENT ? not_found : not_executable);
  server_.stop_at_once();
  return false;
}

// What ends the wait: the command has ended, a signal has come, or it takes too long.
bool Wrapper::is_given_up(Instant began) {
  if (!command_.runs() || draining()) return true;
  const bool limited = options_.start_timeout.count() > 0;
  if (!limited || now() - began < options_.start_timeout) return false;
  log::error("the command is not ready after --start-timeout {}: it is ended",
             format_duration(options_.start_timeout.count()));
  start_failed_ = true;
  server_.exit_with(exit_failed.code);
  server_.stop_at_once();
  return true;
}

// A look that takes long is dropped when the wait has ended: nobody was served.
struct Wrapper::Look {
  Task<std::string> task;
  std::string why = "it does not answer";  // what the last one found
  bool over = false;

  void begin(Forwarder& forwarder) {
    over = false;
    task = forwarder.why_not_ready();
    if (!task) throw std::bad_alloc();
    task.start([](void* self) noexcept { static_cast<Look*>(self)->over = true; }, this);
  }
  [[nodiscard]] bool has_found_it() {
    if (over) why = task.result();
    return over && why.empty();
  }
};

Task<> Wrapper::wait_until_ready() {
  const Instant began = now();
  const GivesUp gives_up(ready_, given_up_);
  Look look;
  look.begin(forwarder_);
  while (!look.over && now() - began < first_look) co_await sleep(look_again);
  if (look.has_found_it())
    log::warning(
        "{} answers before the command is started: it is another process that serves there",
        options_.upstream);
  if (draining() || !start_command()) co_return;
  look.begin(forwarder_);
  Instant::duration told_next = told_after;
  while (!is_given_up(began)) {
    if (look.has_found_it()) {
      log::info("the command is ready after {}", format_duration((now() - began).count()));
      forwarder_.open();
      ready_ = true;
      co_return;
    }
    if (now() - began >= told_next) {
      log::warning("waiting for the command, which is to serve at {}: {}", options_.upstream,
                   look.why);
      told_next *= 2;
    }
    if (look.over) look.begin(forwarder_);
    co_await sleep(look_again);
  }
}

Task<> Wrapper::wait_for_first_worker() {
  while (!ready_ && !given_up_) co_await sleep(look_again);
}

// ---- its end

void Wrapper::on_child() {
  const bool ran = command_.runs();
  command_.reap();
  if (ran && !command_.runs()) on_command_end();
}

void Wrapper::on_command_end() {
  forwarder_.note_command_end();
  if (told_to_stop_) return;
  daemonized_ = *command_.exit_code() == 0 && command_.has_left_any();
  if (daemonized_) {
    const std::string left = names_of(command_.left());
    log::error(
        "the command has gone into the background{}{}: start it in the foreground, so that it can "
        "be waited for",
        left.empty() ? "" : ", and left ", left);
  } else {
    log::error("the command ended {}: what is in flight is answered 502", command_.how_it_ended());
  }
  settle_exit_code();
  server_.stop_at_once();
}

// Where it was we who told it to end, to do so is no failure.
void Wrapper::settle_exit_code() {
  if (command_.exit_code()) command_exit_ = *command_.exit_code();
  const int stopped_by = 128 + options_.stop_signal_number();
  if (start_failed_ || (daemonized_ && !killed_)) {
    server_.exit_with(exit_failed.code);
  } else if (killed_) {
    server_.exit_with(exit_cut.code);
  } else if (command_.exit_code() && !(told_to_stop_ && command_.exit_code() == stopped_by)) {
    server_.exit_with(*command_.exit_code());
  }
}

// Nothing is in flight any more. The command is told, and then whatever it has left.
Task<> Wrapper::stop() {
  forwarder_.say_rest();
  try {
    const Instant until = now() + options_.after_drain;
    while (ready_ && command_.runs() && now() < until) co_await sleep(look_again);
    if (command_.runs()) {
      log::info("telling the command to stop: SIG{}", sigabbrev_np(options_.stop_signal_number()));
      told_to_stop_ = true;
      command_.signal(options_.stop_signal_number());
    }
    co_await wait_for_the_end();
  } catch (const Canceled&) {
    // No time is left.
  }
  if (command_.started() && command_.has_left_any()) kill_all();
  settle_exit_code();
}

Task<> Wrapper::wait_for_the_end() {
  const Instant until = now() + options_.stop_timeout;
  while (command_.runs() && now() < until) co_await sleep(look_again);
  if (command_.runs() || !command_.started() || !command_.has_left_any()) co_return;
  log::info("the command has left {}: SIGTERM", names_of(command_.left()));
  command_.signal_all(SIGTERM);
  while (command_.has_left_any() && now() < until) co_await sleep(look_again);
}

void Wrapper::kill_all() {
  log::warning("not ended in time (--stop-timeout is {}): SIGKILL to {}",
               format_duration(options_.stop_timeout.count()), names_of(command_.left()));
  killed_ = true;
  if (!command_.kill_all())
    log::error("SIGKILL has not ended {}: left behind", names_of(command_.left()));
}

void Wrapper::end() {
  if (command_.started() && command_.has_left_any()) (void)command_.kill_all();
}

}  // namespace lastcall
