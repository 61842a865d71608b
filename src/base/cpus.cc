#include "base/cpus.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "base/cgroup.h"

namespace lastcall {
namespace {

unsigned affinity_cpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

unsigned round_up(double quota, double period) {
  if (quota <= 0 || period <= 0) return 0;
  return static_cast<unsigned>(std::max(1.0, (quota + period - 1) / period));
}

// cgroup v2: "max 100000" or "150000 100000".
unsigned quota_v2(const std::string& directory) {
  std::ifstream file(directory + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max") return 0;
  return round_up(std::strtod(quota.c_str(), nullptr), period);
}

unsigned quota_v1(const std::string& directory) {
  double quota = 0;
  double period = 0;
  std::ifstream(directory + "/cpu.cfs_quota_us") >> quota;
  std::ifstream(directory + "/cpu.cfs_period_us") >> period;
  return round_up(quota, period);
}

}  // namespace

unsigned quota_cpus(const char* root, const char* membership) {
  unsigned least = 0;
  each_cgroup(root, membership, "cpu", [&](const std::string& directory, CgroupVersion version) {
    const unsigned here = version == CgroupVersion::v2 ? quota_v2(directory) : quota_v1(directory);
    if (here != 0) least = least == 0 ? here : std::min(least, here);
  });
  return least;
}

unsigned usable_cpus() {
  const unsigned affinity = affinity_cpus();
  const unsigned quota = quota_cpus("/sys/fs/cgroup", "/proc/self/cgroup");
  return quota == 0 ? affinity : std::min(affinity, quota);
}

}  // namespace lastcall
