// What a command line that is right sets; what is wrong with one ends the process:
// process/exit_codes_test.py.
#include <lastcall/command_line.h>

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include <lastcall/log.h>

#include "captured.h"

using namespace lastcall;
using namespace std::chrono_literals;

namespace {

struct Shop {
  std::string database = "shop";
  unsigned shelves = 3;
  bool open = false;
};
constexpr OptionRow<Shop> rows[] = {
    {.name = "--database", .member = &Shop::database, .kind = "URL", .help = "where"},
    {.name = "--shelves", .member = &Shop::shelves, .kind = "N", .help = "how many"},
    {.name = "--open", .member = &Shop::open, .kind = "SWITCH", .help = "now"},
};

struct Parsed {
  explicit Parsed(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "/usr/bin/shop");
    line.add(option_rows(), options)
        .add<Shop>(rows, shop)
        .knows("LASTCALL_SECRET")
        .parse(static_cast<int>(arguments.size()), arguments.data());
    log::configure(log::Format::text, log::Level::off);
  }
  Options options;
  Shop shop;
  CommandLine line{"A shop."};
};

struct Variable {
  Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  const char* name_;
};

}  // namespace

TEST_CASE("arguments set the server's options and the program's own") {
  const Parsed parsed({"--database=pg://a=b", "--shelves", "7", "--open", "--drain-window", "3s",
                       "--listen=", "--", "--open", "rest"});
  CHECK(parsed.shop.database == "pg://a=b");
  CHECK(parsed.shop.shelves == 7);
  CHECK(parsed.shop.open);
  CHECK(parsed.options.drain_window == 3s);
  CHECK(parsed.options.listen.empty());
  CHECK(parsed.line.rest() == std::vector<std::string>{"--open", "rest"});
}

TEST_CASE("an argument wins over the environment, and an empty variable is none") {
  const Variable database("LASTCALL_DATABASE", "environment");
  const Variable shelves("LASTCALL_SHELVES", "");
  const Variable window("LASTCALL_DRAIN_WINDOW", "4s");
  CHECK(Parsed({}).shop.database == "environment");
  CHECK(Parsed({"--database", "argument"}).shop.database == "argument");
  CHECK(Parsed({}).shop.shelves == 3);
  CHECK(Parsed({}).options.drain_window == 4s);
  CHECK(Parsed({"--open=false"}).shop.open == false);
}

TEST_CASE("a misspelt variable is told, one of Kubernetes or of the program is not") {
  const Variable misspelt("LASTCALL_SHELFS", "1");
  const Variable far("LASTCALL_NOTHING_OF_THE_KIND", "1");
  const Variable host("LASTCALL_SERVICE_HOST", "10.0.0.1");
  const Variable port("LASTCALL_PORT_8080_TCP_ADDR", "10.0.0.1");
  const Variable known("LASTCALL_SECRET", "1");
  const Captured told;
  (void)Parsed({"--log-level=warning"});
  CHECK(told.count("LASTCALL_SHELFS stands for no option: is it LASTCALL_SHELVES?") == 1);
  CHECK(told.count("LASTCALL_NOTHING_OF_THE_KIND stands for no option: --help") == 1);
  CHECK(told.count("stands for no option") == 2);
}
