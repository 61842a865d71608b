#include "base/same_bytes.h"

#include <doctest/doctest.h>

#include <string>

using namespace lastcall;

TEST_CASE("bytes are the same whatever their number, unless one of them differs") {
  for (std::size_t size = 0; size <= 40; ++size) {
    const std::string text(size, 'a');
    std::string other = text;
    CHECK(same_bytes(text.data(), other.data(), size));
    for (char& byte : other) {
      byte = 'b';
      CHECK_FALSE(same_bytes(text.data(), other.data(), size));
      byte = 'a';
    }
  }
}

TEST_CASE("what stands behind the bytes is not looked at") {
  for (std::size_t size = 0; size <= 40; ++size) {
    const std::string text = std::string(size, 'a') + "b";
    const std::string other = std::string(size, 'a') + "c";
    CHECK(same_bytes(text.data(), other.data(), size));
  }
}
