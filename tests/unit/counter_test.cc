#include "counter.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "file_counter.h"
#include "log.h"
#include "redis.h"
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

struct Commits {
  static Task<> commit(void* self, std::uint64_t sum) {
    auto& commits = *static_cast<Commits*>(self);
    co_await sleep(std::chrono::milliseconds(10));
    if (commits.fails) throw std::runtime_error("no disk");
    commits.sums.push_back(sum);
  }
  std::vector<std::uint64_t> sums;
  bool fails = false;
};

Task<> adds(Batch* batch, std::uint64_t n) { co_await batch->add(n); }
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

TEST_CASE("what is added in one turn is one commit, and what comes meanwhile the next") {
  Stage stage;
  Commits commits;
  Batch batch(&Commits::commit, &commits);
  Root roots[6];
  for (int i = 0; i < 3; ++i) roots[i].start(adds(&batch, 1));
  stage.turn();
  for (int i = 3; i < 6; ++i) roots[i].start(adds(&batch, 10));
  stage.pass(15);
  CHECK(commits.sums == std::vector<std::uint64_t>{3});
  CHECK(roots[0].done == 1);
  stage.turn();
  CHECK(roots[2].done == 1);
  CHECK(roots[3].done == 0);
  stage.pass(15);
  stage.turn();
  CHECK(commits.sums == std::vector<std::uint64_t>{3, 30});
  for (const Root& root : roots) CHECK(root.done == 1);
}

TEST_CASE("all of a batch learn that its commit failed, and the next is tried") {
  Stage stage;
  Commits commits;
  commits.fails = true;
  Batch batch(&Commits::commit, &commits);
  Root roots[3];
  for (int i = 0; i < 2; ++i) roots[i].start(adds(&batch, 1));
  stage.turn();
  roots[2].start(adds(&batch, 5));
  stage.pass(15);
  stage.turn();
  commits.fails = false;
  for (int i = 0; i < 2; ++i) CHECK_THROWS_AS(roots[i].task.result(), std::runtime_error);
  stage.pass(15);
  stage.turn();
  CHECK(commits.sums == std::vector<std::uint64_t>{5});
}

TEST_CASE("at the deadline the followers of a batch are told by its leader") {
  Stage stage;
  Commits commits;
  Batch batch(&Commits::commit, &commits);
  Root roots[2];
  for (Root& root : roots) root.start(adds(&batch, 1));
  stage.turn();
  stage.cut();
  stage.turn();
  for (Root& root : roots) CHECK_THROWS_AS(root.task.result(), Canceled);
}

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
  { REQUIRE(FileCounter::open(path, why) != nullptr); }
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

TEST_CASE("one process a file") {
  const Folder folder;
  const auto path = folder.path / "counter";
  std::string why;
  const auto first = FileCounter::open(path, why);
  REQUIRE(first != nullptr);
  CHECK(FileCounter::open(path, why) == nullptr);
  CHECK(why.find("in use by another process") != std::string::npos);
}

TEST_CASE("a Redis address is read from its URL") {
  RedisAddress address;
  CHECK(RedisAddress::parse("redis://me:p%40ss:w%2Fd@[::1]:7000/3", address).empty());
  CHECK(address.user == "me");
  CHECK(address.password == "p@ss:w/d");
  CHECK(address.host == "::1");
  CHECK(address.port == 7000);
  CHECK(address.database == 3);
  RedisAddress plain;
  CHECK(RedisAddress::parse("redis://redis-master", plain).empty());
  CHECK(plain.host == "redis-master");
  CHECK(plain.port == 6379);
  CHECK(plain.password.empty());
}

TEST_CASE("a bad counter is refused in one line that never shows a password") {
  for (const char* where :
       {"", "memories", "file:", "redis:", "redis://", "redis://host:0", "redis://host:70000",
        "redis://host:port", "redis://:secret@host/x", "redis://secret@host",
        "redis://:secret%4@host", "redis://:secret%zz@host", "redis://:secret@[::1",
        "rediss://host", "redis://:secret@[::1]7000"}) {
    CounterOptions options;
    options.where = where;
    INFO(where);
    const std::string wrong = options.invalid();
    CHECK_FALSE(wrong.empty());
    CHECK(wrong.find("secret") == std::string::npos);
    CHECK(wrong.find('\n') == std::string::npos);
  }
  for (const char* where : {"memory", "file:counter", "redis://host", "redis://:secret@host:1/2"}) {
    CounterOptions options;
    options.where = where;
    CHECK(options.invalid() == "");
  }
}
