#include "http/hop_by_hop.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace lastcall;

namespace {

std::string passed(const std::vector<Field>& fields,
                   std::span<const std::string_view> without = {}) {
  const HopByHop hop_by_hop(fields, without);
  std::string names;
  for (const Field& field : fields) {
    if (hop_by_hop.passes(field.name)) names.append(field.name).append(" ");
  }
  return names;
}

}  // namespace

TEST_CASE("what belongs to one connection, or frames the message, does not pass") {
  CHECK(passed({{"Host", "a"},
                {"connection", "close"},
                {"Keep-Alive", "timeout=1"},
                {"Proxy-Connection", "x"},
                {"TE", "trailers"},
                {"Transfer-Encoding", "chunked"},
                {"Upgrade", "h2c"},
                {"HTTP2-Settings", "x"},
                {"Content-Length", "3"},
                {"Expect", "100-continue"},
                {"Trailer", "A"},
                {"Accept", "*/*"}}) == "Host Trailer Accept ");
}

TEST_CASE("what Connection names does not pass, in any of its fields; but Host does") {
  CHECK(passed({{"Connection", "close, X-A,, host"},
                {"connection", "\tx-b"},
                {"X-A", "1"},
                {"x-B", "2"},
                {"X-C", "3"},
                {"Host", "a"}}) == "X-C Host ");
}

TEST_CASE("an underscore is a dash to many a program: such names do not pass either") {
  CHECK(passed({{"Content_Length", "3"},
                {"transfer_encoding", "chunked"},
                {"X_Thing", "4"},
                {"x_y", "5"}}) == "X_Thing x_y ");
  const std::string_view ours[] = {"X-Thing"};
  CHECK(passed({{"X_Thing", "4"}, {"x-thing", "4"}, {"X_thing", "4"}, {"x_y", "5"}}, ours) ==
        "x_y ");
  CHECK(passed({{"Connection", "x-y"}, {"x_y", "5"}}).empty());
}
