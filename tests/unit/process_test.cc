// What the process is told and tells: CPUs, the signal's meaning, the audit and the exit code.
#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "audit.h"
#include "cpus.h"
#include "shared.h"

using namespace lastcall;

namespace {

// A cgroup file system and a membership, made of files.
struct Cgroups {
  Cgroups() {
    char name[] = "/tmp/lastcall-cgroups-XXXXXX";
    root = mkdtemp(name);
  }
  Cgroups(const Cgroups&) = delete;
  Cgroups& operator=(const Cgroups&) = delete;
  ~Cgroups() { std::filesystem::remove_all(root); }
  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  [[nodiscard]] unsigned cpus() const {
    return quota_cpus(root.c_str(), (root + "/membership").c_str());
  }
  std::string root;
};

}  // namespace

TEST_CASE("a cgroup v2 quota is rounded up, and the smallest on the way counts") {
  const Cgroups cgroups;
  cgroups.write("membership", "0::/pods/one\n");
  cgroups.write("cpu.max", "max 100000\n");
  CHECK(cgroups.cpus() == 0);
  cgroups.write("pods/one/cpu.max", "250000 100000\n");
  CHECK(cgroups.cpus() == 3);
  cgroups.write("pods/cpu.max", "50000 100000\n");
  CHECK(cgroups.cpus() == 1);
}

TEST_CASE("a cgroup v1 quota counts where the cpu controller is mounted") {
  const Cgroups cgroups;
  cgroups.write("membership", "5:memory:/x\n4:cpu,cpuacct:/pods/one\n");
  cgroups.write("cpu,cpuacct/pods/one/cpu.cfs_quota_us", "150000\n");
  cgroups.write("cpu,cpuacct/pods/one/cpu.cfs_period_us", "100000\n");
  CHECK(cgroups.cpus() == 2);
  cgroups.write("cpu,cpuacct/pods/one/cpu.cfs_quota_us", "-1\n");
  CHECK(cgroups.cpus() == 0);
}

TEST_CASE("in a container the quota stands at the root of what is mounted") {
  const Cgroups cgroups;
  cgroups.write("membership", "0::/\n");
  cgroups.write("cpu.max", "100000 100000\n");
  CHECK(cgroups.cpus() == 1);
}

TEST_CASE("there is always at least one usable CPU") { CHECK(usable_cpus() >= 1); }

TEST_CASE("the first signal sets T0; only a second interrupt forces") {
  using Heard = Shared::Heard;
  Shared shared(1, {.window = 100, .timeout = 100, .lead = 0});
  CHECK_FALSE(shared.signaled());
  CHECK(shared.on_signal(SIGTERM, 5) == Heard::first);
  CHECK(shared.on_signal(SIGTERM, 6) == Heard::repeated);
  CHECK(shared.on_signal(SIGHUP, 7) == Heard::repeated);
  CHECK(shared.on_signal(SIGINT, 8) == Heard::repeated);
  CHECK_FALSE(shared.forced());
  CHECK(shared.on_signal(SIGQUIT, 9) == Heard::forced);
  CHECK(shared.forced());
  CHECK(shared.signaled_at() == 5);
  CHECK(shared.signal() == SIGTERM);
}

TEST_CASE("no interrupt puts the watchdog off") {
  static std::vector<Ms> armed;
  armed.clear();
  Shared shared(1, {.window = 1000, .timeout = 4000, .lead = 0});
  shared.arm_watchdog = [](Ms at, int) { armed.push_back(at); };
  for (const Ms now : {100, 200, 5000, 5900, 6800}) (void)shared.on_signal(SIGINT, now);
  CHECK(armed == std::vector<Ms>{5100 + limits::watchdog_ms, 200 + limits::watchdog_ms});
  armed.clear();
  Shared late(1, {.window = 1000, .timeout = 4000, .lead = 0});
  late.arm_watchdog = shared.arm_watchdog;
  for (const Ms now : {100, 5500}) (void)late.on_signal(SIGINT, now);
  CHECK(armed == std::vector<Ms>(2, 5100 + limits::watchdog_ms));
}

TEST_CASE("a signal before all are ready finds no window, the same for those that start after it") {
  Shared shared(2, {.window = 1000, .timeout = 4000, .lead = 0});
  ++shared.workers_ready;
  (void)shared.on_signal(SIGTERM, 100);
  ++shared.workers_ready;
  CHECK_FALSE(shared.served());
  CHECK_FALSE(shared.servable(101));
  CHECK(shared.window_end() == 100);
  Shared ready(1, {.window = 1000, .timeout = 4000, .lead = 0});
  ++ready.workers_ready;
  (void)ready.on_signal(SIGTERM, 100);
  CHECK(ready.servable(101));
  CHECK(ready.window_end() == 1100);
}

TEST_CASE("liveness fails when one worker's loop stands still") {
  Shared shared(2, {});
  shared.slots[0].heartbeat = 100'000;
  shared.slots[1].heartbeat = 100'000;
  CHECK(shared.alive(100'000 + limits::heartbeat_stale_ms - 1));
  shared.slots[0].heartbeat = 100'000 + limits::heartbeat_stale_ms;
  CHECK_FALSE(shared.alive(100'000 + limits::heartbeat_stale_ms));
}

TEST_CASE("the exit code tells what was cut, and by whom") {
  for (const Count count : {Count::requests_cut, Count::queue_lost, Count::lost_in_drain}) {
    Shared shared(1, {});
    (void)shared.on_signal(SIGINT, 1);
    CHECK(exit_code(shared) == 0);
    shared.slots[0].counters.add(count);
    CHECK(exit_code(shared) == 3);
    (void)shared.on_signal(SIGINT, 2);
    CHECK(exit_code(shared) == 4);
  }
}

TEST_CASE("the audit says the same to people and to machines") {
  Shared shared(1, {.window = 10, .timeout = 10, .lead = 0});
  (void)shared.on_signal(SIGTERM, 50);
  shared.slots[0].counters.add(Count::requests_cut, 7);
  const Audit audit = make_audit(shared);
  CHECK(audit.text.find("audit: exit=3 signal=SIGTERM") == 0);
  CHECK(audit.text.find(" requests_cut=7 ") != std::string::npos);
  CHECK(audit.json.find("\"exit\":3,\"signal\":\"SIGTERM\"") == 0);
  CHECK(audit.json.find("\"requests_cut\":7,") != std::string::npos);
}
