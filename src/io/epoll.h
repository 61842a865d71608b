// The implementation of the seam for where io_uring is denied: epoll, on the thread that creates
// it.
#pragma once

#include <memory>
#include <string>

#include "io/io.h"

namespace lastcall {

// Null when there is no descriptor or no memory for it: `error` then is one line. Linux 4.5 and up.
[[nodiscard]] std::unique_ptr<Io> make_epoll(std::string& error);

}  // namespace lastcall
