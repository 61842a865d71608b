// The processes below this one: a command's, and those that it has left behind, which come to us
// (PR_SET_CHILD_SUBREAPER of prctl(2)).
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

namespace lastcall {

// All that are alive now, of any depth, but for those of `without` and below them. Read from /proc
// (proc(5)): without it, or where that is another namespace's, there are none.
[[nodiscard]] std::vector<pid_t> descendants(std::span<const pid_t> without = {});
// "123 (sh), 124 (sleep)", a handful of them.
[[nodiscard]] std::string names_of(const std::vector<pid_t>& processes);

}  // namespace lastcall
