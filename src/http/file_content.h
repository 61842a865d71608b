// What of a file is an answer's content: from the handler that chose it (Response::file) to the
// connection that sends it.
#pragma once

#include <cstdint>
#include <utility>

#include "io/files.h"
#include "io/io.h"

namespace lastcall {

class FileContent {
 public:
  FileContent(OwnedDescriptor file, std::uint64_t first, std::uint64_t bytes)
      : file_(std::move(file)), first_(first), bytes_(bytes) {}
  FileContent(const FileContent&) = delete;
  FileContent& operator=(const FileContent&) = delete;

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // The next piece, where `sent` bytes have been; stays where it is until it has been sent.
  [[nodiscard]] FilePiece& piece(std::uint64_t sent);

 private:
  const OwnedDescriptor file_;
  const std::uint64_t first_;
  const std::uint64_t bytes_;
  FilePiece piece_;
};

}  // namespace lastcall
