// The program: what stands behind `--` served, or else the sample service; the exit code.
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include <lastcall/command_line.h>
#include <lastcall/duration.h>
#include <lastcall/exit_code.h>
#include <lastcall/log.h>
#include <lastcall/server.h>

#include "counter.h"
#include "inherited.h"
#include "options.h"
#include "service.h"
#include "wrap_options.h"
#include "wrapper.h"

#ifndef LASTCALL_VERSION
#define LASTCALL_VERSION "unknown"
#endif

namespace {

// Before `main`, before any constructor: as PID 1 the kernel discards a signal that is neither
// blocked nor handled yet. Nothing can be done about the time before the first instruction.
void be_a_process() {
  lastcall::remember_inherited();
  lastcall::block_signals({SIGCHLD, SIGWINCH});
}
__attribute__((section(".preinit_array"), used)) void (*const early)() = be_a_process;

// As PID 1 it gets the orphans of whatever is executed in the container: the kernel reaps those
// that end from here on, and the loop those that ended before.
void leave_orphans_to_the_kernel() {
  if (getpid() != 1) return;
  std::signal(SIGCHLD, SIG_IGN);
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}
void warn_of(const lastcall::ProgramOptions& options) {
  if (options.job_delay < options.server.shutdown_timeout || options.server.hard) return;
  lastcall::log::warning(
      "--job-delay {} is not shorter than --shutdown-timeout {}: increments accepted last will be "
      "cut",
      lastcall::format_duration(options.job_delay.count()),
      lastcall::format_duration(options.server.shutdown_timeout.count()));
}

constexpr char about[] =
    "An HTTP/1.1 server that never drops a request when its process is taken away; "
    "or, behind `--`, any command's front that does so for it.";

bool has_command(int argc, char** argv) {
  const auto separates = [](const char* argument) { return std::string_view(argument) == "--"; };
  return std::find_if(argv, argv + argc, separates) != argv + argc;
}

// lastcall --upstream ADDRESS -- COMMAND
int wrap(int argc, char** argv) {
  using namespace lastcall;
  WrapOptions options;
  options.take_port(std::getenv("PORT"));
  CommandLine line(about);
  line.version("lastcall " LASTCALL_VERSION)
      .add(option_rows(), options.server)
      .add(wrap_option_rows(), options)
      .parse(argc, argv);
  options.finish();
  std::signal(SIGCHLD, SIG_DFL);  // who ignores it is not told how a child has ended (wait(2))
  if (line.rest().empty()) line.refuse(exit_bad_option, "a command stands behind --");
  if (line.rest().front().starts_with('-'))
    line.refuse(exit_bad_option, "the command behind -- is " + line.rest().front() +
                                     ": options of lastcall's own stand before --");
  if (const std::string wrong = options.invalid(); !wrong.empty())
    line.refuse(exit_bad_option, wrong);
  Server server(options.server);
  log::start();
  Wrapper wrapper(options, line.rest(), server);
  wrapper.add_to_server();
  const int code = server.run();
  wrapper.end();
  return code;
}

int run(int argc, char** argv) {
  using namespace lastcall;
  if (has_command(argc, argv)) return wrap(argc, argv);
  leave_orphans_to_the_kernel();
  ProgramOptions options;
  WrapOptions wrapping;  // for --help, and for who forgets the command
  CommandLine line(about);
  line.version("lastcall " LASTCALL_VERSION)
      .add(option_rows(), options.server)
      .add(counter_option_rows(), options.counter)
      .add(program_option_rows(), options)
      .add(wrap_option_rows(), wrapping)
      .knows("LASTCALL_COUNTER_PASSWORD")
      .parse(argc, argv);
  if (!wrapping.upstream.empty())
    line.refuse(exit_bad_option, "--upstream needs a command behind --, which serves there");
  if (const std::string wrong = options.invalid(); !wrong.empty())
    line.refuse(exit_bad_option, wrong);
  Server server(options.server);  // first: from here on a start that hangs has an end
  std::string why;
  const auto counter = make_counter(options.counter, why);
  if (counter == nullptr) line.refuse(exit_failed, why);
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
    std::fputs("lastcall: there is not enough memory to start: raise its limit\n", stderr);
    return lastcall::exit_failed.code;
  }
}
