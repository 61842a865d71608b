// How many CPUs this process may really use.
#pragma once

namespace lastcall {

// The smaller of its affinity (sched_getaffinity(2)) and its cgroup's quota, v2 (cpu.max) or v1
// (cpu.cfs_quota_us), rounded up; at least 1. A pod limited to one CPU on a large node gets 1.
[[nodiscard]] unsigned usable_cpus();

// The quota part alone, of the cgroup file system at `root`, for a process whose
// /proc/self/cgroup reads `membership`; 0: no quota.
[[nodiscard]] unsigned quota_cpus(const char* root, const char* membership);

}  // namespace lastcall
