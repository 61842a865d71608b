#include "base/memory.h"

#include <cstdint>
#include <fstream>
#include <string>

#include "base/cgroup.h"

namespace lastcall {

std::size_t memory_limit(const char* root, const char* membership) {
  constexpr std::uint64_t no_limit = std::uint64_t{1} << 60;  // v1 says nearly 2^63
  std::uint64_t least = no_limit;
  each_cgroup(root, membership, "memory", [&](const std::string& directory, CgroupVersion version) {
    const bool v2 = version == CgroupVersion::v2;
    std::uint64_t here = 0;  // v2 says "max" where there is none
    if (std::ifstream(directory + (v2 ? "/memory.max" : "/memory.limit_in_bytes")) >> here)
      least = std::min(least, here);
  });
  return least == no_limit ? 0 : static_cast<std::size_t>(least);
}

// Not by sysconf(3), which asks sysinfo(2): profiles of seccomp deny that.
std::size_t machine_memory(const char* meminfo) {
  std::ifstream file(meminfo);
  std::size_t kib = 0;
  for (std::string name; file >> name;) {
    if (name == "MemTotal:" && file >> kib && kib > 0) return kib * 1024;
  }
  return limits::memory_unknown;
}

std::size_t usable_memory() {
  const std::size_t machine = machine_memory("/proc/meminfo");
  const std::size_t limit = memory_limit("/sys/fs/cgroup", "/proc/self/cgroup");
  return limit == 0 ? machine : std::min(machine, limit);
}

}  // namespace lastcall
