#include <lastcall/stream.h>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include "stage.h"

using namespace lastcall;
using namespace std::chrono_literals;

namespace {

// Accepts, refuses or says nothing, as a test wants it.
struct Peer final : sim::Upstream {
  std::optional<int> connect(int at) override {
    ++asked;
    socket = at;
    return answer;
  }
  std::optional<int> answer = 0;
  int socket = -1;
  int asked = 0;
};

struct Outcome {
  std::error_code error;
  std::string text;
  bool ended = false;
  bool canceled = false;
};

Task<> connects(Stream* stream, Outcome* outcome) {
  try {
    outcome->error = co_await stream->connect("127.0.0.1", 80, 1000ms);
  } catch (const Canceled&) {
    outcome->canceled = true;
  }
}

Task<> asks(Stream* stream, Outcome* outcome) {
  try {
    outcome->error = co_await stream->send("question", 1000ms);
    if (outcome->error) co_return;
    const Received received = co_await stream->receive(1000ms);
    outcome->error = received.error;
    outcome->text = received.bytes;
    outcome->ended = received.ended();
  } catch (const Canceled&) {
    outcome->canceled = true;
  }
}

Task<> receives(Stream* stream, Outcome* outcome) {
  const Received received = co_await stream->receive(1000ms);
  outcome->error = received.error;
  outcome->text = received.bytes;
}

struct Connected : Stage {
  Connected() {
    kernel.upstream = &peer;
    root.start(connects(&stream, &outcome));
    turn();
  }
  sim::Socket& wire() { return kernel.sockets[peer.socket]; }
  Peer peer;
  Stream stream;
  Outcome outcome;
  Root root;
};

}  // namespace

TEST_CASE("a stream connects, sends, receives, and closes its socket") {
  Connected stage;
  CHECK_FALSE(stage.outcome.error);
  CHECK(stage.stream.is_open());
  CHECK(stage.metrics.get("streams_open") == 1);
  Root root;
  root.start(asks(&stage.stream, &stage.outcome));
  stage.turn();
  CHECK(stage.wire().to_client == "question");
  stage.wire().to_server = "answer";
  stage.turn();
  CHECK(stage.outcome.text == "answer");
  stage.stream.close();
  CHECK(stage.wire().server_closed);
  CHECK(stage.metrics.get("streams_open") == 0);
}

TEST_CASE("the peer's FIN is an end, its reset an error") {
  Connected stage;
  Root root;
  root.start(asks(&stage.stream, &stage.outcome));
  stage.turn();
  SUBCASE("FIN") {
    stage.wire().client_fin = true;
    stage.turn();
    CHECK(stage.outcome.ended);
  }
  SUBCASE("reset") {
    stage.wire().client_reset = true;
    stage.turn();
    CHECK(stage.outcome.error == std::errc::connection_reset);
    CHECK_FALSE(stage.outcome.ended);
  }
}

TEST_CASE("each await has its deadline") {
  Stage stage;
  Peer peer;
  stage.kernel.upstream = &peer;
  Stream stream;
  Outcome outcome;
  Root root;
  SUBCASE("connect") {
    peer.answer = std::nullopt;
    root.start(connects(&stream, &outcome));
    stage.turn();
    stage.pass(990);
    CHECK(root.done == 0);
  }
  SUBCASE("receive") {
    root.start(connects(&stream, &outcome));
    stage.turn();
    Root second;
    second.start(asks(&stream, &outcome));
    stage.turn();
    stage.pass(990);
    CHECK(second.done == 0);
    root.done = 0;
    stage.pass(20);
    stage.turn();
    CHECK(second.done == 1);
    root.done = 1;
  }
  stage.pass(20);
  stage.turn();
  CHECK(root.done == 1);
  CHECK(outcome.error == std::errc::timed_out);
  CHECK(stage.operations.outstanding() == 0);
}

TEST_CASE("a refused connect is an error, and leaves no socket") {
  Stage stage;
  Peer peer;
  peer.answer = -ECONNREFUSED;
  stage.kernel.upstream = &peer;
  Stream stream;
  Outcome outcome;
  Root root;
  root.start(connects(&stream, &outcome));
  stage.turn();
  CHECK(outcome.error == std::errc::connection_refused);
  CHECK_FALSE(stream.is_open());
  CHECK(stage.kernel.sockets[peer.socket].server_closed);
  CHECK(stage.metrics.get("streams_failed") == 1);
}

TEST_CASE("the drain's deadline cancels what is awaited, and later awaits at once") {
  Connected stage;
  Root root;
  root.start(asks(&stage.stream, &stage.outcome));
  stage.turn();
  stage.cut();
  stage.turn();
  CHECK(root.done == 1);
  CHECK(stage.outcome.canceled);
  Outcome later;
  Root another;
  another.start(asks(&stage.stream, &later));
  CHECK(another.done == 1);
  CHECK(later.canceled);
}

TEST_CASE("what has happened is not denied: an answer that crosses the cut is received") {
  Connected stage;
  stage.kernel.faults.cancel_carries = 1;
  Root root;
  root.start(asks(&stage.stream, &stage.outcome));
  stage.turn();
  stage.wire().to_server = "answer";
  stage.cut();
  stage.turn();
  CHECK_FALSE(stage.outcome.canceled);
  CHECK(stage.outcome.text == "answer");
}

TEST_CASE("a coroutine that is destroyed leaves its operation to end by itself") {
  Connected stage;
  {
    Root root;
    root.start(asks(&stage.stream, &stage.outcome));
    stage.turn();
    CHECK(stage.operations.outstanding() == 1);
  }
  stage.stream.close();
  CHECK_FALSE(stage.wire().server_closed);  // the operation still names the socket
  stage.turn();
  CHECK(stage.operations.outstanding() == 0);
  CHECK(stage.wire().server_closed);
}

TEST_CASE("a stream that outlives its worker is closed by it") {
  Peer peer;
  Stream stream;
  {
    Stage stage;
    stage.kernel.upstream = &peer;
    Outcome outcome;
    Root root;
    root.start(connects(&stream, &outcome));
    stage.turn();
    stage.open_streams.close_all();
    CHECK(stage.kernel.sockets[peer.socket].server_closed);
  }
  stream.close();
}

TEST_CASE("a second receive, or send, while one is under way is the caller's mistake, and told") {
  Connected stage;
  Outcome first;
  Root root;
  root.start(receives(&stage.stream, &first));
  Outcome second;
  Root wrong;
  wrong.start(receives(&stage.stream, &second));
  CHECK(wrong.done == 1);
  CHECK_THROWS_AS(wrong.task.result(), std::logic_error);
  stage.wire().to_server = "for the first";
  stage.turn();
  CHECK(first.text == "for the first");
  Root next;
  next.start(receives(&stage.stream, &second));
  stage.wire().to_server = "and for the next";
  stage.turn();
  CHECK(second.text == "and for the next");
}

TEST_CASE("a receive that its coroutine has left keeps its memory from the next one") {
  Connected stage;
  Outcome outcome;
  {
    Root root;
    root.start(receives(&stage.stream, &outcome));
  }
  Root too_soon;
  too_soon.start(receives(&stage.stream, &outcome));
  CHECK_THROWS_AS(too_soon.task.result(), std::logic_error);
  stage.turn();  // the first one's cancel completes
  Root next;
  next.start(receives(&stage.stream, &outcome));
  stage.wire().to_server = "now";
  stage.turn();
  CHECK(outcome.text == "now");
}

TEST_CASE("of two connects of one stream the later one counts, and no socket is left") {
  Peer peer;
  Stage stage;
  stage.kernel.upstream = &peer;
  Stream stream;
  Outcome outcomes[2];
  Root roots[2];
  for (int i = 0; i < 2; ++i) roots[i].start(connects(&stream, &outcomes[i]));
  for (int turns = 0; turns < 4; ++turns) stage.turn();
  CHECK(roots[0].done + roots[1].done == 2);
  CHECK(stream.is_open());
  CHECK(stage.metrics.get("streams_open") == 1);
  stream.close();
  CHECK(stage.metrics.get("streams_open") == 0);
}

TEST_CASE("a send that its deadline cuts half-way was not done, and says which deadline") {
  Connected stage;
  stage.wire().window = 3;
  Outcome outcome;
  Root root;
  root.start(asks(&stage.stream, &outcome));
  stage.turn();
  SUBCASE("its own") {
    stage.pass(1010);
    stage.turn();
    CHECK(outcome.error == std::errc::timed_out);
  }
  SUBCASE("the drain's") {
    stage.cut();
    stage.turn();
    CHECK(outcome.canceled);
  }
  CHECK(root.done == 1);
}
