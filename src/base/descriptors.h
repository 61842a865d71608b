// File descriptors of this process.
#pragma once

#include <cstddef>

namespace lastcall {

// As many as it may have (RLIMIT_NOFILE of getrlimit(2)), raised to what it may ask for.
[[nodiscard]] std::size_t descriptors_allowed();
// Those that are open: what was inherited, and its own. 0 where /proc does not say.
[[nodiscard]] std::size_t descriptors_open();

}  // namespace lastcall
