// The cgroups that a process is in (cgroups(7)).
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace lastcall {

enum class CgroupVersion { v1, v2 };

// Looks at each directory of the cgroup file system at `root` in which a limit of `controller` may
// stand for a process whose /proc/self/cgroup reads `membership`: its own cgroup's, and those
// above. In a container that file may name a path of the host that is not mounted; the root is then
// its own.
void each_cgroup(
    const char* root, const char* membership, std::string_view controller,
    const std::function<void(const std::string& directory, CgroupVersion version)>& look);

}  // namespace lastcall
