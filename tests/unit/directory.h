// A directory of files for a test, gone with it.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace lastcall {

struct Directory {
  Directory() {
    std::string name = (std::filesystem::temp_directory_path() / "lastcall-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { std::filesystem::remove_all(path); }

  void write(std::string_view file, std::string_view content) const {
    const std::filesystem::path at = std::filesystem::path(path) / file;
    std::filesystem::create_directories(at.parent_path());
    std::ofstream(at, std::ios::binary) << content;
  }
  // It was last written so many seconds ago.
  void age(std::string_view file, int seconds) const {
    std::filesystem::last_write_time(
        std::filesystem::path(path) / file,
        std::filesystem::file_time_type::clock::now() - std::chrono::seconds(seconds));
  }

  std::string path;
};

}  // namespace lastcall
