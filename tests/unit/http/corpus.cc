#include "corpus.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace lastcall::corpus {
namespace {

std::string decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'r': out += '\r'; break;
      case 'n': out += '\n'; break;
      case 't': out += '\t'; break;
      case '0': out += '\0'; break;
      case '\\': out += '\\'; break;
      case 'x':
        out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
        break;
      case '{': {  // \{COUNT:TEXT}
        const auto colon = text.find(':', i);
        const auto end = text.find('}', i);
        const int count = std::stoi(std::string(text.substr(i + 1, colon - i - 1)));
        const std::string repeated = decode(text.substr(colon + 1, end - colon - 1));
        for (int n = 0; n < count; ++n) out += repeated;
        i = end;
        break;
      }
      default: throw std::runtime_error(fmt::format("a bad escape: {}", text));
    }
  }
  return out;
}

// 200"abc"/400: takes one answer with its alternatives off the front.
std::vector<Answer> take_answer(std::string_view& text) {
  std::vector<Answer> alternatives;
  do {
    if (!alternatives.empty()) text.remove_prefix(1);
    Answer answer;
    answer.status = std::stoi(std::string(text.substr(0, 3)));
    text.remove_prefix(3);
    if (text.starts_with('"')) {
      const auto end = text.find('"', 1);
      answer.has_body = true;
      answer.body = decode(text.substr(1, end - 1));
      text.remove_prefix(end + 1);
    }
    alternatives.push_back(answer);
  } while (text.starts_with('/'));
  return alternatives;
}

void parse_expected(Case& c, std::string_view text) {
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    c.answers.push_back(take_answer(text));
    if (text.starts_with(' ')) text.remove_prefix(1);
  }
  c.may_keep = text.find("keep") != std::string_view::npos;
  c.may_close = text.find("close") != std::string_view::npos;
  c.may_wait = text.find("wait") != std::string_view::npos;
  if (!c.may_keep && !c.may_close && !c.may_wait)
    throw std::runtime_error(fmt::format("{}: no state in the expectation", c.name));
}

void load_file(const std::filesystem::path& path, std::vector<Case>& cases) {
  std::ifstream file(path);
  Case* c = nullptr;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("=== ")) {
      c = &cases.emplace_back();
      c->file = path.filename();
      c->name = line.substr(4);
    } else if (line.starts_with("! segments")) {
      c->in_segments = true;
    } else if (line.starts_with(">> ")) {
      c->segments.push_back(decode(std::string_view(line).substr(3)));
    } else if (line.starts_with("> ")) {
      if (c->segments.empty()) c->segments.emplace_back();
      c->segments.back() += decode(std::string_view(line).substr(2));
    } else if (line.starts_with("< ")) {
      parse_expected(*c, std::string_view(line).substr(2));
    }
  }
}

bool always_closes(int status) {
  constexpr int statuses[] = {400, 413, 414, 431, 501, 505};
  return std::find(std::begin(statuses), std::end(statuses), status) != std::end(statuses);
}

}  // namespace

std::string Case::text() const {
  std::string all;
  for (const std::string& segment : segments) all += segment;
  return all;
}

std::vector<Case> load(const std::string& directory) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Case> cases;
  for (const auto& path : paths) load_file(path, cases);
  return cases;
}

std::string differs(const Case& expected, std::string_view output, bool closed,
                    bool follow_up_answered) {
  bool said_close = false;
  bool must_close = false;
  for (const auto& alternatives : expected.answers) {
    const auto head_end = output.find("\r\n\r\n");
    if (head_end == std::string_view::npos)
      return fmt::format("{} expected, silence instead", alternatives[0].status);
    const std::string head(output.substr(0, head_end + 2));
    const int status = std::stoi(head.substr(9, 3));
    output.remove_prefix(head_end + 4);
    const auto match = std::find_if(alternatives.begin(), alternatives.end(),
                                    [&](const Answer& a) { return a.status == status; });
    if (match == alternatives.end())
      return fmt::format("{} instead of {}", status, alternatives[0].status);
    if (status != 100 && head.find("\r\nDate: ") == std::string::npos) return "no Date";
    const auto length_at = head.find("\r\nContent-Length: ");
    std::size_t length =
        length_at == std::string::npos ? 0 : std::stoul(head.substr(length_at + 18));
    if (match->has_body && match->body.empty()) length = 0;  // HEAD: nothing follows
    if (output.size() < length) return "a torn body";
    if (match->has_body && output.substr(0, length) != match->body)
      return fmt::format("body {} instead of {}", output.substr(0, length), match->body);
    output.remove_prefix(length);
    said_close = head.find("\r\nConnection: close\r\n") != std::string::npos;
    must_close = always_closes(status);
  }
  if (!output.empty()) return fmt::format("unexpected: {}", output.substr(0, 60));
  if (must_close && !(closed && said_close)) return "an error that does not close";
  if (closed) return expected.may_close || must_close ? "" : "closed";
  if (follow_up_answered) return expected.may_keep ? "" : "kept alive";
  return expected.may_wait ? "" : "waits";
}

}  // namespace lastcall::corpus
