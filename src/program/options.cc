#include "options.h"

namespace lastcall {
namespace {

constexpr OptionRow<ProgramOptions> rows[] = {
    {.name = "--job-delay",
     .member = &ProgramOptions::job_delay,
     .kind = "DURATION",
     .help = "the simulated slow work behind /incr; shorter than --shutdown-timeout, or the last "
             "ones are cut"},
    {.name = "--served-by",
     .member = &ProgramOptions::served_by,
     .kind = "SWITCH",
     .help = "answers name their host in X-Served-By"},
};

}  // namespace

std::span<const OptionRow<ProgramOptions>> program_option_rows() { return rows; }

std::string ProgramOptions::invalid() const {
  std::string wrong = server.invalid();
  if (wrong.empty()) wrong = invalid_option(program_option_rows(), *this);
  return wrong.empty() ? counter.invalid() : wrong;
}

}  // namespace lastcall
