// The program: options, the sample service, the exit code.
#include <fmt/core.h>

#include "counter.h"
#include "duration.h"
#include "log.h"
#include "program_options.h"
#include "server.h"
#include "service.h"

namespace {

// Before `main`, before any constructor: as PID 1 the kernel discards a signal that is neither
// blocked nor handled yet. Nothing can be done about the time before the first instruction.
void block_signals_early() { lastcall::block_signals(); }
__attribute__((section(".preinit_array"), used)) void (*const early)() = block_signals_early;

}  // namespace

int main(int argc, char** argv) {
  lastcall::ProgramOptions options;
  if (const auto code = lastcall::parse_program_options(argc, argv, options)) return *code;
  std::string wrong = options.server.invalid();
  if (wrong.empty()) wrong = options.counter.invalid();
  if (!wrong.empty()) {
    fmt::print(stderr, "lastcall: {}\n", wrong);
    return 2;
  }
  lastcall::log::configure(options.log_format, options.log_level);
  lastcall::log::start();
  std::string why;
  const auto counter = lastcall::make_counter(options.counter, why);
  if (counter == nullptr) {
    fmt::print(stderr, "lastcall: {}\n", why);
    return 1;
  }
  if (options.job_delay >= options.server.shutdown_timeout && !options.server.hard) {
    lastcall::log::warning(
        "--job-delay {} is not shorter than --shutdown-timeout {}: increments accepted last will "
        "be cut",
        lastcall::format_duration(options.job_delay.count()),
        lastcall::format_duration(options.server.shutdown_timeout.count()));
  }
  lastcall::Server server(options.server);
  lastcall::Service service(*counter, options.job_delay, options.served_by);
  service.add_routes(server);
  const int code = server.run();
  lastcall::log::flush(lastcall::limits::log_flush_ms);
  return code;
}
