// A service at the edge: files, events that go on, uploads to disk, and what another service has.
//   g++ edge.cc -o edge $(pkg-config --cflags --libs lastcall)
//   mkdir public uploads; SITE=public UPLOADS=uploads PORT_OF_UPSTREAM=3000 ./edge
#include <fcntl.h>
#include <lastcall/client.h>
#include <lastcall/file.h>
#include <lastcall/server.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>

using namespace std::chrono_literals;
using lastcall::Request;
using lastcall::Response;
using lastcall::Task;

std::string setting(const char* variable, const char* otherwise) {
  const char* const value = std::getenv(variable);
  return value == nullptr ? otherwise : value;
}

void throw_if(std::error_code error) {
  if (error) throw std::system_error(error);
}

// A file that gets its name when its content is whole and on the disk, or never.
struct Upload {
  Upload(const std::string& directory, std::string_view named)
      : name(directory + "/" + std::string(named)) {
    static std::atomic<unsigned> number = 0;
    const auto own = std::to_string(getpid()) + "." + std::to_string(number++);
    temporary = directory + "/." + own;  // which is nobody's name
    fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) throw_if({errno, std::generic_category()});
  }
  Upload(const Upload&) = delete;
  ~Upload() {
    close(fd);
    if (!done) unlink(temporary.c_str());
  }
  void finish() {
    if (rename(temporary.c_str(), name.c_str()) != 0) throw_if({errno, std::generic_category()});
    done = true;
  }
  const std::string name;
  std::string temporary;
  int fd;
  bool done = false;
};

Task<> upload(const std::string& directory, Request& request, Response& response) {
  const std::string_view name = request.param("name");
  if (name.front() == '.' || name.size() > 255 || name.find_first_of({"/\0", 2}) != name.npos) {
    response.status(400).body("a name is short, has no slash, and begins by no dot\n");
    co_return;
  }
  Upload file(directory, name);
  std::uint64_t bytes = 0;
  while (const auto piece = co_await request.read()) {
    throw_if(co_await lastcall::write_file(file.fd, std::string(*piece), bytes));
    bytes += piece->size();
  }
  throw_if(co_await lastcall::sync_file(file.fd));
  file.finish();
  response.status(201).body(std::to_string(bytes));
}

// A list as `Connection` has it, without regard to case.
bool lists(std::string_view list, std::string_view name) {
  for (std::size_t end = 0; !list.empty(); list.remove_prefix(end)) {
    list.remove_prefix(std::min(list.find_first_not_of(", \t"), list.size()));
    end = std::min(list.find_first_of(", \t"), list.size());
    if (lastcall::same_token(list.substr(0, end), name)) return true;
  }
  return false;
}

// Not what is of one connection alone (RFC 9110 section 7.6.1), nor what is ours to say.
bool goes_on(std::string_view name, std::span<const lastcall::Field> fields) {
  constexpr auto own =
      "Connection, Keep-Alive, TE, Trailer, Transfer-Encoding, Upgrade, Date, "
      "Proxy-Connection, Host, Content-Length, Expect, X-Forwarded-For";
  if (lists(own, name)) return false;
  return std::none_of(fields.begin(), fields.end(), [&](const lastcall::Field& field) {
    return lastcall::same_token(field.name, "Connection") && lists(field.value, name);
  });
}

Task<> forward(lastcall::Client& upstream, Request& request, Response& response) {
  if (("/" + std::string(request.param("path")) + "/").find("/../") != std::string::npos) {
    response.status(400).body("nothing above /api is here\n");
    co_return;
  }
  const std::string query = request.query().empty() ? "" : "?" + std::string(request.query());
  lastcall::ClientRequest asked(request.method_name(), std::string(request.path()) + query);
  for (const lastcall::Field& field : request.fields())
    if (goes_on(field.name, request.fields())) asked.field(field.name, field.value);
  asked.field("X-Forwarded-For", request.client_address()).time_limit(30s);
  const auto length = request.field("Content-Length");
  if (length) asked.stream_body(std::stoull(std::string(*length)));
  if (request.field("Transfer-Encoding")) asked.stream_body();
  try {
    lastcall::Call call = co_await upstream.begin(std::move(asked));
    while (const auto piece = co_await request.read())
      if (!co_await call.write(std::string(*piece))) break;  // it answers early
    const lastcall::ClientResponse head = co_await call.response();
    response.status(head.status()).content_type("");
    for (const lastcall::Field& field : head.fields())
      if (goes_on(field.name, head.fields())) response.field(field.name, field.value);
    auto body = co_await response.begin();
    // What is thrown from here on cuts the answer, so that the client can tell.
    while (const auto piece = co_await call.read())
      if (!co_await body.write(*piece)) co_return;
  } catch (const lastcall::CallFailed& failed) {
    if (response.begun()) throw;
    response.clear();
    response.status(502).body(failed.code().message() + "\n");
  }
}

int main(int count, char** arguments) {
  lastcall::block_signals();
  const std::string site = setting("SITE", ".");
  const std::string uploads = setting("UPLOADS", ".");
  const auto port = static_cast<std::uint16_t>(std::stoul(setting("PORT_OF_UPSTREAM", "3000")));
  lastcall::Client upstream(setting("HOST_OF_UPSTREAM", "127.0.0.1"), port);
  lastcall::Server server(lastcall::Options::from(count, arguments));
  server.route("GET", "/site/{path...}", [&](Request& request, Response& response) {
    response.file(site, request.param("path"));
  });
  server.route("GET", "/events", [](Request&, Response& response) -> Task<> {
    response.content_type("text/event-stream");
    auto body = co_await response.begin();
    for (int number = 0; !lastcall::draining(); ++number) {
      if (!co_await body.write("data: " + std::to_string(number) + "\n\n")) co_return;
      co_await lastcall::sleep(20ms);
    }
  });
  server.route("PUT", "/uploads/{name}", [&](Request& request, Response& response) {
    return upload(uploads, request, response);
  });
  server.route(lastcall::Method::any, "/api/{path...}", [&](Request& request, Response& response) {
    return forward(upstream, request, response);
  });
  return server.run();
}
