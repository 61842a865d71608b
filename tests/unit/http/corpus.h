// The texts of tests/http: parsed, and what each expects. The format is told in
// tests/http/check.py.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lastcall::corpus {

struct Answer {  // one acceptable alternative
  int status = 0;
  bool has_body = false;  // the body is asserted
  std::string body;
};

struct Case {
  std::string file;
  std::string name;
  bool in_segments = false;  // to be fed as its segments only
  std::vector<std::string> segments;
  std::vector<std::vector<Answer>> answers;  // in order, each with its alternatives
  bool may_keep = false;
  bool may_close = false;
  bool may_wait = false;
  [[nodiscard]] std::string text() const;
};

[[nodiscard]] std::vector<Case> load(const std::string& directory);

// Empty, or how `output` and the end of the connection differ from what the case expects.
[[nodiscard]] std::string differs(const Case& expected, std::string_view output, bool closed,
                                  bool follow_up_answered);

}  // namespace lastcall::corpus
