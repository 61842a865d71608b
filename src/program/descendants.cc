#include "descendants.h"

#include <dirent.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

namespace lastcall {
namespace {

struct Stat {
  pid_t process = 0;
  pid_t parent = 0;
  bool alive = false;
  std::string name;
};

// "123 (a name) S 1 …" (proc(5)): the name may hold anything, parentheses too.
std::optional<Stat> read_stat(pid_t process) {
  constexpr int parent_at = 1;  // of the fields behind the name, from 0 on
  constexpr int threads_at = 17;
  char text[1024];
  const std::string path = fmt::format("/proc/{}/stat", process);
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (file == nullptr) return std::nullopt;
  const std::string_view all(text, std::fread(text, 1, sizeof text, file.get()));
  const auto open = all.find('(');
  const auto close = all.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos) return std::nullopt;
  Stat stat{.process = process, .name = std::string(all.substr(open + 1, close - open - 1))};
  long threads = 1;
  char state = '?';
  std::string_view rest = all.substr(std::min(close + 2, all.size()));
  for (int at = 0; at <= threads_at && !rest.empty(); ++at) {
    const std::string_view field = rest.substr(0, rest.find(' '));
    const char* const end = field.data() + field.size();
    if (at == 0) state = field.front();
    if (at == parent_at) std::from_chars(field.data(), end, stat.parent);
    if (at == threads_at) std::from_chars(field.data(), end, threads);
    rest.remove_prefix(std::min(field.size() + 1, rest.size()));
  }
  // A zombie with threads: its first one has ended, the others run on.
  stat.alive = state != 'X' && (state != 'Z' || threads > 1);
  return stat;
}

// A namespace of processes may be shown the /proc of another one, whose numbers mean nothing here.
bool is_ours() {
  char self[32];
  const ssize_t size = readlink("/proc/self", self, sizeof self);
  return size > 0 &&
         std::string_view(self, static_cast<std::size_t>(size)) == fmt::format("{}", getpid());
}

// By their parents.
std::multimap<pid_t, Stat> all_processes() {
  std::multimap<pid_t, Stat> all;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc"), &closedir);
  if (folder == nullptr || !is_ours()) return all;
  while (const dirent* const entry = readdir(folder.get())) {
    pid_t process = 0;
    const char* const end = entry->d_name + std::strlen(entry->d_name);
    const auto read = std::from_chars(entry->d_name, end, process);
    if (read.ptr != end || process <= 0) continue;
    if (auto stat = read_stat(process)) all.emplace(stat->parent, std::move(*stat));
  }
  return all;
}

}  // namespace

std::vector<pid_t> descendants(std::span<const pid_t> without) {
  const std::multimap<pid_t, Stat> all = all_processes();
  std::vector<pid_t> below;
  std::vector<pid_t> parents{getpid()};
  while (!parents.empty()) {
    const auto [begin, end] = all.equal_range(parents.back());
    parents.pop_back();
    for (auto each = begin; each != end; ++each) {
      const Stat& stat = each->second;
      if (std::find(without.begin(), without.end(), stat.process) != without.end()) continue;
      parents.push_back(stat.process);
      if (stat.alive) below.push_back(stat.process);
    }
  }
  return below;
}

std::string names_of(const std::vector<pid_t>& processes) {
  constexpr std::size_t shown = 5;
  std::string names;
  for (std::size_t i = 0; i < std::min(processes.size(), shown); ++i) {
    const auto stat = read_stat(processes[i]);
    names += fmt::format("{}{} ({})", i == 0 ? "" : ", ", processes[i], stat ? stat->name : "?");
  }
  if (processes.size() > shown) names += fmt::format(" and {} more", processes.size() - shown);
  return names;
}

}  // namespace lastcall
