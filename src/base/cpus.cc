#include "base/cpus.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

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

// A limit may stand on any cgroup above the process's own: the smallest counts. In a container
// /proc/self/cgroup may name a path of the host that is not mounted; the root then is its own.
template <class Quota>
unsigned smallest(const std::string& mount, std::string path, Quota quota) {
  unsigned least = 0;
  for (;;) {
    const unsigned here = quota(mount + path);
    if (here != 0) least = least == 0 ? here : std::min(least, here);
    if (path.empty()) return least;
    path.resize(path.rfind('/'));
  }
}

bool lists_cpu(const std::string& controllers) {
  std::istringstream names(controllers);
  for (std::string name; std::getline(names, name, ',');) {
    if (name == "cpu") return true;
  }
  return false;
}

}  // namespace

unsigned quota_cpus(const char* root, const char* membership) {
  std::ifstream file(membership);
  unsigned least = 0;
  // Lines of cgroups(7): "0::/path" for v2, "4:cpu,cpuacct:/path" for v1.
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (path == "/" || !path.starts_with('/')) path.clear();
    unsigned here = 0;
    if (controllers.empty()) {
      here = smallest(root, path, quota_v2);
    } else if (lists_cpu(controllers)) {
      here = smallest(std::string(root) + "/cpu", path, quota_v1);
      if (here == 0) here = smallest(std::string(root) + "/" + controllers, path, quota_v1);
    }
    if (here != 0) least = least == 0 ? here : std::min(least, here);
  }
  return least;
}

unsigned usable_cpus() {
  const unsigned affinity = affinity_cpus();
  const unsigned quota = quota_cpus("/sys/fs/cgroup", "/proc/self/cgroup");
  return quota == 0 ? affinity : std::min(affinity, quota);
}

}  // namespace lastcall
