#include "io/files.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <type_traits>

#include "directory.h"
#include "io/pair.h"
#include "io/world.h"

using namespace lastcall;

#define EVERY SimulatedWorld, UringWorld, EpollWorld  // implementations of the seam

TEST_CASE("a file is opened below its directory, and what it is is told") {
  const Directory directory;
  directory.write("a.txt", "hello");
  directory.write("deep/er/b", "x");
  const OpenedFile a = open_below(directory.path, "a.txt");
  REQUIRE(a.fd.get() >= 0);
  CHECK(a.error == 0);
  CHECK(a.bytes == 5);
  CHECK_FALSE(a.settled);
  CHECK(open_below(directory.path, "deep/er/b").bytes == 1);
  CHECK(open_below(directory.path, "deep/../deep/er/b").bytes == 1);
  directory.age("a.txt", 10);
  CHECK(open_below(directory.path, "a.txt").settled);
}

TEST_CASE("nothing leaves the directory") {
  const Directory outer;
  outer.write("secret", "s");
  outer.write("served/a", "a");
  std::filesystem::create_symlink("../secret", outer.path + "/served/up");
  std::filesystem::create_symlink("/etc/passwd", outer.path + "/served/absolute");
  std::filesystem::create_symlink("a", outer.path + "/served/within");
  std::filesystem::create_symlink("/proc/self/exe", outer.path + "/served/magic");
  const std::string served = outer.path + "/served";
  for (const char* path : {"../secret", "/etc/passwd", "up", "absolute", "magic", "./../secret",
                           "a/../../secret", "../served/a"}) {
    CAPTURE(path);
    CHECK(open_below(served, path).fd.get() < 0);
  }
  CHECK(open_below(served, "within").bytes == 1);
}

TEST_CASE("what is no regular file is not served, nor touched") {
  const Directory directory;
  directory.write("d/a", "a");
  REQUIRE(mkfifo((directory.path + "/fifo").c_str(), 0600) == 0);
  CHECK(open_below(directory.path, "").error == ENOENT);
  CHECK(open_below(directory.path, ".").error == EISDIR);
  CHECK(open_below(directory.path, "d").error == EISDIR);
  CHECK(open_below(directory.path, "d/").error == EISDIR);
  CHECK(open_below(directory.path, "d/a/").error == ENOTDIR);
  CHECK(open_below(directory.path, "fifo").error == EISDIR);
  // Had somebody opened it, one who writes would not be refused.
  const std::string fifo = directory.path + "/fifo";
  CHECK(::open(fifo.c_str(), O_WRONLY | O_NONBLOCK) < 0);
  using namespace std::string_view_literals;
  CHECK(open_below(directory.path, "d/a\0.txt"sv).error == ENOENT);
  CHECK(open_below(directory.path, std::string(5000, 'x')).error == ENAMETOOLONG);
}

TEST_CASE("a directory that is not there is the program's mistake") {
  CHECK_THROWS_AS((void)open_below("/nonexistent-directory", "a"), std::system_error);
}

TEST_CASE("a file is sent from where it is, as far as the socket takes it") {
  const Directory directory;
  const std::string content(300'000, 'f');
  directory.write("f", content);
  const OpenedFile file = open_below(directory.path, "f");
  int pair[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
  std::string got;
  std::string piece(65'536, '\0');
  int refusals = 0;
  while (got.size() < content.size() - 10 && refusals < 1000) {
    const int sent =
        send_file(pair[0], file.fd.get(), 10 + got.size(), content.size() - 10 - got.size());
    if (sent == -EAGAIN) ++refusals;
    for (ssize_t n; (n = read(pair[1], piece.data(), piece.size())) > 0;)
      got.append(piece, 0, static_cast<std::size_t>(n));
  }
  CHECK(got.size() == content.size() - 10);
  CHECK(send_file(pair[0], file.fd.get(), content.size(), 10) == 0);
  close(pair[1]);
  CHECK(send_file(pair[0], file.fd.get(), 0, 10) == -EPIPE);
  close(pair[0]);
}

// A file of proc(5) has no pages that could be sent: read and sent, then.
TEST_CASE("a file system without sendfile is no hindrance") {
  const OwnedDescriptor file(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return;
  int pair[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
  const int sent = send_file(pair[0], file.get(), 0, 100);
  CHECK(sent > 0);
  close(pair[0]);
  close(pair[1]);
}

// ---- through the seam (io.h)

namespace {

// A file with so much of `pattern`.
FilePiece piece_of(std::FILE* file, std::size_t bytes) {
  const std::string content = pattern(bytes);
  REQUIRE(std::fwrite(content.data(), 1, content.size(), file) == content.size());
  REQUIRE(std::fflush(file) == 0);
  return {.file = ::fileno(file), .offset = 0, .bytes = bytes};
}

}  // namespace

TEST_CASE_TEMPLATE("send a file: from its offset, as its client reads, and received from meanwhile",
                   W, EVERY) {
  W world;
  const Pair pair(world);
  std::FILE* const file = std::tmpfile();
  FilePiece piece = piece_of(file, 16 << 20);
  piece.offset = 5;
  piece.bytes -= 5;
  world.io().submit_recv(pair.ours, receiving, false);
  world.io().submit_send_file(pair.ours, piece, sending);
  CHECK(world.settle().empty());
  CHECK(world.io().operations() == 2);
  world.send(pair.theirs, "meanwhile");
  CHECK(receive(world, 9) == "meanwhile");
  const auto [got, all] = ReadAll(world, pair.theirs, piece.bytes);
  CHECK((got == pattern(16 << 20).substr(5)));
  REQUIRE(all.size() == 1);
  CHECK(all[0].ticket.pack() == sending.pack());
  CHECK(all[0].result == static_cast<int>(piece.bytes));
  CHECK_FALSE(all[0].more);
  world.io().submit_send(pair.ours, "more", sending);  // as before
  CHECK(of(world.harvest(1), sending).size() == 1);
  CHECK(world.receive(pair.theirs, 4) == "more");
  cancel(world, pair.ours, receiving);
  world.io().close(pair.ours);
  std::fclose(file);
  check_nothing_left(world);
}

TEST_CASE_TEMPLATE("send a file: one that ends early, and a client that goes", W, EVERY) {
  for (const bool goes : {false, true}) {
    W world;
    const Pair pair(world);
    std::FILE* const file = std::tmpfile();
    FilePiece piece = piece_of(file, goes ? 16 << 20 : 1000);
    if (!goes) piece.bytes += 1;
    world.io().submit_send_file(pair.ours, piece, sending);
    if (goes) {
      CHECK(world.settle().empty());
      world.io().shut_both(pair.ours);
    }
    const Completions all = world.settle();
    REQUIRE(of(all, sending).size() == 1);
    const int result = of(all, sending)[0].result;
    if (goes) {
      CHECK(result < static_cast<int>(piece.bytes));
      CHECK(result != -ENODATA);
    } else {
      CHECK(result == -ENODATA);
    }
    world.io().close(pair.ours);
    std::fclose(file);
    check_nothing_left(world);
  }
}

TEST_CASE_TEMPLATE("send a file: to a client that has sent its FIN and reads slowly, without haste",
                   W, EVERY) {
  W world;
  const Pair pair(world);
  std::FILE* const file = std::tmpfile();
  FilePiece piece = piece_of(file, 16 << 20);
  world.io().submit_send_file(pair.ours, piece, sending);
  world.fin(pair.theirs);
  CHECK(world.settle().empty());
  // Nothing moves: a loop that is woken all the time would turn thousands of times.
  const Ms end = world.io().now() + 300;
  int turns = 0;
  if (!std::is_same_v<W, SimulatedWorld>) {
    for (; world.io().now() < end; ++turns) CHECK(world.io().harvest(end).empty());
    CHECK(turns < 100);
  }
  const auto [got, all] = ReadAll(world, pair.theirs, piece.bytes, 5);  // the ring has a timer then
  CHECK((got == pattern(16 << 20)));
  REQUIRE(of(all, sending).size() == 1);
  CHECK(of(all, sending)[0].result == static_cast<int>(piece.bytes));
  world.io().close(pair.ours);
  std::fclose(file);
  check_nothing_left(world);
}
