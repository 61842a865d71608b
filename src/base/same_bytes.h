// Are these bytes the same? For what is short, as names, paths and hosts are: a call of memcmp
// costs more than the comparison.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lastcall {

[[nodiscard]] inline bool same_bytes(const char* a, const char* b, std::size_t size) {
  const auto same_word = [&](std::size_t at) {
    std::uint64_t of_a = 0;
    std::uint64_t of_b = 0;
    std::memcpy(&of_a, a + at, sizeof of_a);
    std::memcpy(&of_b, b + at, sizeof of_b);
    return of_a == of_b;
  };
  constexpr std::size_t word = sizeof(std::uint64_t);
  if (size < word) {
    for (std::size_t at = 0; at < size; ++at) {
      if (a[at] != b[at]) return false;
    }
    return true;
  }
  for (std::size_t at = 0; at + word < size; at += word) {
    if (!same_word(at)) return false;
  }
  return same_word(size - word);  // which may have bytes of the word before
}

}  // namespace lastcall
