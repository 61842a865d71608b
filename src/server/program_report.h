// What a program adds to what is told of its process (lastcall/server.h): metrics, fields of the
// audit, its exit code. Filled before serving; the values may change to the very end, and are read
// by whoever ends the process, too.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <lastcall/callable.h>

#include "base/metrics.h"

namespace lastcall {

struct ProgramReport {
  struct Number {
    std::string name;
    std::string help;
    MetricKind kind;
    detail::Callable<std::int64_t()> value;
  };
  std::vector<Number> metrics;
  std::vector<Number> audit;      // a negative one is left out
  std::atomic<int> exit_code{0};  // where nothing of ours was lost
};

}  // namespace lastcall
