#include "base/cgroup.h"

#include <fmt/core.h>

#include <fstream>
#include <sstream>

namespace lastcall {
namespace {

bool lists(const std::string& controllers, std::string_view controller) {
  std::istringstream names(controllers);
  for (std::string name; std::getline(names, name, ',');) {
    if (name == controller) return true;
  }
  return false;
}

}  // namespace

void each_cgroup(
    const char* root, const char* membership, std::string_view controller,
    const std::function<void(const std::string& directory, CgroupVersion version)>& look) {
  const auto upwards = [&](const std::string& mount, std::string path, CgroupVersion version) {
    for (;;) {
      look(mount + path, version);
      if (path.empty()) return;
      path.resize(path.rfind('/'));
    }
  };
  const std::string mounted = root;
  std::ifstream file(membership);
  // Lines: "0::/path" for v2, "4:cpu,cpuacct:/path" for v1.
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (path == "/" || !path.starts_with('/')) path.clear();
    if (controllers.empty()) {
      upwards(mounted, path, CgroupVersion::v2);
    } else if (lists(controllers, controller)) {
      upwards(fmt::format("{}/{}", mounted, controller), path, CgroupVersion::v1);
      if (controllers != controller)
        upwards(fmt::format("{}/{}", mounted, controllers), path, CgroupVersion::v1);
    }
  }
}

}  // namespace lastcall
