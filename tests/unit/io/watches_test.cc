#include "io/watches.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

using namespace lastcall;

TEST_CASE("a watch is found by its descriptor from when it is added until it is removed") {
  std::mt19937 random(1);
  Watches watches;
  std::set<int> there;
  for (int step = 0; step < 200'000; ++step) {
    // In waves, so that the table grows, empties, and is searched when it is nearly full.
    const bool adds = random() % 10 < (step / 20'000 % 2 == 0 ? 7u : 3u);
    const int fd = static_cast<int>(random() % 6000);
    if (adds && there.insert(fd).second) {
      watches.add(fd).operations = static_cast<std::uint32_t>(fd) * 3;
    } else if (!adds && there.erase(fd) != 0) {
      watches.remove(fd);
    }
    CHECK(watches.size() == there.size());
    const int probe = static_cast<int>(random() % 6000);
    Watch* const found = watches.find(probe);
    CHECK((found != nullptr) == (there.count(probe) == 1));
    if (found != nullptr) CHECK(found->operations == static_cast<std::uint32_t>(probe) * 3);
  }
}
