#include <lastcall/option_row.h>

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace lastcall;
using namespace std::chrono_literals;

namespace {

const OptionRow<Options>& row_of(std::string_view name) {
  for (const OptionRow<Options>& row : option_rows()) {
    if (row.name == name) return row;
  }
  FAIL("there is no such option");
  return option_rows().front();
}

std::string set(Options& options, std::string_view name, std::string_view text) {
  return set_option(row_of(name), options, text);
}

}  // namespace

TEST_CASE("a row sets its member from text, and shows it as text") {
  Options options;
  CHECK(set(options, "--drain-window", "1m30s").empty());
  CHECK(options.drain_window == 90s);
  CHECK(option_text(row_of("--drain-window"), options) == "90s");
  CHECK(set(options, "--max-body-bytes", "2MiB").empty());
  CHECK(options.max_body_bytes == 2u << 20);
  CHECK(option_text(row_of("--max-body-bytes"), options) == "2MiB");
  CHECK(set(options, "--workers", "3").empty());
  CHECK(options.workers == 3);
  CHECK(set(options, "--hard", "true").empty());
  CHECK(options.hard);
  CHECK(set(options, "--listen", "127.0.0.1:1").empty());
  CHECK(options.listen == "127.0.0.1:1");
}

TEST_CASE("a bad value changes nothing, and what would be right is told") {
  Options options;
  const Options before = options;
  CHECK(set(options, "--drain-window", "5 seconds") == "a duration such as 5s, 250ms or 0s");
  CHECK(set(options, "--max-body-bytes", "1KB") == "a size such as 16KiB, 1MiB or 4096");
  for (const char* wrong : {"0", "-1", "2x", "", "99999999999999999999"})
    CHECK(set(options, "--workers", wrong) == "a whole number of at least 1");
  CHECK(set(options, "--hard", "yes") == "one of true|1|false|0");
  CHECK(options.drain_window == before.drain_window);
  CHECK(options.max_body_bytes == before.max_body_bytes);
  CHECK(options.workers == before.workers);
  CHECK_FALSE(options.hard);
}

TEST_CASE("a text with choices takes one of them") {
  struct Colors {
    std::string color = "red";
  };
  const OptionRow<Colors> row{
      .name = "--color", .member = &Colors::color, .kind = "red|blue", .help = ""};
  Colors colors;
  CHECK(set_option(row, colors, "blue").empty());
  for (const char* wrong : {"green", "re", "", "red|blue"})
    CHECK(set_option(row, colors, wrong) == "one of red|blue");
  CHECK(colors.color == "blue");
}

TEST_CASE("an option left at 0 or empty shows what that stands for") {
  const Options defaults;
  CHECK(option_text(row_of("--workers"), defaults) == "usable CPUs");
  CHECK(option_text(row_of("--max-connections"), defaults) ==
        "as many as descriptors and memory allow");
  CHECK(option_text(row_of("--admin-listen"), defaults) == "off");
  CHECK(option_text(row_of("--pre-stop"), defaults) == "0s");
}

TEST_CASE("a member out of its row's range is named with the range") {
  Options options;
  CHECK(invalid_option(option_rows(), options).empty());
  options.header_timeout = 0ms;
  CHECK(invalid_option(option_rows(), options) ==
        "--header-timeout is 0s: it must be from 1ms to 24h");
  options.header_timeout = 1ms;
  options.workers = 257;
  CHECK(invalid_option(option_rows(), options) == "--workers is 257: it must be from 0 to 256");
}

TEST_CASE("each option has a name of its own, in the environment too, and a meaning") {
  std::set<std::string> names;
  for (const OptionRow<Options>& row : option_rows()) {
    CHECK(row.name.starts_with("--"));
    CHECK(names.insert(environment_name(row.name)).second);
    CHECK_FALSE(row.help.empty());
    CHECK_FALSE(row.kind.empty());
  }
  CHECK(environment_name("--drain-window") == "LASTCALL_DRAIN_WINDOW");
}
