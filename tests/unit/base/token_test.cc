#include "base/token.h"

#include <doctest/doctest.h>

using namespace lastcall;

TEST_CASE("lists are taken apart at commas, and trimmed") {
  std::string_view list = " a ,b,, c\t";
  CHECK(take_element(list) == "a");
  CHECK(take_element(list) == "b");
  CHECK(take_element(list).empty());
  CHECK(take_element(list) == "c");
  CHECK(list.empty());
}
