#include "base/cpus.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

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
