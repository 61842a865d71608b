#include "program/file_counter.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/log.h"
#include "stage.h"

using namespace lastcall;

namespace {

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "lastcall-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path path;
};

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

Task<> adds_to(Counter* counter, std::uint64_t* confirmed) {
  co_await counter->add(1);
  ++*confirmed;
}

Task<> reads(Counter* counter, std::int64_t* value) {
  *value = (co_await counter->value()).value_or(-1);
}

std::int64_t value_of(Counter& counter) {
  std::int64_t value = -1;
  Root root;
  root.start(reads(&counter, &value));
  return value;
}

}  // namespace

TEST_CASE("a counter's file keeps its value from process to process") {
  const Folder folder;
  const auto path = folder.path / "counter";
  std::string why;
  for (std::int64_t round = 0; round < 3; ++round) {
    // The simulated kernel writes into memory of its own: a process that ends hands it over.
    Stage stage;
    const auto counter = FileCounter::open(path, why);
    REQUIRE(counter != nullptr);
    CHECK(value_of(*counter) == round);
    std::uint64_t confirmed = 0;
    Root root;
    const int fd = ::open(path.c_str(), O_RDONLY);  // the lowest free one is the counter's plus one
    stage.kernel.files[fd - 1] = read(path);
    ::close(fd);
    root.start(adds_to(counter.get(), &confirmed));
    for (int turns = 0; turns < 10; ++turns) stage.turn();
    CHECK(confirmed == 1);
    write(path, stage.kernel.files.begin()->second);
  }
}

TEST_CASE("a process that ends at any step loses nothing confirmed, and counts nothing twice") {
  const Folder folder;
  std::string why;
  log::configure(log::Format::text, log::Level::off);
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    const auto path = folder.path / ("counter" + std::to_string(seed));
    sim::Faults faults;
    faults.partial = 0.6;
    faults.disk_fails = 0.1;
    std::uint64_t confirmed = 0;
    std::uint64_t added = 0;
    std::string left;  // what the file holds when the process ends
    {
      Stage stage(faults, seed);
      std::vector<std::unique_ptr<Root>> roots;
      const auto counter = FileCounter::open(path, why);
      REQUIRE(counter != nullptr);
      const int fd = ::open(path.c_str(), O_RDONLY);
      std::string& file = stage.kernel.files[fd - 1] = read(path);
      ::close(fd);
      const auto ends_at = stage.kernel.random.below(400);
      for (std::uint64_t step = 0; step < ends_at; ++step) {
        if (stage.kernel.random.chance(0.3)) {
          ++added;
          roots.push_back(std::make_unique<Root>());
          roots.back()->start(adds_to(counter.get(), &confirmed));
        }
        stage.pass(stage.kernel.random.between(0, 20));
      }
      left = file;
      stage.kernel.faults = sim::Faults::none();
      const std::uint64_t confirmed_then = confirmed;
      for (int turns = 0; turns < 2000; ++turns) stage.pass(10);
      CHECK(confirmed == added);
      confirmed = confirmed_then;
    }
    write(path, left);
    const auto counter = FileCounter::open(path, why);
    INFO("seed " << seed << ": " << why);
    REQUIRE(counter != nullptr);
    const auto value = static_cast<std::uint64_t>(value_of(*counter));
    CHECK(value >= confirmed);
    CHECK(value <= added);
  }
  log::configure(log::Format::text, log::Level::info);
}

TEST_CASE("a torn or foreign file is refused with a reason, and left as it is") {
  const Folder folder;
  const auto path = folder.path / "counter";
  std::string why;
  {
    REQUIRE(FileCounter::open(path, why) != nullptr);
  }
  const std::string good = read(path);
  REQUIRE(good.size() == FileCounter::file_bytes);
  std::string bad = good;
  const char* expected = "is not a counter's file";
  SUBCASE("empty") { bad = ""; }
  SUBCASE("cut short") { bad.resize(bad.size() - 1); }
  SUBCASE("longer") { bad += '\0'; }
  SUBCASE("somebody else's") { bad.replace(0, 8, "#!/bin/s"); }
  SUBCASE("both records of a slot") {
    bad[FileCounter::header_bytes + 1] = 'x';
    bad[FileCounter::header_bytes + FileCounter::sector_bytes + 1] = 'x';
    expected = "slot 0 holds no record";
  }
  SUBCASE("zeros where records should be") {
    bad.replace(FileCounter::header_bytes, 4 * FileCounter::sector_bytes,
                4 * FileCounter::sector_bytes, '\0');
    expected = "slot 0 holds no record";
  }
  SUBCASE("a record in another slot's place") {
    const auto slot = [](std::size_t i) {
      return FileCounter::header_bytes + i * 2 * FileCounter::sector_bytes;
    };
    bad.replace(slot(1), 2 * FileCounter::sector_bytes, good, slot(2),
                2 * FileCounter::sector_bytes);
    expected = "slot 1 holds no record";
  }
  write(path, bad);
  CHECK(FileCounter::open(path, why) == nullptr);
  INFO(why);
  CHECK(why.find(expected) != std::string::npos);
  CHECK(read(path) == bad);
}

TEST_CASE("a second process is refused a counter's file") {
  const Folder folder;
  const auto path = folder.path / "counter";
  std::string why;
  const auto first = FileCounter::open(path, why);
  REQUIRE(first != nullptr);
  CHECK(FileCounter::open(path, why) == nullptr);
  CHECK(why.find("in use by another process") != std::string::npos);
}
