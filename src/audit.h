// The audit: one line at the end that tells what the drain did, and the exit code that follows.
#pragma once

#include <cstdint>
#include <string>

#include "shared.h"

namespace lastcall {

// 0: everything finished. 3: the deadline cut something, or a job failed. 4: a second SIGINT or
// SIGQUIT did.
[[nodiscard]] int exit_code(const Shared& shared);

struct Audit {
  std::string text;  // for people: `audit: exit=0 signal=SIGTERM …`
  std::string json;  // the same members, without braces
};
// After all workers have stopped.
[[nodiscard]] Audit make_audit(const Shared& shared);

}  // namespace lastcall
