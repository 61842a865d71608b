// What of a message's head an intermediary passes on (RFC 9110 section 7.6.1): not what belongs to
// one connection, nor what frames the message, which is written anew.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include <lastcall/request.h>

namespace lastcall {

class HopByHop {
 public:
  // `without`: further names that do not pass. All outlive this.
  explicit HopByHop(std::span<const Field> fields, std::span<const std::string_view> without = {});

  // A name that differs in nothing but '_' for '-' from one that does not pass is that name to many
  // a program (RFC 3875 section 4.1.18), and does not pass either.
  [[nodiscard]] bool passes(std::string_view name) const;

 private:
  std::span<const std::string_view> without_;
  std::vector<std::string_view> named_;  // by Connection
};

}  // namespace lastcall
