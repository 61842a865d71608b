// The program's arguments and environment.
#pragma once

#include <optional>

#include "counter.h"
#include "log.h"
#include "options.h"

namespace lastcall {

struct ProgramOptions {
  Options server;
  CounterOptions counter;
  Options::Duration job_delay{5'000};
  bool served_by = false;
  log::Format log_format = log::Format::text;
  log::Level log_level = log::Level::info;
};

// Fills `options`; or has printed help, the version or one line about what is wrong, and returns
// the exit code.
[[nodiscard]] std::optional<int> parse_program_options(int argc, char** argv,
                                                       ProgramOptions& options);

}  // namespace lastcall
