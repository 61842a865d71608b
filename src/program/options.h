// What may be set of the program: the server's options, and the sample service's own.
#pragma once

#include <chrono>
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

  // Empty, or one line that says which value is wrong and what would be right.
  [[nodiscard]] std::string invalid() const;
};

// Those that are neither the server's nor the counter's.
[[nodiscard]] std::span<const OptionRow<ProgramOptions>> program_option_rows();

}  // namespace lastcall
