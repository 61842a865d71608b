// Which part of a file a request wants, or whether it has it already (RFC 9110 sections 13 and 14).
#pragma once

#include <cstdint>
#include <string>

namespace lastcall {

class Request;

struct Validators {
  std::string etag;           // an entity-tag, weak ones with their W/
  std::int64_t modified = 0;  // seconds since 1970
  bool strong = true;         // what has changed since has another tag, and another time
};

// 0: nothing speaks against it; 304 or 412 (section 13.2.2). Of If-Match, If-Unmodified-Since,
// If-None-Match and If-Modified-Since; a date that is none counts as if it was not there.
[[nodiscard]] int failed_precondition(const Request& request, const Validators& has);

// One range of bytes. What is no such range, or several, counts as if it was not there.
struct ByteRange {
  enum class Kind : std::uint8_t { whole, part, unsatisfiable };

  Kind kind = Kind::whole;
  std::uint64_t first = 0;
  std::uint64_t bytes = 0;
};
[[nodiscard]] ByteRange wanted_range(const Request& request, const Validators& has,
                                     std::uint64_t bytes);

}  // namespace lastcall
