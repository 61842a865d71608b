// The account of what clients make a worker hold, and the limits that a process finds.
#include "base/memory.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace lastcall;

namespace {

constexpr std::size_t KiB = 1024;

struct Folder {
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "lastcall-XXXXXX";
    path = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  void write(const std::string& file, const std::string& text) const {
    const auto whole = std::filesystem::path(path) / file;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text << "\n";
  }
  [[nodiscard]] std::size_t limit(const std::string& membership) const {
    write("membership", membership);
    return memory_limit(path.c_str(), (path + "/membership").c_str());
  }
  std::string path;
};

}  // namespace

TEST_CASE("bodies are a part of all, and a quarter of them is not for answers") {
  Memory memory({.all = 1000 * KiB, .bodies = 400 * KiB});
  CHECK(memory.has_room_for_body(400 * KiB));
  CHECK_FALSE(memory.has_room_for_body(401 * KiB));
  CHECK(memory.has_room_for_answer(300 * KiB));
  CHECK_FALSE(memory.has_room_for_answer(301 * KiB));
  memory.charge_body(300 * KiB);
  CHECK(memory.has_room_for_body(100 * KiB));
  CHECK_FALSE(memory.has_room_for_answer(16 * KiB + 1));
  CHECK(memory.has_room_for_answer(16 * KiB));  // small ones always have
  memory.charge(700 * KiB);
  CHECK_FALSE(memory.has_room_for_body(1));
  CHECK_FALSE(memory.has_room(1));
  memory.charge(100 * KiB);  // what has come has come
  CHECK(memory.used() == 1100 * KiB);
  memory.release_body(300 * KiB);
  CHECK(memory.has_room(200 * KiB));
  memory.release(800 * KiB);
  CHECK(memory.used() == 0);
  CHECK(memory.peak() == 1100 * KiB);
  memory.restart_peak();
  CHECK(memory.peak() == 0);
}

TEST_CASE("memory is scarce in its last quarter, frames counted, what the asker holds left out") {
  Memory memory({.all = 1000 * KiB, .bodies = 500 * KiB});
  memory.charge(700 * KiB);
  CHECK_FALSE(memory.scarce());
  memory.set_frames(100 * KiB);
  CHECK(memory.scarce());
  CHECK_FALSE(memory.scarce(50 * KiB));
  CHECK(memory.charged() == 700 * KiB);
}

TEST_CASE("the smallest limit of all cgroups above counts, v2 or v1; without one there is none") {
  const Folder v2;
  v2.write("memory.max", "max");
  v2.write("pods/memory.max", "1073741824");
  v2.write("pods/mine/memory.max", "2147483648");
  CHECK(v2.limit("0::/pods/mine") == 1073741824);
  CHECK(v2.limit("0::/") == 0);
  CHECK(v2.limit("0::/not/mounted") == 0);
  const Folder v1;
  v1.write("memory/memory.limit_in_bytes", "9223372036854771712");
  v1.write("memory/mine/memory.limit_in_bytes", "536870912");
  CHECK(v1.limit("3:cpu:/mine\n4:memory:/mine") == 536870912);
  CHECK(v1.limit("4:memory:/") == 0);
  CHECK(v1.limit("3:cpu:/mine") == 0);
}

TEST_CASE("a machine says what it has, or is taken for a small one") {
  const Folder folder;
  folder.write("meminfo", "MemTotal:       24684056 kB\nMemFree:        19869000 kB");
  CHECK(machine_memory((folder.path + "/meminfo").c_str()) == 24684056 * KiB);
  folder.write("other", "MemFree:        19869000 kB");
  CHECK(machine_memory((folder.path + "/other").c_str()) == limits::memory_unknown);
  CHECK(machine_memory((folder.path + "/none").c_str()) == limits::memory_unknown);
}

TEST_CASE("what may be used is something, and no more than the machine has") {
  CHECK(usable_memory() > 16 * KiB * KiB);
}

TEST_CASE("what is in memory grows by what is touched") {
  const std::size_t before = resident_bytes();
  CHECK(before > 0);
  const std::vector<char> touched(32 << 20, 'x');
  CHECK(resident_bytes() >= before + touched.size() / 2);
}
