#include <lastcall/client.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "asking.h"
#include "base/limits.h"
#include "unreliable.h"

using namespace lastcall;
using namespace std::chrono_literals;

TEST_CASE("a request goes out as HTTP/1.1 has it, and its answer comes back whole") {
  Asking stage;
  ClientRequest request("POST", "/a?b=c");
  request.field("X-Id", "7").body("text");
  const Outcome& outcome = stage.ask(std::move(request));
  CHECK(stage.wire(0).to_client ==
        "POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-Id: 7\r\nContent-Length: 4\r\n\r\ntext");
  stage.says(0, hello.substr(0, 10));
  CHECK(outcome.status == 0);
  stage.says(0, hello.substr(10));
  CHECK(outcome.status == 200);
  CHECK(outcome.body == "hello");
  CHECK(stage.metrics.get("calls_begun") == 1);
}

TEST_CASE("a request without content says nothing of it, an empty POST does; Host can be another") {
  Asking stage;
  stage.get("/");
  CHECK(stage.wire(0).to_client == "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n");
  ClientRequest request("POST", "/");
  request.field("host", "other");
  stage.ask(std::move(request));
  CHECK(stage.wire(1).to_client == "POST / HTTP/1.1\r\nHost: other\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("nothing of a request can be made into another one") {
  CHECK_THROWS_AS(ClientRequest("GET /", "/"), std::invalid_argument);
  CHECK_THROWS_AS(ClientRequest("CONNECT", "/"), std::invalid_argument);
  for (const char* target : {"", "a", "/a b", "/a\r\nB: c", "/#a", "http://a/", "/\x80"})
    CHECK_THROWS_AS(ClientRequest("GET", target), std::invalid_argument);
  ClientRequest request("GET", "/");
  CHECK_THROWS_AS(request.field("A b", "c"), std::invalid_argument);
  CHECK_THROWS_AS(request.field("A", "b\r\nC: d"), std::invalid_argument);
  for (const char* name : {"content-length", "Transfer-Encoding", "Connection", "Expect"})
    CHECK_THROWS_AS(request.field(name, "x"), std::invalid_argument);
  CHECK_THROWS_AS(Client("", 80), std::invalid_argument);
  CHECK_THROWS_AS(Client("a b", 80), std::invalid_argument);
  CHECK_THROWS_AS(Client("a", 0), std::invalid_argument);
  CHECK_NOTHROW(Client("::1", 80));
}

TEST_CASE("a connection whose answer is complete serves the next call") {
  Asking stage;
  CHECK(stage.get_answered(0, hello).body == "hello");
  CHECK(stage.get_answered(0, hello).body == "hello");
  CHECK(stage.peer.sockets.size() == 1);
  CHECK(stage.metrics.get("calls_on_kept") == 1);
}

TEST_CASE("nor does who says that there is no content send any") {
  Asking stage;
  ClientRequest request("HEAD", "/");
  stage.ask(std::move(request));
  stage.says(0, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK(stage.get_answered(0, hello).body == "hello");
}

TEST_CASE("a connection that may not be good any more serves no other call") {
  Asking stage;
  bool closed = true;
  SUBCASE("its answer said close") {
    stage.get_answered(0, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  }
  SUBCASE("its answer ended by a FIN") {
    stage.get_answered(0, "HTTP/1.1 200 OK\r\n\r\nhello");
    stage.ends(0);
    CHECK(stage.outcomes.back()->body == "hello");
  }
  SUBCASE("content may follow that a HEAD has not: gunicorn sends what the application returns") {
    ClientRequest request("HEAD", "/");
    stage.ask(std::move(request));
    SUBCASE("of a length") { stage.says(0, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"); }
    SUBCASE("in chunks") { stage.says(0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"); }
    SUBCASE("as it likes") { stage.says(0, "HTTP/1.1 200 OK\r\n\r\n"); }
  }
  SUBCASE("nor a 304") {
    stage.get_answered(0, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
  }
  SUBCASE("more has come than the answer") { stage.get_answered(0, hello + "more"); }
  SUBCASE("more has come behind the answer") {
    stage.get_answered(0, hello);
    stage.says(0, "HTTP/1.1 408 Request Timeout\r\n\r\n");
  }
  SUBCASE("the peer has closed it") {
    stage.get_answered(0, hello);
    stage.ends(0);
  }
  SUBCASE("it was idle for long") {
    stage.get_answered(0, hello);
    stage.pass(limits::kept_idle_ms + 1);
  }
  SUBCASE("none is to be kept") {
    stage.client.keep(0);
    stage.get_answered(0, hello);
    CHECK(stage.wire(0).to_client.find("Connection: close\r\n") != std::string::npos);
  }
  SUBCASE("its call was dropped") {
    stage.get("/");
    stage.says(0, hello.substr(0, hello.size() - 1));
    stage.roots.pop_back();
    stage.turns();
  }
  CHECK(stage.get_answered(1, hello).body == "hello");
  CHECK(stage.wire(0).server_closed == closed);
  CHECK(stage.metrics.get("calls_on_kept") == 0);
}

TEST_CASE("as many idle connections are kept as was said") {
  Asking stage;
  stage.client.keep(1);
  stage.get("/");
  stage.get("/");
  stage.says(0, hello);
  stage.says(1, hello);
  CHECK_FALSE(stage.wire(0).server_closed);
  CHECK(stage.wire(1).server_closed);
  CHECK(stage.metrics.get("streams_open") == 1);
}

TEST_CASE("a kept connection that ends before an answer: what may be repeated is, once") {
  Asking stage;
  stage.get_answered(0, hello);
  SUBCASE("GET") {
    const Outcome& outcome = stage.get("/again");
    stage.ends(0);
    CHECK(stage.wire(1).to_client == "GET /again HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n");
    SUBCASE("and is answered") {
      stage.says(1, hello);
      CHECK(outcome.body == "hello");
    }
    SUBCASE("and no second time") {
      stage.ends(1);
      CHECK(outcome.error == std::errc::connection_reset);
      CHECK(stage.peer.sockets.size() == 2);
    }
  }
  SUBCASE("POST is not") {
    ClientRequest request("POST", "/again");
    const Outcome& outcome = stage.ask(std::move(request));
    stage.ends(0);
    CHECK(outcome.error == std::errc::connection_reset);
    CHECK(outcome.what == "127.0.0.1:8080: POST /again: Connection reset by peer");
    CHECK(stage.peer.sockets.size() == 1);
    CHECK(stage.metrics.get("calls_failed") == 1);
  }
  SUBCASE("nor is one whose answer has begun") {
    const Outcome& outcome = stage.get("/again");
    stage.says(0, "HTTP/1.1 200");
    stage.ends(0);
    CHECK(outcome.error == std::errc::connection_reset);
    CHECK(stage.peer.sockets.size() == 1);
  }
}

TEST_CASE("a part of an answer is never taken for all of it") {
  Asking stage;
  SUBCASE("of a known length") {
    stage.get_answered(0, hello.substr(0, hello.size() - 1));
    stage.ends(0);
  }
  SUBCASE("in chunks") {
    stage.get_answered(0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    stage.ends(0);
  }
  SUBCASE("up to the end, which is a reset") {
    stage.get_answered(0, "HTTP/1.1 200 OK\r\n\r\nhello");
    stage.wire(0).client_reset = true;
    stage.turns();
  }
  CHECK(stage.outcomes.back()->status == 0);
  CHECK(stage.outcomes.back()->error == std::errc::connection_reset);
  CHECK(stage.wire(0).server_closed);
}

TEST_CASE("what is no answer, or beyond a bound, is an error and closes the connection") {
  Asking stage;
  stage.client.max_body_bytes(4);
  auto expected = std::errc::message_size;
  SUBCASE("no HTTP") {
    expected = std::errc::bad_message;
    stage.get_answered(0, "SSH-2.0\r\n");
  }
  SUBCASE("a long head") {
    stage.get("/");
    for (int i = 0; i < 70; ++i)
      stage.says(0, (i == 0 ? "HTTP/1.1 200 OK\r\nA: " : "") + std::string(1024, 'a'));
  }
  SUBCASE("a long content") { stage.get_answered(0, hello); }
  CHECK(stage.outcomes.back()->error == expected);
  CHECK(stage.wire(0).server_closed);
  CHECK(stage.metrics.get("calls_too_large") == (expected == std::errc::message_size ? 1 : 0));
}

TEST_CASE("`ask` has one limit of time for all of it") {
  Asking stage;
  ClientRequest request("GET", "/");
  request.time_limit(1000ms);
  const Outcome& outcome = stage.ask(std::move(request));
  for (int i = 0; i < 3; ++i) {
    stage.pass(300);
    stage.says(0, hello.substr(static_cast<std::size_t>(i), 1));
    CHECK_FALSE(outcome.error);
  }
  stage.pass(110);
  stage.turns();
  CHECK(outcome.error == std::errc::timed_out);
  CHECK(stage.wire(0).server_closed);
}

TEST_CASE("the drain's deadline cancels a call, and no idle connection stays open") {
  Asking stage;
  const Outcome& outcome = stage.get("/");
  stage.cut();
  stage.turns();
  CHECK(outcome.canceled);
  CHECK(stage.wire(0).server_closed);
}

TEST_CASE("a peer that sends and sends does not outrun the limit of time") {
  Asking stage;
  stage.client.max_body_bytes(1 << 30);
  ClientRequest request("GET", "/");
  request.time_limit(500ms);
  const Outcome& outcome = stage.ask(std::move(request));
  stage.says(0, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
  for (int i = 0; i < 60 && !outcome.error; ++i) {
    stage.wire(0).to_server += std::string(100, 'a');
    stage.pass(10);
  }
  CHECK(outcome.error == std::errc::timed_out);
}

TEST_CASE("a request that streams is begun, not asked") {
  Asking stage;
  ClientRequest request("PUT", "/");
  request.stream_body();
  CHECK(stage.ask(std::move(request)).what == "a request that streams is begun, not asked");
}

TEST_CASE("a connect that fails says whom it could not reach") {
  struct Refusing final : sim::Upstream {
    std::optional<int> connect(int) override { return -ECONNREFUSED; }
  } refusing;
  Asking stage;
  stage.kernel.upstream = &refusing;
  const Outcome& outcome = stage.get("/quotes");
  CHECK(outcome.error == std::errc::connection_refused);
  CHECK(outcome.what == "127.0.0.1:8080: GET /quotes: Connection refused");
}

namespace {

// The other end of each connection.
class Unreliable {
 public:
  Unreliable(Asking& stage, std::uint64_t seed) : stage_(stage), random_(seed) {}

  void turn() {
    for (const int socket : stage_.peer.sockets)
      serve(stage_.kernel.sockets[socket], ends_[socket]);
    stage_.turn();
  }
  std::map<std::string, int> asked;  // how often, by target

 private:
  void serve(sim::Socket& wire, UnreliableEnd& end) {
    if (wire.server_closed || wire.client_fin || wire.client_reset) return;
    const auto head_end = wire.to_client.find("\r\n\r\n", end.read);
    if (head_end != std::string::npos && end.has_said_all()) {
      const std::string head = wire.to_client.substr(end.read, head_end - end.read);
      end.read = head_end + 4;
      const auto at = head.find(' ') + 1;
      const std::string target = head.substr(at, head.find(' ', at) - at);
      ++asked[target];
      end.answer(random_, target, 0.15);
    }
    end.say_some(wire, random_.below(12));
  }

  Asking& stage_;
  sim::Random random_;
  std::map<int, UnreliableEnd> ends_;
};

}  // namespace

TEST_CASE(
    "whatever peer and network do, an answer is whole, its own, and asked for once or twice") {
  std::size_t answered = 0;
  std::size_t repeated = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    Asking stage(sim::Faults{}, seed);
    Unreliable peer(stage, seed);
    sim::Random random(seed);
    std::vector<std::string> targets;
    for (int turn = 0; turn < 1500; ++turn) {
      if (turn < 1000 && random.chance(0.05)) {
        const bool post = random.chance(0.3);
        targets.push_back((post ? "/post" : "/get") + std::to_string(targets.size()));
        ClientRequest request(post ? "POST" : "GET", targets.back());
        request.time_limit(3000ms);
        stage.outcomes.push_back(std::make_unique<Outcome>());
        stage.roots.push_back(std::make_unique<Root>());
        stage.roots.back()->start(
            asks(&stage.client, std::move(request), stage.outcomes.back().get()));
      }
      peer.turn();
      stage.pass(turn < 1000 ? 4 : 20);
    }
    for (std::size_t i = 0; i < targets.size(); ++i) {
      const Outcome& outcome = *stage.outcomes[i];
      const int asked = peer.asked[targets[i]];
      CHECK(stage.roots[i]->done == 1);
      CHECK(asked <= (targets[i].starts_with("/post") ? 1 : 2));
      repeated += asked == 2 ? 1 : 0;
      if (outcome.status == 0) continue;
      ++answered;
      CHECK(asked > 0);
      CHECK(outcome.body == UnreliableEnd::body_of(targets[i]));
    }
    CHECK(stage.metrics.get("streams_open") <= 32);
  }
  CHECK(answered > 5000);
  CHECK(repeated > 3);
}
