// Files as answers, on the wire.
#include "http/file_content.h"

#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "directory.h"
#include "wire.h"

using namespace lastcall;

namespace {

// Serves its directory below /f/.
struct Served : Wire {
  explicit Served(WorkerConfig given = {}) : Wire(std::move(given)) {
    router.add({.method = Method::any,
                .path = "/f/{path...}",
                .handler = [this](Request& request, Response& response) {
                  response.file(directory.path, request.param("path"));
                }});
  }
  // The answer to it, by a client of its own.
  std::string get(const std::string& path, const std::string& lines = {},
                  const std::string& method = "GET") {
    const int socket = connect();
    return take_all(socket, request(path, lines, method));
  }
  // What a client gets that reads on and on.
  std::string take_all(int socket, std::string_view asks) {
    std::string all = ask(socket, asks);
    for (std::string more = all; !more.empty(); all += more) {
      turn();
      more = take(socket);
    }
    return all;
  }
  static std::string request(const std::string& path, const std::string& lines = {},
                             const std::string& method = "GET") {
    return method + " /f/" + path + " HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n";
  }

  Directory directory;
};

std::string content_of(const std::string& answer) {
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

std::string field_of(const std::string& answer, const std::string& name) {
  const auto at = answer.find("\r\n" + name + ": ");
  if (at == std::string::npos) return {};
  const auto begin = at + name.size() + 4;
  return answer.substr(begin, answer.find("\r\n", begin) - begin);
}

std::string counted(std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; text.size() < bytes; ++i) text += std::to_string(i) + ",";
  text.resize(bytes);
  return text;
}

}  // namespace

TEST_CASE("files of every size come whole, with what a cache wants to know") {
  Served served;
  for (const std::size_t bytes : {0u, 1u, 16'384u, 16'385u, 262'144u, 262'145u, 1'000'000u}) {
    CAPTURE(bytes);
    const std::string content = counted(bytes);
    served.directory.write("a.html", content);
    served.directory.age("a.html", 60);
    const std::string answer = served.get("a.html");
    CHECK(status(answer) == 200);
    CHECK((content_of(answer) == content));
    CHECK(field_of(answer, "Content-Length") == std::to_string(bytes));
    CHECK(field_of(answer, "Content-Type") == (bytes > 0 ? "text/html; charset=utf-8" : ""));
    CHECK(field_of(answer, "ETag").starts_with('"'));
    CHECK(field_of(answer, "Last-Modified").ends_with(" GMT"));
    CHECK(field_of(answer, "Accept-Ranges") == "bytes");
  }
}

TEST_CASE("a client that has it already gets nothing, one that wants a part gets that") {
  Served served;
  for (const std::size_t bytes : {1'000u, 100'000u}) {
    const std::string content = counted(bytes);
    served.directory.write("a", content);
    served.directory.age("a", 60);
    const std::string tag = field_of(served.get("a"), "ETag");
    const std::string known = served.get("a", "If-None-Match: " + tag + "\r\n");
    CHECK(status(known) == 304);
    CHECK(field_of(known, "ETag") == tag);
    CHECK(content_of(known).empty());
    CHECK(field_of(known, "Content-Length").empty());
    CHECK(status(served.get("a", "If-Match: \"other\"\r\n")) == 412);

    const std::string part = served.get("a", "Range: bytes=10-99\r\nIf-Range: " + tag + "\r\n");
    CHECK(status(part) == 206);
    CHECK((content_of(part) == content.substr(10, 90)));
    CHECK(field_of(part, "Content-Range") == "bytes 10-99/" + std::to_string(bytes));
    const std::string end = served.get("a", "Range: bytes=-500\r\n");
    CHECK((content_of(end) == content.substr(bytes - 500)));
    const std::string beyond = served.get("a", "Range: bytes=100000-\r\n");
    CHECK(status(beyond) == 416);
    CHECK(field_of(beyond, "Content-Range") == "bytes */" + std::to_string(bytes));
  }
}

TEST_CASE("what has just been written has a weak tag") {
  Served served;
  served.directory.write("a", "a");
  CHECK(field_of(served.get("a"), "ETag").starts_with("W/\""));
}

TEST_CASE("to HEAD it says as much, and sends nothing") {
  Served served;
  for (const std::size_t bytes : {10u, 100'000u}) {
    served.directory.write("a", counted(bytes));
    const std::string answer = served.get("a", {}, "HEAD");
    CHECK(status(answer) == 200);
    CHECK(field_of(answer, "Content-Length") == std::to_string(bytes));
    CHECK(content_of(answer).empty());
  }
}

TEST_CASE("what is not there is not found") {
  Served served;
  served.directory.write("d/a", "a");
  for (const char* path : {"", "x", "d", "d/", "../a", "%2e%2e/a", "%2fetc/passwd", "d/a%00.txt",
                           "..%2f..%2fetc%2fpasswd"}) {
    CAPTURE(path);
    CHECK(status(served.get(path)) == 404);
  }
  CHECK(status(served.get("d/a")) == 200);
  CHECK(status(served.get("d%2fa")) == 200);
}

TEST_CASE("requests before and behind a file are answered in order, on one connection") {
  Served served;
  const std::string content = counted(600'000);
  served.directory.write("a", content);
  const int socket = served.connect();
  const std::string file = Served::request("a");
  const std::string all =
      served.take_all(socket, std::string(hello) + file + file + std::string(hello));
  CHECK(served.count("requests_answered") == 4);
  const auto first = all.find(content);
  REQUIRE(first != std::string::npos);
  CHECK(all.find(content, first + content.size()) != std::string::npos);
  CHECK(all.find("hello world") < first);
  CHECK(all.rfind("hello world") > first + content.size() * 2);
  CHECK_FALSE(served.closed(socket));
}

TEST_CASE("a body that is set behind a file takes its place") {
  Wire wire;
  const Directory directory;
  directory.write("a", counted(100'000));
  wire.router.add(
      {.method = Method::get, .path = "/f", .handler = [&](Request&, Response& response) {
         response.file(directory.path, "a").body("no");
       }});
  wire.router.add(
      {.method = Method::get, .path = "/throws", .handler = [&](Request&, Response& response) {
         response.file(directory.path, "a");
         throw 1;
       }});
  wire.router.add(
      {.method = Method::get, .path = "/none", .handler = [&](Request&, Response& response) {
         response.file("/nonexistent-directory", "a");
       }});
  wire.router.add(
      {.method = Method::get, .path = "/204", .handler = [&](Request&, Response& response) {
         response.file(directory.path, "a").status(204);
       }});
  wire.router.add({.method = Method::get,
                   .path = "/waits",
                   .handler = [&](Request&, Response& response) -> Task<> {
                     co_await sleep(std::chrono::milliseconds(8));
                     response.file(directory.path, "a");
                   }});
  const int socket = wire.connect();
  const auto get = [&](const std::string& path) {
    return wire.ask(socket, "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
  };
  CHECK(content_of(get("/f")) == "no");
  CHECK(status(get("/throws")) == 500);
  CHECK(status(get("/none")) == 500);
  const std::string empty = get("/204");
  CHECK(status(empty) == 204);
  CHECK(content_of(empty).empty());
  std::string late = get("/waits");
  wire.pass(40);
  for (std::string more; !(more = wire.take(socket)).empty(); wire.turn()) late += more;
  CHECK((content_of(late) == counted(100'000)));
  CHECK(wire.count("requests_answered") == 5);
}

TEST_CASE(
    "a client that reads slowly holds one piece; a drain waits for it, the deadline cuts it") {
  for (const bool reads : {true, false}) {
    CAPTURE(reads);
    Served served;
    const std::string content = counted(3'000'000);
    served.directory.write("a", content);
    const int socket = served.connect();
    served.kernel.sockets[socket].window = 100'000;
    std::string all = served.ask(socket, Served::request("a"));
    CHECK(all.size() <= 200'000);
    served.signal(SIGTERM);
    if (reads) {
      for (int i = 0; i < 60; ++i) {
        served.pass(20);
        all += served.take(socket);
      }
      CHECK((content_of(all) == content));
      CHECK(served.count("requests_answered") == 1);
    } else {
      served.pass(4000);
      CHECK(served.count("requests_cut") == 1);
      CHECK(served.count("requests_answered") == 0);
    }
  }
}

TEST_CASE("a file that gets shorter is broken off, and what is behind it is lost") {
  Served served;
  const std::string content = counted(1'000'000);
  served.directory.write("a", content);
  const int socket = served.connect();
  served.kernel.sockets[socket].window = 300'000;
  std::string all = served.ask(socket, Served::request("a") + std::string(hello));
  std::filesystem::resize_file(served.directory.path + "/a", 400'000);
  for (int i = 0; i < 20; ++i) {
    served.turn(10);
    all += served.take(socket);
  }
  CHECK((content_of(all) == content.substr(0, content_of(all).size())));
  CHECK(content_of(all).size() <= 400'000);
  CHECK(served.closed(socket));
  CHECK(served.count("answers_broken_off") == 1);
  CHECK(served.count("requests_cut") == 1);  // the one behind it
  CHECK(served.count("requests_answered") == 0);
}
