// What handlers have thrown, told in the log: at most once a second of each kind of exception, with
// how many there have been since it was told last.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <typeinfo>

#include <lastcall/request.h>

#include "base/limits.h"

namespace lastcall {

// Of the exception that is being handled, in a catch block.
[[nodiscard]] std::string what_failed();

class Failures {
 public:
  // Of the exception that is being handled: to be called from within a catch block. `begun`: a part
  // of the answer had been sent.
  void note(const Request& request, Ms now, bool begun = false) noexcept;

 private:
  struct Kind {
    const std::type_info* type = nullptr;  // of the exception; null: no std::exception
    Ms told_at = never;                    // never: nothing stands here yet
    std::uint64_t untold = 0;
  };

  Kind& kind_of(const std::type_info* type);
  void tell(const std::type_info* type, const char* what, const Request& request, Ms now,
            bool begun);

  std::array<Kind, limits::failure_kinds> kinds_{};  // the last is for all further ones
};

}  // namespace lastcall
