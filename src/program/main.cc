// The program: options, the sample service, the exit code.
#include <fmt/core.h>

#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <new>
#include <string>

#include <lastcall/duration.h>
#include <lastcall/exit_code.h>
#include <lastcall/log.h>
#include <lastcall/server.h>

#include "counter.h"
#include "options.h"
#include "service.h"

namespace {

// Before `main`, before any constructor: as PID 1 the kernel discards a signal that is neither
// blocked nor handled yet. Nothing can be done about the time before the first instruction.
void be_a_process() {
  lastcall::block_signals();
  // As PID 1 it gets the orphans of whatever is executed in the container: the kernel reaps those
  // that end from here on, and the loop those that ended before.
  if (getpid() != 1) return;
  std::signal(SIGCHLD, SIG_IGN);
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}
__attribute__((section(".preinit_array"), used)) void (*const early)() = be_a_process;

// Nothing will be served: a signal ends it as it ends any program, should nobody read what it says.
void be_any_program() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

int show(const std::string& text) {
  be_any_program();
  return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0
             ? lastcall::exit_finished.code
             : lastcall::exit_failed.code;
}

int refuse(const lastcall::ProgramOptions& options, int code, const std::string& why) {
  be_any_program();
  if (options.log_format == "json" && lastcall::log::enabled(lastcall::log::Level::error)) {
    lastcall::log::error("{}", why);
  } else {
    std::fputs(fmt::format("lastcall: {}\n", why).c_str(), stderr);  // which may be full, or gone
  }
  return code;
}

void warn_of(const lastcall::ProgramOptions& options) {
  if (options.job_delay < options.server.shutdown_timeout || options.server.hard) return;
  lastcall::log::warning(
      "--job-delay {} is not shorter than --shutdown-timeout {}: increments accepted last will be "
      "cut",
      lastcall::format_duration(options.job_delay.count()),
      lastcall::format_duration(options.server.shutdown_timeout.count()));
}

int run(int argc, char** argv) {
  using namespace lastcall;
  ProgramOptions options;
  std::string why;
  const auto code = parse_program_options(argc, argv, options, why);
  log::configure(options.log_format == "json" ? log::Format::json : log::Format::text,
                 log::level_named(options.log_level).value_or(log::Level::info));
  if (code == exit_finished.code) return show(why);
  if (code) return refuse(options, *code, why);
  if (const std::string wrong = options.invalid(); !wrong.empty())
    return refuse(options, exit_bad_option.code, wrong);
  Server server(options.server);  // first: from here on a start that hangs has an end
  const auto counter = make_counter(options.counter, why);
  if (counter == nullptr) return refuse(options, exit_failed.code, why);
  log::start();
  warn_of(options);
  Service service(*counter, options.job_delay, options.served_by);
  service.add_routes(server);
  return server.run();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    be_any_program();
    std::fputs("lastcall: there is not enough memory to start: raise its limit\n", stderr);
    return lastcall::exit_failed.code;
  }
}
