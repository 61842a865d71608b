#include "http/buffers.h"

#include <doctest/doctest.h>

#include <memory>
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

TEST_CASE("a large content stands behind its batch, and is charged while nobody else keeps it") {
  Memory memory({});
  SlabPool pool(memory);
  OutBuffer out(pool);
  const std::string text(100'000, 'x');
  const auto content_of = [&](auto from) {
    auto content = std::make_unique<LargeContent>(memory);
    content->take(from);
    return content;
  };
  const std::size_t before = memory.used();
  const auto kept = std::make_shared<const std::string>(text);
  for (const bool is_kept : {false, true}) {
    CAPTURE(is_kept);
    CHECK(out.append("head"));
    CHECK_FALSE(out.full());
    if (is_kept) {
      out.end_with(content_of(kept));
    } else {
      out.end_with(content_of(text));
    }
    CHECK(out.full());
    CHECK(out.size() == 4 + text.size());
    CHECK(out.batch() == "head");
    const std::size_t slab = limits::slab_bytes;
    CHECK(memory.used() >= before + slab + (is_kept ? 0 : text.size()));
    CHECK(memory.used() <= before + slab + (is_kept ? 0 : text.size() + 100));
    out.clear();
    CHECK(memory.used() == before);
    CHECK(out.empty());
  }
  out.end_with(content_of(std::make_shared<const std::string>(text)));
  CHECK(memory.used() >= before + text.size());  // nobody keeps it any more
}
