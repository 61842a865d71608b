// The implementation of the seam that serves wherever it can: one io_uring ring, on the thread that
// creates it.
#pragma once

#include <memory>
#include <string>

#include "io/io.h"

namespace lastcall {

// Null when this kernel or its policy denies the ring, or one that is had does not work: `error`
// then is one line that says why and what to do. Needs Linux 6.1.
[[nodiscard]] std::unique_ptr<Io> make_uring(std::string& error);

}  // namespace lastcall
