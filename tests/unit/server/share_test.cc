#include "server/share.h"

#include <doctest/doctest.h>

#include <vector>

using namespace lastcall;

TEST_CASE("a share is of a turn, and its last bytes may be passed") {
  Share share(100);
  CHECK(share.take(60));
  CHECK(share.take(60));
  CHECK_FALSE(share.take(1));
  share.begin_turn();
  CHECK(share.take(1000));
  CHECK_FALSE(share.take(1));
}

TEST_CASE("who waits comes first, in turn, and may wait again") {
  Share share(100);
  share.reserve(3);
  CHECK(share.take(100));
  for (const std::uint32_t slot : {7u, 8u, 9u}) share.wait(slot);
  std::vector<std::uint32_t> resumed;
  const auto resume = [&] {
    share.resume([&](std::uint32_t slot) {
      resumed.push_back(slot);
      CHECK(share.take(50));
      if (slot == 7 && resumed.size() == 1) share.wait(slot);
    });
  };
  resume();
  CHECK(resumed.empty());
  share.begin_turn();
  CHECK_FALSE(share.take(1));  // they come first
  resume();
  CHECK(resumed == std::vector<std::uint32_t>{7, 8});
  CHECK(share.is_waited_for());
  share.begin_turn();
  resume();
  CHECK(resumed == std::vector<std::uint32_t>{7, 8, 9, 7});
  CHECK_FALSE(share.is_waited_for());
  share.begin_turn();
  CHECK(share.take(1));
}
