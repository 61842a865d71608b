// Which of some patterns is to answer a path, found by looking at each.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace lastcall {

inline std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> all;
  for (std::size_t begin = 1; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    all.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return all;
}

// How specific each segment of the pattern is: the larger of two that fit is to answer. Empty: it
// does not fit.
inline std::string rank(std::string_view pattern, std::string_view path) {
  const auto wanted = segments_of(pattern);
  const auto given = segments_of(path);
  std::string rank;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].ends_with("...}")) return i < given.size() ? rank + "1" : "";
    if (i >= given.size()) return "";
    const bool any = wanted[i].starts_with('{');
    if (any ? given[i].empty() : wanted[i] != given[i]) return "";
    rank += any ? '2' : '3';
  }
  return wanted.size() == given.size() ? rank : "";
}

}  // namespace lastcall
