#include "file_counter.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <lastcall/file.h>
#include <lastcall/log.h>
#include <lastcall/server.h>

namespace lastcall {
namespace {

constexpr std::string_view header = "lastcall counter, version 1\n";
constexpr int lock_tries = 200;
constexpr unsigned lock_pause_us = 10'000;
constexpr std::chrono::milliseconds retry_first{50};
constexpr std::chrono::milliseconds retry_longest{1000};

struct Record {
  std::uint64_t sequence = 0;
  std::uint64_t value = 0;
  std::uint64_t checksum = 0;
};

// FNV-1a over the slot's index and the record: a record in the wrong place is torn, too.
std::uint64_t checksum_of(std::size_t slot, const Record& record) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (std::uint64_t word : {std::uint64_t{slot}, record.sequence, record.value}) {
    for (int byte = 0; byte < 8; ++byte, word >>= 8)
      hash = (hash ^ (word & 0xff)) * 0x100000001b3ull;
  }
  return hash;
}

std::size_t offset_of(std::size_t slot, std::uint64_t sequence) {
  return FileCounter::header_bytes + (slot * 2 + sequence % 2) * FileCounter::sector_bytes;
}

std::string sector_of(std::size_t slot, std::uint64_t sequence, std::uint64_t value) {
  Record record{sequence, value, 0};
  record.checksum = checksum_of(slot, record);
  std::string sector(FileCounter::sector_bytes, '\0');
  std::memcpy(sector.data(), &record, sizeof record);
  return sector;
}

bool read_record(const std::string& bytes, std::size_t slot, std::uint64_t parity, Record& record) {
  std::memcpy(&record, bytes.data() + offset_of(slot, parity), sizeof record);
  return record.checksum == checksum_of(slot, record) && record.sequence % 2 == parity;
}

std::string empty_file() {
  std::string bytes(FileCounter::file_bytes, '\0');
  bytes.replace(0, header.size(), header);
  for (std::size_t slot = 0; slot < FileCounter::slots; ++slot) {
    for (const std::uint64_t sequence : {0, 1})
      bytes.replace(offset_of(slot, sequence), FileCounter::sector_bytes,
                    sector_of(slot, sequence, 0));
  }
  return bytes;
}

std::string because(const std::string& path, int error) {
  return fmt::format("the counter's file '{}': {}", path, std::strerror(error));
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// The file appears under its name whole or not at all: a SIGKILL in here leaves the counter as it
// was, at worst with a temporary file beside it. 0, or errno.
int make_file(const std::string& path) {
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return errno;
  int error =
      write_all(fd, empty_file()) && ::fchmod(fd, 0644) == 0 && ::fsync(fd) == 0 ? 0 : errno;
  // EEXIST: another process was faster; the lock decides whose it is.
  if (error == 0 && ::link(temporary.c_str(), path.c_str()) != 0 && errno != EEXIST) error = errno;
  ::unlink(temporary.c_str());
  ::close(fd);
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return error != 0 ? error : errno;
  if (::fsync(directory) != 0 && error == 0) error = errno;
  ::close(directory);
  return error;
}

// All of it and not a byte more. 0, or errno; EFBIG where it is longer.
int read_all(int fd, std::string& bytes) {
  bytes.assign(FileCounter::file_bytes + 1, '\0');
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got =
        ::pread(fd, bytes.data() + size, bytes.size() - size, static_cast<off_t>(size));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  bytes.resize(size);
  return 0;
}

// A process that was killed may hold its lock a little longer than it lives: the kernel takes its
// ring, and with it the file, apart in the background. 0, or errno.
int lock(int fd) {
  for (int tries = 0;; ++tries) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK || tries == lock_tries) return errno;
    ::usleep(lock_pause_us);
  }
}

}  // namespace

std::unique_ptr<FileCounter> FileCounter::open(const std::string& path, std::string& why) {
  const auto open_file = [&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW); };
  int fd = open_file();
  if (fd < 0 && errno == ENOENT) {
    if (const int error = make_file(path); error != 0) {
      why = because(path, error);
      return nullptr;
    }
    fd = open_file();
  }
  if (fd < 0) {
    why = because(path, errno);
    return nullptr;
  }
  std::unique_ptr<FileCounter> counter(new FileCounter(path, fd));
  struct stat status{};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    why = fmt::format("the counter's file '{}' is not a regular file", path);
    return nullptr;
  }
  if (const int error = lock(fd); error != 0) {
    why = error == EWOULDBLOCK
              ? fmt::format(
                    "the counter's file '{}' is in use by another process; give each "
                    "process a file of its own, or use redis://",
                    path)
              : because(path, error);
    return nullptr;
  }
  std::string bytes;
  if (const int error = read_all(fd, bytes); error != 0) {
    why = because(path, error);
    return nullptr;
  }
  why = counter->load(bytes);
  return why.empty() ? std::move(counter) : nullptr;
}

FileCounter::FileCounter(std::string path, int fd) : path_(std::move(path)), fd_(fd) {
  for (std::size_t i = 0; i < slots; ++i) slots_[i] = std::make_unique<Slot>(*this, i);
}

FileCounter::~FileCounter() { ::close(fd_); }

// Empty, or why this is no counter of ours. Nothing is mended in a file that is refused.
std::string FileCounter::load(const std::string& bytes) {
  if (bytes.size() != file_bytes || !bytes.starts_with(header)) {
    return fmt::format(
        "'{}' is not a counter's file of this version ({} bytes, expected {}): name another file, "
        "or restore or move this one; it is left as it is",
        path_, bytes.size(), file_bytes);
  }
  for (const auto& slot : slots_) {
    Record records[2];
    bool valid[2];
    for (const std::uint64_t parity : {0, 1})
      valid[parity] = read_record(bytes, slot->index, parity, records[parity]);
    const auto& [even, odd] = records;
    const bool apart =
        std::max(even.sequence, odd.sequence) != std::min(even.sequence, odd.sequence) + 1;
    if ((!valid[0] && !valid[1]) || (valid[0] && valid[1] && apart)) {
      return fmt::format(
          "'{}' is damaged: slot {} holds no record that can be trusted; restore the file from a "
          "copy, or move it away to begin at 0; it is left as it is",
          path_, slot->index);
    }
    const bool take_odd = valid[1] && (!valid[0] || odd.sequence > even.sequence);
    const Record& record = take_odd ? odd : even;
    if (!valid[0] || !valid[1])
      log::warning("'{}': a write to slot {} was cut short; its increment had not been confirmed",
                   path_, slot->index);
    slot->sequence = record.sequence;
    slot->written = record.value;
    slot->durable = record.value;
  }
  return {};
}

Task<> FileCounter::add(std::uint64_t n) { return slots_[this_worker()]->batch.add(n); }

// Writes the slot's next record until it is on the disk. After a failed fdatasync the page may
// count as clean though it was never written, so the record is written again, not only synced.
Task<> FileCounter::commit(void* state, std::uint64_t sum) {
  Slot& slot = *static_cast<Slot*>(state);
  const std::uint64_t value = slot.written + sum;
  const std::uint64_t sequence = slot.sequence + 1;
  auto pause = retry_first;
  bool written = false;
  try {
    for (;;) {
      std::error_code error;
      try {
        error = co_await write_file(slot.counter.fd_, sector_of(slot.index, sequence, value),
                                    offset_of(slot.index, sequence));
        written |= !error;
        if (!error) error = co_await sync_file(slot.counter.fd_);
      } catch (const std::bad_alloc&) {
        error = std::make_error_code(std::errc::not_enough_memory);
      }
      if (!error) break;
      log::error("the counter's file '{}': {}; {} increments are tried again", slot.counter.path_,
                 error.message(), sum);
      co_await sleep(pause);
      pause = std::min(2 * pause, retry_longest);
    }
  } catch (const Canceled&) {
    if (written)
      log::warning("'{}': {} increments were written and not confirmed: they may be counted",
                   slot.counter.path_, sum);
    throw;
  }
  slot.sequence = sequence;
  slot.written = value;
  slot.durable = value;
}

Task<std::optional<std::int64_t>> FileCounter::value() {
  std::uint64_t sum = 0;
  for (const auto& slot : slots_) sum += slot->durable;
  co_return static_cast<std::int64_t>(sum);
}

}  // namespace lastcall
