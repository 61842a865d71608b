#include "http/buffers.h"

#include <doctest/doctest.h>

#include <string>

using namespace lastcall;

TEST_CASE("an out buffer grows from a slab to the heap and keeps its bytes") {
  Memory memory({});
  SlabPool pool(memory);
  {
    OutBuffer out(pool);
    std::string expected;
    for (int i = 0; i < 3000; ++i) {
      CHECK(out.append("0123456789"));
      expected += "0123456789";
    }
    CHECK(out.batch() == expected);
    CHECK(pool.lent() == 0);  // it has left its slab
    out.clear();
    CHECK(out.append("x"));
    CHECK(pool.lent() == 1);
  }
  CHECK(pool.lent() == 0);
}
