#include "io/files.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "directory.h"

using namespace lastcall;

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
