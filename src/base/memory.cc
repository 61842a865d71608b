#include "base/memory.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
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

void keep_freed_memory([[maybe_unused]] std::size_t most) {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, limits::heap_block_bytes_max);
  mallopt(M_TRIM_THRESHOLD, static_cast<int>(std::min(most, limits::freed_bytes_kept)));
#endif
}

// Two numbers of pages: of the whole address space, and of what is resident. Without streams: it is
// asked where memory may be short.
std::size_t resident_bytes() {
  const int fd = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  std::array<char, 128> text{};
  const ssize_t size = ::read(fd, text.data(), text.size() - 1);
  ::close(fd);
  unsigned long resident = 0;
  if (size <= 0 || std::sscanf(text.data(), "%*u %lu", &resident) != 1) return 0;
  return resident * static_cast<std::size_t>(::getpagesize());
}

}  // namespace lastcall
