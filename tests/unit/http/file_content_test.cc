// Files as answers, on the wire.
#include "http/file_content.h"

#include <doctest/doctest.h>

#include <csignal>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "directory.h"
#include "http/date.h"
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

TEST_CASE("a page for an error is sent whole, whatever the request asks for") {
  Wire wire;
  const Directory directory;
  directory.write("404.html", "nothing");
  wire.router.set_fallback(
      [&](Request&, Response& response) { response.status(404).file(directory.path, "404.html"); });
  for (const char* lines :
       {"", "If-None-Match: *\r\n", "Range: bytes=0-3\r\n", "If-Match: \"a\"\r\n"}) {
    CAPTURE(lines);
    const std::string answer =
        wire.ask(wire.connect(), "GET /x HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n");
    CHECK(status(answer) == 404);
    CHECK(content_of(answer) == "nothing");
    CHECK(field_of(answer, "ETag").empty());
  }
}

TEST_CASE("what replaces a file takes back all that it has set") {
  Wire wire;
  const Directory directory;
  directory.write("small.html", "a small file");
  directory.write("large.css", counted(100'000));
  const std::string d = directory.path;
  const auto route = [&](const char* path, Handler handler) {
    wire.router.add({.method = Method::get, .path = path, .handler = std::move(handler)});
  };
  for (const std::string& name : {std::string("small.html"), std::string("large.css")}) {
    route(("/body/" + name).c_str(),
          [d, name](Request&, Response& response) { response.file(d, name).body("B"); });
    route(("/append/" + name).c_str(),
          [d, name](Request&, Response& response) { response.file(d, name).append("A"); });
    route(("/twice/" + name).c_str(), [d, name](Request&, Response& response) {
      response.field("X-Mine", "1").file(d, name).field("X-Other", "2").file(d, "small.html");
    });
    route(("/missing/" + name).c_str(),
          [d, name](Request&, Response& response) { response.file(d, name).file(d, "none"); });
    const auto get = [&](const std::string& path) {
      return wire.ask(wire.connect(), "GET /" + path + "/" + name +
                                          " HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n\r\n");
    };
    for (const char* path : {"body", "append"}) {
      const std::string answer = get(path);
      CHECK(status(answer) == 200);
      CHECK(content_of(answer).size() == 1);
      CHECK(field_of(answer, "ETag").empty());
      CHECK(field_of(answer, "Content-Range").empty());
      CHECK(field_of(answer, "Content-Type") == "text/plain");
    }
    const std::string twice = get("twice");
    CHECK(status(twice) == 206);
    CHECK(content_of(twice) == "a ");
    CHECK(field_of(twice, "X-Mine") == "1");
    CHECK(field_of(twice, "X-Other") == "2");
    CHECK(twice.find("ETag") == twice.rfind("ETag"));
    const std::string missing = get("missing");
    CHECK(status(missing) == 404);
    CHECK(field_of(missing, "ETag").empty());
    CHECK(field_of(missing, "Content-Type") == "text/plain");
  }
}

TEST_CASE("a time to come is not told") {
  Served served;
  served.directory.write("a", "a");
  served.directory.age("a", -1'000'000);
  const auto told = parse_http_date(field_of(served.get("a"), "Last-Modified"));
  REQUIRE(told.has_value());
  CHECK(*told <= std::time(nullptr));
}

TEST_CASE("an open file takes the place of a client, and where none is left it is 503") {
  WorkerConfig config;
  config.connections_max = 12;
  Served served(config);
  served.directory.write("a", counted(1'000'000));
  std::vector<int> sockets;
  for (int i = 0; i < 10; ++i) {
    sockets.push_back(served.connect());
    served.kernel.sockets[sockets.back()].window = 2000;
    CHECK(status(served.ask(sockets.back(), hello)) == 200);
  }
  int whole = 0;
  int denied = 0;
  for (const int socket : sockets) {
    const int told = status(served.ask(socket, Served::request("a")));
    whole += told == 200;
    denied += told == 503;
  }
  CHECK(whole == 2);
  CHECK(denied == 8);
  CHECK(served.count("files_denied") == 8);
  // Nobody else is taken in while files have the places; when they are gone, they are free.
  const int late = served.connect();
  CHECK(served.ask(late, hello).empty());
  served.reset(sockets[0]);
  served.turn(10);
  CHECK(status(served.take(late)) == 200);
}
