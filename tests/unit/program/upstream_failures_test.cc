#include "program/upstream_failures.h"

#include <doctest/doctest.h>

#include <string>

#include "captured.h"
#include "front.h"

using namespace lastcall;
using namespace std::chrono_literals;

TEST_CASE("what is no answer is 502, and says so in Proxy-Status") {
  const std::string bad[] = {
      "HTTP/2 200 OK\r\n\r\n",
      "HTTP/1.1 600 Six\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
      "HTTP/1.1 200 OK\r\n folded\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      std::string("\0\0\0", 3)};
  for (const std::string& answer : bad) {
    CAPTURE(answer);
    Front front;
    const std::string told = front.exchange(get(), answer);
    CHECK(status(told) == 502);
    CHECK(has(told, "\r\nProxy-Status: lastcall; error=http_protocol_error\r\n"));
    CHECK(status(front.exchange(get(), ok("x"), 1)) == 200);  // on another connection
  }
}

TEST_CASE("an answer that is cut is 502, or cut once it has begun; never whole") {
  const std::string cut[] = {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
                             "HTTP/1.1 200 OK\r\nA: b", "HTTP", ""};
  for (const std::string& answer : cut) {
    Front front;
    front.sends(get());
    front.says(answer);
    front.ends();
    const std::string told = front.takes();
    CHECK(status(told) == 502);
    CHECK(has(told, "error=connection_terminated"));
  }
  for (const bool reset : {true, false}) {
    Front front;
    front.sends(get());
    front.says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n");
    reset ? front.resets() : front.ends();
    CHECK(front.takes().ends_with("2\r\nhe\r\n"));
    CHECK(front.wire.closed(front.client));
    CHECK(front.wire.count("answers_broken_off") == 1);
  }
}

TEST_CASE("every status is 502 or its own, and a flood of informational ones is refused") {
  Front front;
  front.sends(get());
  for (int i = 0; i < 5000 && front.takes().find("502") == std::string::npos; ++i)
    front.says("HTTP/1.1 102 Processing\r\nX: 0123456789012345678901234567890123456789\r\n\r\n");
  CHECK(front.wire.count("calls_too_large") == 1);
}

TEST_CASE("a reset while the content is sent is remembered: only a framed answer is whole then") {
  for (const bool framed : {true, false}) {
    WrapOptions options = defaults();
    options.buffer = 4;
    Front front(options);
    front.sends(put(100) + "12345");
    front.upstream(0).to_server = framed ? ok("sorry") : "HTTP/1.1 200 OK\r\n\r\nsorry";
    front.upstream(0).client_reset = true;
    front.sends("67890");
    front.wire.turn(20);
    const std::string answer = front.takes();
    CHECK(status(answer) == 200);
    if (framed) CHECK(content(answer) == "sorry");
    CHECK_FALSE(answer.ends_with("0\r\n\r\n"));
    CHECK(front.wire.count("answers_broken_off") == (framed ? 0 : 1));
  }
}

TEST_CASE("each limit of time has an answer of its own") {
  WrapOptions options = defaults();
  options.connect_timeout = 500ms;
  options.first_byte_timeout = 700ms;
  options.silence_timeout = 300ms;
  const auto told = [](Front& front, Ms ms) {
    front.wire.pass(ms);
    return front.takes();
  };
  Front slow(options);
  slow.accepts.reset();
  slow.sends(get());
  CHECK(told(slow, 450).empty());
  const std::string connecting = told(slow, 100);
  CHECK(status(connecting) == 504);
  CHECK(has(connecting, "error=connection_timeout"));
  Front mute(options);
  mute.sends(get());
  CHECK(told(mute, 650).empty());
  const std::string waiting = told(mute, 100);
  CHECK(status(waiting) == 504);
  CHECK(has(waiting, "error=http_response_timeout"));
  Front silent(options);
  silent.sends(get());
  silent.says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
  CHECK(told(silent, 250).empty());
  const std::string half = told(silent, 100);
  CHECK(status(half) == 504);
  CHECK(has(half, "error=connection_read_timeout"));
}

TEST_CASE("a command that takes no connection is 502") {
  Front front;
  front.accepts = -ECONNREFUSED;
  front.sends(get());
  const std::string answer = front.takes();
  CHECK(status(answer) == 502);
  CHECK(has(answer, "error=connection_refused"));
  CHECK_FALSE(says_close(answer));
}

TEST_CASE("beyond --upstream-max requests wait in order, and no longer than they may") {
  WrapOptions options = defaults();
  options.upstream_max = 1;
  options.queue_timeout = 1s;
  Front front(options);
  front.sends(get());
  const int second = front.wire.connect();
  front.wire.send(second, get());
  const int third = front.wire.connect();
  front.wire.pass(500);
  front.wire.send(third, get());
  CHECK(front.sockets.size() == 1);
  front.says(ok("first"));
  CHECK(content(front.takes()) == "first");
  (void)front.got();
  front.wire.pass(1100);
  const std::string denied = front.wire.take(third);
  CHECK(status(denied) == 503);
  CHECK(has(denied, "\r\nRetry-After: 1\r\n"));
  CHECK(has(denied, "error=connection_limit_reached"));
  front.says(ok("second"));
  CHECK(content(front.wire.take(second)) == "second");
  CHECK(front.sockets.size() == 1);
}

TEST_CASE("requests wait for the command, which may be stuck") {
  Front front;
  CHECK_FALSE(front.forwarder.activity().is_stuck(1s));
  front.wire.pass(5000);
  front.sends(get());
  CHECK_FALSE(front.forwarder.activity().is_stuck(1s));
  front.wire.pass(1100);
  CHECK(front.forwarder.activity().is_stuck(1s));
  CHECK_FALSE(front.forwarder.activity().is_stuck(0s));
  front.says(ok("x"));
  CHECK_FALSE(front.forwarder.activity().is_stuck(1s));
}

TEST_CASE("failures of one kind within a second stand in one line") {
  Front front;
  front.accepts = -ECONNREFUSED;
  const Captured log;
  for (int i = 0; i < 20; ++i) front.sends(get());
  CHECK(log.count("connection_refused: GET /x") == 1);
  front.wire.pass(1100);
  front.sends(get());
  CHECK(log.count("(20 of this kind since the last line)") == 1);
}

TEST_CASE("the time for the first byte begins when the command has the content") {
  WrapOptions options = defaults();
  options.buffer = 4;
  options.first_byte_timeout = 500ms;
  Front front(options);
  front.sends(put(10) + "12345");
  front.wire.pass(2000);
  front.sends("67890");
  front.wire.pass(400);
  front.says(ok("in time"));
  CHECK(content(front.takes()) == "in time");
  front.sends(put(10) + "1234567890");
  front.wire.pass(900);
  CHECK(has(front.takes(), "error=http_response_timeout"));
}

TEST_CASE("where no descriptor is left it is we who are full, and no refusal") {
  using Failures = UpstreamFailures;
  for (const auto error : {std::errc::too_many_files_open, std::errc::too_many_files_open_in_system,
                           std::errc::no_buffer_space}) {
    const auto kind = Failures::kind_of(std::make_error_code(error), Failures::Stage::connecting);
    CHECK(kind == Failures::Kind::queue_timeout);
  }
  const auto refused = std::make_error_code(std::errc::connection_refused);
  CHECK(Failures::kind_of(refused, Failures::Stage::connecting) == Failures::Kind::refused);
}
