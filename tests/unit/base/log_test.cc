#include "base/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <string>

using namespace lastcall;

namespace {

// As stderr, for as long as it lives: a pipe that nobody reads, with room for `free` bytes.
class FullPipe {
 public:
  explicit FullPipe(int free) : before_(dup(STDERR_FILENO)) {
    REQUIRE(pipe(ends_) == 0);
    fcntl(ends_[1], F_SETPIPE_SZ, 4 * page);
    const std::string filling(static_cast<std::size_t>(4 * page - free), 'x');
    REQUIRE(write(ends_[1], filling.data(), filling.size()) ==
            static_cast<ssize_t>(filling.size()));
    filled_ = filling.size();
    dup2(ends_[1], STDERR_FILENO);
  }
  FullPipe(const FullPipe&) = delete;
  FullPipe& operator=(const FullPipe&) = delete;
  ~FullPipe() {
    close(ends_[0]);
    close(ends_[1]);
  }
  // What was written since; stderr is the old one again.
  std::string taken() {
    dup2(before_, STDERR_FILENO);
    close(before_);
    std::string all(4 * page, '\0');
    all.resize(static_cast<std::size_t>(read(ends_[0], all.data(), all.size())));
    return all.substr(filled_);
  }
  static constexpr int page = 4096;

 private:
  int before_;
  int ends_[2] = {-1, -1};
  std::size_t filled_ = 0;
};

}  // namespace

TEST_CASE("lines that a full stderr does not take keep nobody, and what it takes is whole lines") {
  const std::string line = std::string(2999, 'a') + "\n";
  for (const int free : {0, FullPipe::page}) {
    CAPTURE(free);
    const std::uint64_t dropped = log::dropped();
    FullPipe pipe(free);
    const auto began = std::chrono::steady_clock::now();
    log::write_now(line + line + line, 100);
    const auto took = std::chrono::steady_clock::now() - began;
    const std::string taken = pipe.taken();
    CHECK(taken == (free == 0 ? "" : line));
    CHECK(took >= std::chrono::milliseconds(90));
    CHECK(log::dropped() - dropped == (free == 0 ? 3 : 2));
  }
}

TEST_CASE("text in a line of JSON is JSON, whatever it was") {
  CHECK(log::quoted("a\"b\\c\n\x7f") == R"("a\"b\\c\u000a\u007f")");
  CHECK(log::quoted("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80") ==
        "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
  CHECK(log::quoted("\xc2\x85") == R"("\u0085")");  // a control that is two bytes
  // Overlong, a surrogate, beyond the last character, cut off.
  for (const char* wrong : {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    const std::string quoted = log::quoted(wrong);
    CHECK(quoted.find(R"(\ufffd)") == 1);
    for (const char c : quoted) CHECK(static_cast<unsigned char>(c) < 0x80);
  }
}
