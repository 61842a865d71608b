// The program's arguments and environment: the server's options, and the sample service's own.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>

#include <lastcall/option_row.h>

#include "counter.h"

namespace lastcall {

struct ProgramOptions {
  Options server;
  CounterOptions counter;
  // The sample service's own.
  Options::Duration job_delay{5'000};
  bool served_by = false;
  std::string log_format = "text";
  std::string log_level = "info";

  // Empty, or one line that says which value is wrong and what would be right.
  [[nodiscard]] std::string invalid() const;
};

// Those that are neither the server's nor the counter's.
[[nodiscard]] std::span<const OptionRow<ProgramOptions>> program_option_rows();

// Fills `options`; or returns the exit code, with the help or the version as `text` (0), or with
// what is wrong.
[[nodiscard]] std::optional<int> parse_program_options(int argc, char** argv,
                                                       ProgramOptions& options, std::string& text);

}  // namespace lastcall
