// The peer uWebSockets: uwebsockets PORT on 127.0.0.1, one thread; until it is killed.
//
// Built by bench/throughput from the C++ source that a crate brings (rust/Cargo.toml).
#include <cstdlib>
#include <string>
#include <string_view>

#include "App.h"

namespace {

using Answer = uWS::HttpResponse<false>;
using Asked = uWS::HttpRequest;

// It closes by itself where the client asks for that, but does not say so, and wrk must be told.
void hello(Answer* answer, Asked* asked) {
  if (asked->getHeader("connection") == "close") answer->writeHeader("Connection", "close");
  answer->end("hello world");
}

void echo(Answer* answer, Asked*) {
  answer->onAborted([] {});
  answer->onData([answer, body = std::string()](std::string_view piece, bool last) mutable {
    body.append(piece);
    if (last) answer->end(body);
  });
}

void upload(Answer* answer, Asked*) {
  answer->onAborted([] {});
  answer->onData([answer](std::string_view, bool last) {
    if (last) answer->end("hello world");
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string filling(1'000'000, 'x');
  uWS::App app;
  const auto content = [&](const char* path, std::size_t bytes) {
    const auto body = std::string_view(filling).substr(0, bytes);
    app.get(path, [body](Answer* answer, Asked*) {
      answer->onAborted([] {});
      answer->end(body);
    });
  };
  content("/16k", 16 * 1024);
  content("/64k", 64 * 1024);
  content("/1m", filling.size());
  app.get("/", hello).get("/readyz", hello).post("/echo", echo).post("/upload", upload);
  app.listen("127.0.0.1", argc > 1 ? std::atoi(argv[1]) : 0, [](auto* listening) {
    if (listening == nullptr) std::exit(1);
  });
  app.run();
}
