#include "base/metrics.h"

#include <doctest/doctest.h>

#include <set>
#include <string_view>

using namespace lastcall;

TEST_CASE("a metric is counted under its own name and no other") {
  Metrics metrics;
  metrics.add("requests_cut");
  metrics.add("requests_cut", 2);
  metrics.add("jobs_running", 5);
  metrics.subtract("jobs_running");
  CHECK(metrics.get("requests_cut") == 3);
  CHECK(metrics.get("jobs_running") == 4);
  std::uint64_t sum = 0;
  for (std::size_t row = 0; row < std::size(metric_rows); ++row) sum += metrics.at(row);
  CHECK(sum == 7);
}

TEST_CASE("no two rows share a name, and each says what it counts") {
  std::set<std::string_view> names;
  for (const MetricRow& row : metric_rows) {
    CAPTURE(row.name);
    CHECK(names.insert(row.name).second);
    CHECK_FALSE(row.help.empty());
    CHECK_FALSE(row.name.ends_with("_total"));  // /metrics adds it to counters
  }
}
