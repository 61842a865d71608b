// What of a file is an answer's content: from the handler that chose it (Response::file) to the
// connection that sends it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "io/files.h"
#include "io/io.h"

namespace lastcall {

class FileContent {
 public:
  // `open`: counts those that are.
  FileContent(OwnedDescriptor file, std::uint64_t first, std::uint64_t bytes, std::size_t& open)
      : file_(std::move(file)), first_(first), bytes_(bytes), open_(open) {
    ++open_;
  }
  ~FileContent() { --open_; }
  FileContent(const FileContent&) = delete;
  FileContent& operator=(const FileContent&) = delete;

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // The next piece of `bytes`, where `sent` have been; stays where it is until it has been sent.
  [[nodiscard]] FilePiece& piece(std::uint64_t sent, std::size_t bytes);

 private:
  const OwnedDescriptor file_;
  const std::uint64_t first_;
  const std::uint64_t bytes_;
  std::size_t& open_;
  FilePiece piece_;
};

}  // namespace lastcall
