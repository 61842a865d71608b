#include "http/call.h"

#include <doctest/doctest.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "asking.h"

using namespace lastcall;
using namespace std::chrono_literals;

namespace {

// A content in two pieces, then the answer, piece by piece.
Task<> streams(Client* client, ClientRequest request, std::string* pieces, Outcome* outcome) {
  const auto work = [&](Outcome& told) -> Task<> {
    Call call = co_await client->begin(std::move(request));
    const bool more = co_await call.write("one") && co_await call.write("") &&
                      co_await call.write("twotwotwotwotwot");
    *pieces += more ? "written " : "broken ";
    const ClientResponse head = co_await call.response();
    told.status = head.status();
    while (const auto piece = co_await call.read()) *pieces += std::string(*piece) + ",";
    told.body = "ended";
  };
  co_await tell(outcome, work);
}

struct Streaming : Asking {
  void begin(ClientRequest request) {
    root.start(streams(&client, std::move(request), &pieces, &outcome));
    turns();
  }
  Root root;
  std::string pieces;
  Outcome outcome;
};

}  // namespace

TEST_CASE("a content of unknown length goes in chunks, and the answer comes as it comes") {
  Streaming stage;
  ClientRequest request("PUT", "/");
  request.stream_body();
  stage.begin(std::move(request));
  CHECK(stage.wire(0).to_client ==
        "PUT / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\none\r\n10\r\ntwotwotwotwotwot\r\n0\r\n\r\n");
  stage.says(0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
  CHECK(stage.outcome.status == 200);
  CHECK(stage.pieces == "written ab,");
  stage.says(0, "1\r\nc\r\n1\r\nd\r\n");
  CHECK(stage.pieces == "written ab,c,d,");
  CHECK(stage.outcome.body.empty());
  stage.says(0, "0\r\n\r\n");
  CHECK(stage.outcome.body == "ended");
  CHECK(stage.get_answered(0, hello).body == "hello");
}

TEST_CASE("a content of a known length is held to it") {
  Streaming stage;
  ClientRequest request("PUT", "/");
  SUBCASE("exactly") {
    request.stream_body(19);
    stage.begin(std::move(request));
    CHECK(stage.wire(0).to_client ==
          "PUT / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 19\r\n\r\n"
          "onetwotwotwotwotwot");
  }
  SUBCASE("more") {
    request.stream_body(18);
    stage.begin(std::move(request));
    CHECK(stage.outcome.what == "more than the content that was announced");
    CHECK(stage.wire(0).server_closed);
  }
  SUBCASE("less: the peer can tell, since the connection closes") {
    request.stream_body(20);
    stage.begin(std::move(request));
    CHECK(stage.outcome.what == "less than the content that was announced");
    CHECK(stage.wire(0).server_closed);
  }
  SUBCASE("none") {
    stage.begin(std::move(request));
    CHECK(stage.outcome.what == "more than the content that was announced");
  }
}

TEST_CASE("a call that streams is never begun again, and its limit is for each await") {
  Streaming stage;
  stage.get_answered(0, hello);
  ClientRequest request("PUT", "/");
  request.stream_body().time_limit(1000ms);
  stage.begin(std::move(request));
  SUBCASE("the kept connection ends") {
    stage.ends(0);
    CHECK(stage.outcome.error == std::errc::connection_reset);
    CHECK(stage.peer.sockets.size() == 1);
  }
  SUBCASE("each piece has its time") {
    stage.says(0, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    for (int i = 0; i < 3; ++i) {
      stage.pass(900);
      stage.says(0, "a");
    }
    CHECK(stage.pieces == "written a,a,a,");
    stage.pass(1010);
    stage.turns();
    CHECK(stage.outcome.error == std::errc::timed_out);
  }
}

namespace {

// A call that goes on where it has failed, or was moved.
Task<> goes_on(Client* client, std::string* told) {
  ClientRequest request("GET", "/");
  request.time_limit(100ms);
  Call call = co_await client->begin(std::move(request));
  for (int i = 0; i < 2; ++i) {
    try {
      if (i == 0) {
        (void)co_await call.response();
      } else {
        (void)co_await call.read();
      }
    } catch (const CallFailed& failed) {
      told->append(failed.code() == std::errc::timed_out ? "timed out," : "other,");
    }
  }
  const Call elsewhere = std::move(call);
  try {
    (void)co_await call.read();  // NOLINT(bugprone-use-after-move)
  } catch (const std::logic_error& error) {
    told->append(error.what());
  }
}

}  // namespace

TEST_CASE("a call that has failed fails again, counted once, and sends nothing more") {
  Asking stage;
  stage.get_answered(0, hello);
  std::string told;
  Root root;
  root.start(goes_on(&stage.client, &told));
  stage.turns();
  for (int i = 0; i < 20; ++i) stage.pass(20);
  CHECK(told == "timed out,timed out,this call has been moved elsewhere");
  CHECK(stage.peer.sockets.size() == 1);
  CHECK(stage.metrics.get("calls_failed") == 1);
}

TEST_CASE("a connection whose content was given up half-way serves no other call") {
  Asking stage;
  Task<> dropped;
  std::optional<Call> call;
  const auto begins = [&]() -> Task<> {
    ClientRequest request("PUT", "/");
    request.stream_body(1000);
    call.emplace(co_await stage.client.begin(std::move(request)));
  };
  const auto writes = [&]() -> Task<> { (void)co_await call->write(std::string(1000, 'a')); };
  const auto asks_again = [&](std::string* why) -> Task<> {
    try {
      (void)co_await call->response();
    } catch (const std::logic_error& error) {
      *why = error.what();
    }
  };
  Root first;
  first.start(begins());
  stage.turns();
  stage.wire(0).window = stage.wire(0).to_client.size() + 10;  // the peer reads no more
  {
    Root second;
    second.start(writes());
    stage.turns();
    CHECK(second.done == 0);
  }
  std::string why;
  Root third;
  third.start(asks_again(&why));
  stage.turns();
  CHECK(why == "a write is under way, or was given up half-way");
  call.reset();
  stage.turns();
  stage.get("/next");
  CHECK(stage.peer.sockets.size() == 2);
}

TEST_CASE("a content that failed half-way is not handed out behind the failure") {
  Asking stage;
  std::string told;
  const auto reads = [&]() -> Task<> {
    ClientRequest request("GET", "/");
    Call call = co_await stage.client.begin(std::move(request));
    (void)co_await call.response();
    for (int i = 0; i < 4; ++i) {
      try {
        const auto piece = co_await call.read();
        told += piece ? std::string(*piece) + "," : "end";
      } catch (const CallFailed& failed) {
        told += failed.code() == std::errc::bad_message ? "bad," : "other,";
      }
    }
  };
  Root root;
  root.start(reads());
  stage.turns();
  stage.says(0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  stage.says(0, "5\r\nhello\r\n5\r\nworldX");
  CHECK(told == "bad,bad,bad,bad,");
}

TEST_CASE("behind the drain's deadline each await of a call throws, whatever has come") {
  Asking stage;
  std::optional<Call> call;
  std::string told;
  const auto begins = [&]() -> Task<> {
    ClientRequest request("GET", "/");
    call.emplace(co_await stage.client.begin(std::move(request)));
    (void)co_await call->response();
    told += std::string(*co_await call->read());
  };
  const auto reads = [&]() -> Task<> {
    try {
      (void)co_await call->read();
    } catch (const Canceled&) {
      told += " canceled";
    }
  };
  Root root;
  root.start(begins());
  stage.turns();
  stage.says(0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n");
  stage.cut();
  Root another;
  another.start(reads());
  CHECK(told == "a canceled");
}
