// A counter in a file that survives SIGKILL at any moment, and the loss of power: an increment
// whose `add` has returned is on the disk, and none counts twice.
//
// The file: a header, then 256 slots, one for each worker there may be, so that workers share
// nothing but the file; the counter is the sum of the slots. A slot holds two records, a sector
// each, {sequence, value, checksum}; the record of sequence s is in sector s mod 2. So a write that
// is cut short tears only the record that is not in force, and the one before it still counts: the
// torn one's `add` had not returned.
//
// Invariants
//  1. A slot's records have consecutive sequences. A file that is not so, or has another size, or
//     another header, is refused and left as it is.
//  2. One process a file: flock(2), until the process ends.
//  3. `value` never shows what is not on the disk.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include <lastcall/context.h>

#include "batch.h"
#include "counter.h"

namespace lastcall {

class FileCounter final : public Counter {
 public:
  // Opens `path`, or makes it. Null: `why` says in one line what is wrong with it.
  [[nodiscard]] static std::unique_ptr<FileCounter> open(const std::string& path, std::string& why);
  ~FileCounter() override;

  Task<> add(std::uint64_t n) override;
  Task<std::optional<std::int64_t>> value() override;

  static constexpr std::size_t header_bytes = 4096;
  static constexpr std::size_t sector_bytes = 512;
  static constexpr std::size_t slots = workers_max;
  static constexpr std::size_t file_bytes = header_bytes + slots * 2 * sector_bytes;

 private:
  FileCounter(std::string path, int fd);

  struct Slot {
    Slot(FileCounter& counter, std::size_t at)
        : counter(counter), index(at), batch(&FileCounter::commit, this) {}
    FileCounter& counter;
    const std::size_t index;
    std::uint64_t sequence = 0;
    std::uint64_t written = 0;              // by its worker only
    std::atomic<std::uint64_t> durable{0};  // read by all
    Batch batch;
  };

  static Task<> commit(void* slot, std::uint64_t sum);
  [[nodiscard]] std::string load(const std::string& bytes);

  const std::string path_;
  const int fd_;
  std::array<std::unique_ptr<Slot>, slots> slots_;  // each used on its worker's thread
};

}  // namespace lastcall
