// Lines that go to stderr while it lives, those of the log from `info` on among them.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <string>

#include <lastcall/log.h>

namespace lastcall {

class Captured {
 public:
  Captured() : before_(dup(STDERR_FILENO)) {
    dup2(fileno(file_), STDERR_FILENO);
    log::configure(log::Format::text, log::Level::info);
  }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  ~Captured() {
    log::configure(log::Format::text, log::Level::off);
    dup2(before_, STDERR_FILENO);
    close(before_);
    std::fclose(file_);
  }
  [[nodiscard]] std::size_t count(const std::string& text) const {
    std::string all(1 << 20, '\0');
    const ssize_t size = pread(fileno(file_), all.data(), all.size(), 0);
    all.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    std::size_t found = 0;
    for (std::size_t at = 0; (at = all.find(text, at)) != std::string::npos; ++at) ++found;
    return found;
  }

 private:
  std::FILE* file_ = std::tmpfile();
  int before_;
};

}  // namespace lastcall
