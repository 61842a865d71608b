#include <lastcall/options.h>

#include <doctest/doctest.h>

using namespace lastcall;

TEST_CASE("a budget that does not fit names its numbers") {
  Options options;
  CHECK(options.invalid().empty());
  options.drain_window = std::chrono::seconds(13);
  const std::string wrong = options.invalid();
  for (const char* part : {"13s", "15s", "30s", "31s", "--grace-period"}) {
    CAPTURE(part);
    CHECK(wrong.find(part) != std::string::npos);
  }
  options.grace_period = std::chrono::seconds(31);
  CHECK(options.invalid().empty());
  options.pre_stop = std::chrono::milliseconds(1);
  CHECK_FALSE(options.invalid().empty());
}

TEST_CASE("an option out of range says so and says the range") {
  Options options;
  options.max_header_bytes = 10;
  CHECK(options.invalid().find("--max-header-bytes is 10") == 0);
  options = {};
  options.listen = "localhost:80";
  CHECK(options.invalid().find("literal") != std::string::npos);
  options.listen = "127.0.0.1";
  CHECK(options.invalid().find("ADDRESS:PORT") != std::string::npos);
  options.listen = "127.0.0.1:70000";
  CHECK(options.invalid().find("0 to 65535") != std::string::npos);
  options.listen = "[::1]:80";
  CHECK(options.invalid().empty());
}
