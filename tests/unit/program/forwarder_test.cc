#include "program/forwarder.h"

#include <doctest/doctest.h>

#include <string>

#include "front.h"
#include "front_schedule.h"

using namespace lastcall;
using namespace std::chrono_literals;

TEST_CASE("a request is written anew, and its answer is passed on with its fields") {
  Front front;
  front.sends(get("Accept: x\r\nX-A: 1\r\nX-A: 2\r\nConnection: close, x-b\r\nX-B: 3\r\n", "/p?q"));
  CHECK(front.got() == "GET /p?q HTTP/1.1\r\nHost: a\r\nAccept: x\r\nX-A: 1\r\nX-A: 2\r\n\r\n");
  front.says(ok("hi",
                "Date: then\r\nContent-Type: a/b\r\nSet-Cookie: c\r\nSet-Cookie: d\r\n"
                "Connection: x-c\r\nX-C: 1\r\nKeep-Alive: timeout=4\r\nServer: s\r\n"));
  const std::string answer = front.takes();
  CHECK(
      answer ==
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: then\r\nContent-Type: a/b\r\nSet-Cookie: c\r\n"
      "Set-Cookie: d\r\nServer: s\r\nConnection: close\r\n\r\nhi");
}

TEST_CASE("an answer without a date gets one, and one without content keeps its type") {
  Front front;
  const std::string answer = front.exchange(get(), ok("", "Content-Type: a/b\r\n"));
  CHECK(has(answer, "\r\nDate: "));
  CHECK(has(answer, "\r\nContent-Type: a/b\r\n"));
  CHECK(has(answer, "\r\nContent-Length: 0\r\n"));
}

TEST_CASE("whom a client asks for in its target is the Host, and a query may be empty") {
  Front front;
  front.sends("GET http://b:8/p? HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(front.got() == "GET /p? HTTP/1.1\r\nHost: b:8\r\n\r\n");
  front.says(ok(""));
  front.sends("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(front.got() == "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
  front.says(ok(""));
  front.sends("BREW /pot HTTP/1.1\r\nHost:\r\n\r\n");
  CHECK(front.got() == "BREW /pot HTTP/1.1\r\nHost: \r\n\r\n");
  front.says(ok(""));
  CHECK(answers(front.takes()) == 3);
  front.sends("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n");
  CHECK(status(front.takes()) == 501);
  CHECK(front.sockets.size() == 1);
}

TEST_CASE("a client of HTTP/1.0 has its answer without chunks") {
  Front front;
  front.sends("GET /x HTTP/1.0\r\n\r\n");
  CHECK(front.got() == "GET /x HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n\r\n");
  front.says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n");
  front.says("3\r\nllo\r\n0\r\n\r\n");
  CHECK(content(front.takes()) == "hello");
  CHECK(front.wire.closed(front.client));
}

TEST_CASE("who the client is, is ours to say; of what a stranger says of it nothing is left") {
  WrapOptions options = defaults();
  options.forwarded = "on";
  Front front(options);
  front.sends(
      get("X-Forwarded-For: 6.6.6.6\r\nx_forwarded_for: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n"
          "Forwarded: for=6.6.6.6\r\nX_Forwarded-Host: evil\r\nX-Real: 1\r\n"));
  const std::string got = front.got();
  CHECK_FALSE(has(got, "6.6.6.6"));
  CHECK_FALSE(has(got, "evil"));
  CHECK(has(got, "\r\nX-Real: 1\r\n"));
  CHECK(has(got, "\r\nX-Forwarded-For: 192.0.2.1\r\n"));
  CHECK(has(got, "\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n"));
}

TEST_CASE("a small content is whole before the command is asked") {
  Front front;
  front.sends(put(10) + "12345");
  CHECK(front.sockets.empty());
  front.sends("67890");
  CHECK(front.got() == put(10) + "1234567890");
  front.says(ok(""));
  front.sends("PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  CHECK(front.got().empty());
  front.sends("0\r\n\r\n");
  CHECK(front.got() == put(3) + "abc");
  front.says(ok(""));
  CHECK(answers(front.takes()) == 2);
}

TEST_CASE("a larger one is passed on as it comes, and trailers in chunks") {
  WrapOptions options = defaults();
  options.buffer = 4;
  Front front(options);
  front.sends(put(10) + "123");
  CHECK(front.got() == put(10) + "123");
  front.sends("4567890");
  CHECK(front.got() == "4567890");
  front.says(ok(""));
  const std::string chunked = "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  front.sends(chunked + "6\r\nabcdef\r\n");
  CHECK(front.got() == chunked + "6\r\nabcdef\r\n");
  front.sends("0\r\nX-T: u\r\nExpect: x\r\n\r\n");
  CHECK(front.got() == "0\r\nX-T: u\r\n\r\n");
  front.says(ok(""));
  front.sends(chunked + "1\r\na\r\n0\r\nX-T: u\r\n\r\n");  // a small one with trailers
  CHECK(front.got() == chunked + "1\r\na\r\n0\r\nX-T: u\r\n\r\n");
  front.says(ok(""));
  CHECK(answers(front.takes()) == 3);
}

TEST_CASE("an answer in chunks, up to a FIN, or with trailers, comes as it comes") {
  Front front;
  front.sends(get());
  front.says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n");
  const std::string begun = front.takes();
  CHECK(has(begun, "\r\nTransfer-Encoding: chunked\r\n"));
  CHECK(begun.ends_with("\r\n\r\n2\r\nhe\r\n"));
  front.says("3\r\nllo\r\n0\r\nX-T: u\r\n\r\n");
  CHECK(front.takes() == "3\r\nllo\r\n0\r\nX-T: u\r\n\r\n");
  front.sends(get());
  front.says("HTTP/1.1 200 OK\r\n\r\nhel");
  CHECK(front.takes().ends_with("\r\n\r\n3\r\nhel\r\n"));
  front.says("lo");
  front.ends();
  CHECK(front.takes() == "2\r\nlo\r\n0\r\n\r\n");
  CHECK_FALSE(front.wire.closed(front.client));
}

TEST_CASE("HEAD, 204 and 304 have no content, and HEAD the length that GET would have") {
  Front front;
  const std::string head = front.exchange("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
  CHECK(has(head, "\r\nContent-Length: 99\r\n"));
  CHECK(content(head).empty());
  const std::string none = front.exchange(get(), "HTTP/1.1 204 No\r\nX: y\r\n\r\n", 1);
  CHECK(none.starts_with("HTTP/1.1 204 No Content\r\n"));
  CHECK_FALSE(has(none, "Content-Length"));
  CHECK(status(front.exchange(get(), "HTTP/1.1 304 Same\r\nETag: x\r\n\r\n", 1)) == 304);
  CHECK(status(front.exchange(get(), ok("x"), 2)) == 200);
  CHECK(front.sockets.size() == 3);  // what may follow a HEAD or a 304 is nobody's answer
}

TEST_CASE("informational answers are passed on; a 100 that nobody asked for is not") {
  Front front;
  front.sends(get());
  front.says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n");
  CHECK(front.takes() == "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  front.says(ok("x"));
  CHECK(content(front.takes()) == "x");
}

TEST_CASE("who waits to be asked for its content is asked when the command asks, and once") {
  Front front;
  const std::string expects = put(3, "Expect: 100-continue\r\n");
  front.sends(expects);
  CHECK(has(front.got(), "Expect: 100-continue\r\n"));
  CHECK(front.takes().empty());
  front.says("HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(front.takes() == "HTTP/1.1 100 Continue\r\n\r\n");
  front.sends("abc");
  CHECK(front.got() == "abc");
  front.says(ok("y"));
  CHECK(content(front.takes()) == "y");
  front.sends(expects);  // one that never says so
  CHECK(front.takes().empty());
  front.wire.pass(1100);
  CHECK(front.takes() == "HTTP/1.1 100 Continue\r\n\r\n");
  front.sends("abc");
  front.says(ok("z"));
  CHECK(content(front.takes()) == "z");
  front.sends(expects);  // and one that does not want it
  front.says("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
  const std::string refused = front.takes();
  CHECK(status(refused) == 417);
  CHECK(says_close(refused));
  CHECK(front.wire.closed(front.client));
}

TEST_CASE("a GET goes out again where the command had closed its connection; a POST never") {
  for (const bool safe : {true, false}) {
    Front front;
    CHECK(status(front.exchange(get(), ok("x"))) == 200);
    front.sends(safe ? get() : put(1) + "x");  // in the very moment in which it is closed
    front.ends();
    CHECK(front.sockets.size() == (safe ? 2 : 1));
    if (safe) front.says(ok("y"), 1);
    CHECK(status(front.takes()) == (safe ? 200 : 502));
  }
}

TEST_CASE("no second try with --upstream-retry off, on a new connection, or for a content") {
  WrapOptions options = defaults();
  options.retry = "off";
  Front off(options);
  CHECK(status(off.exchange(get(), ok("x"))) == 200);
  off.sends(get());
  off.ends();
  CHECK(status(off.takes()) == 502);
  Front fresh;
  fresh.sends(get());
  fresh.ends();
  CHECK(status(fresh.takes()) == 502);
  Front content;
  CHECK(status(content.exchange(get(), ok("x"))) == 200);
  content.sends(get("Content-Length: 1\r\n") + "x");
  content.ends();
  CHECK(status(content.takes()) == 502);
  CHECK(off.sockets.size() + fresh.sockets.size() + content.sockets.size() == 3);
}

TEST_CASE("an idle connection is kept for a second, for what is unsafe for a moment, and as told") {
  Front front;
  const auto asked_on = [&](const std::string& request) {
    front.sends(request);
    const std::size_t last = front.sockets.size() - 1;
    (void)front.got(last);
    front.says(ok("x"), last);
    CHECK(status(front.takes()) == 200);
    return front.sockets.size();
  };
  CHECK(asked_on(get()) == 1);
  front.wire.pass(900);
  CHECK(asked_on(get()) == 1);
  front.wire.pass(40);
  CHECK(asked_on(put(1) + "x") == 1);
  front.wire.pass(60);
  CHECK(asked_on(put(1) + "x") == 2);
  front.wire.pass(1100);
  CHECK(front.upstream(1).server_fin);  // by itself
  CHECK(asked_on(get()) == 3);
  front.sends(get());
  front.says(ok("x", "Keep-Alive: timeout=1\r\n"), 2);
  (void)front.takes();
  front.wire.pass(600);
  CHECK(asked_on(get()) == 4);
}

TEST_CASE("a command that answers early has its answer passed on, and the connection ends") {
  WrapOptions options = defaults();
  options.buffer = 4;
  Front front(options);
  front.sends(put(1'000'000) + std::string(1000, 'x'));
  front.says("HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno");
  const std::string answer = front.takes();
  CHECK(status(answer) == 413);
  CHECK(says_close(answer));
  CHECK(front.wire.closed(front.client));
}

TEST_CASE("a content may be answered while it comes") {
  WrapOptions options = defaults();
  options.buffer = 4;
  Front front(options);
  front.sends(put(2'000'000) + std::string(1000, 'a'));
  front.says("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + std::string(1000, 'a'));
  for (int i = 0; i < 1999; ++i) front.sends(std::string(1000, 'b'));
  std::size_t got = 0;
  for (int i = 0; i < 2000 && got < 2'000'000; ++i) {
    const std::string piece = front.got();
    got += piece.size() - (i == 0 ? put(2'000'000).size() : 0);
    front.wire.turn();
  }
  CHECK(got == 2'000'000);
  front.says(std::string(1000, 'b'));
  CHECK(content(front.takes()) == std::string(1000, 'a') + std::string(1000, 'b'));
}

TEST_CASE("a WebSocket is a tunnel behind the command's 101, and not before") {
  Front front;
  front.sends(
      get("Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: k\r\n") +
      "early");
  const std::string asked = front.got();
  CHECK(has(asked, "\r\nSec-WebSocket-Key: k\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"));
  CHECK_FALSE(has(asked, "early"));
  front.says(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: s\r\n\r\nfrom the command");
  const std::string switched = front.takes();
  CHECK(switched.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  CHECK(has(switched,
            "\r\nSec-WebSocket-Accept: s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"));
  CHECK(content(switched) == "from the command");
  CHECK(front.got() == "early");
  front.sends("to the command");
  CHECK(front.got() == "to the command");
  front.ends();
  CHECK(front.wire.closed(front.client));
  CHECK(front.upstream(0).server_closed);
}

TEST_CASE("an upgrade that the command does not take is a request as any other") {
  Front front;
  front.sends(get("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  front.says("HTTP/1.1 426 No\r\nContent-Length: 2\r\n\r\nno");
  CHECK(status(front.takes()) == 426);
  front.sends(get());
  CHECK(front.got().ends_with(get()));
  front.says(ok("x"));
  front.sends(get("Connection: Upgrade\r\nUpgrade: h2c\r\n"));  // and this is never asked for
  CHECK(front.got() == get());
  front.says(ok("y"));
  CHECK(answers(front.takes()) == 2);
}

TEST_CASE("a client that has gone ends its request to the command") {
  Front front;
  front.sends(get());
  front.says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
  front.wire.reset(front.client);
  front.says("1\r\nb\r\n");
  CHECK(front.upstream(0).server_closed);
  WrapOptions options = defaults();
  options.buffer = 1;
  Front uploads(options);
  uploads.sends(put(100) + "half");
  uploads.wire.reset(uploads.client);
  uploads.wire.turn(20);
  CHECK(uploads.upstream(0).server_closed);
  CHECK(uploads.got() == put(100) + "half");
}

TEST_CASE("what is no content is 400, and the command sees that it was not all") {
  WrapOptions options = defaults();
  options.buffer = 1;
  Front front(options);
  front.sends("PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  front.sends("zz\r\n");
  CHECK(status(front.takes()) == 400);
  CHECK(front.upstream(0).server_closed);
  CHECK_FALSE(has(front.got(), "0\r\n\r\n"));
}

TEST_CASE("who waits to be asked is asked in time, whatever else the command says first") {
  Front front;
  front.sends(put(3, "Expect: 100-continue\r\n"));
  front.says("HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 1");
  CHECK(front.takes() == "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  front.wire.pass(1100);
  CHECK(front.takes() == "HTTP/1.1 100 Continue\r\n\r\n");
  front.sends("abc");
  front.says("02 Processing\r\n\r\n" + ok("y"));
  CHECK(front.takes().ends_with("\r\n\r\ny"));
}

TEST_CASE("a large content is sent while its answer is waited for, however it was held") {
  WrapOptions options = defaults();
  options.buffer = 1 << 20;
  Front front(options);
  front.sends("GET /y HTTP/1.1\r\nHost: a\r\n\r\n");  // opens the connection
  front.says(ok(""));
  (void)front.takes();
  front.upstream(0).window = 10'000;  // it reads no more than that, and answers
  front.sends(put(300'000) + std::string(300'000, 'x'));
  front.wire.turn(2000);
  front.says("HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno");
  CHECK(status(front.takes()) == 413);
}

TEST_CASE("trailers pass as fields do") {
  WrapOptions options = defaults();
  options.forwarded = "on";
  Front front(options);
  front.sends(
      "PUT /x HTTP/1.1\r\nHost: a\r\nConnection: x-h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "1\r\na\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nContent_Length: 9\r\nX-H: 1\r\n"
      "Set-Cookie: x\r\nX-T: u\r\n\r\n");
  CHECK(front.got().ends_with("1\r\na\r\n0\r\nX-T: u\r\n\r\n"));
  front.says("HTTP/1.1 103 Early\r\nConnection: x-c\r\nX-C: 1\r\nKeep_Alive: 3\r\nLink: l\r\n\r\n");
  CHECK(front.takes() == "HTTP/1.1 103 Early Hints\r\nLink: l\r\n\r\n");
}

TEST_CASE("what was received stays where it is while a slow client takes it") {
  WrapOptions options = defaults();
  options.buffer = 4;
  Front front(options);
  front.sends("PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nabcdefgh\r\n");
  front.wire.kernel.sockets[front.client].window = 1000;
  front.says("HTTP/1.1 200 OK\r\n\r\n" + std::string(300'000, 'A'));
  front.sends("ZZ\r\n");  // no content: the call is aborted while its answer is written
  std::string all;
  for (int i = 0; i < 3000; ++i) {
    all += front.takes();
    front.wire.turn();
  }
  CHECK(content(all).find_first_not_of("A0123456789abcdef\r\n") == std::string::npos);
}

TEST_CASE(
    "whatever clients, command and network do, an answer is whole, its own, and asked for once") {
  FrontSchedule::Told all;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    FrontSchedule schedule(seed);
    schedule.run();
    const FrontSchedule::Told told = schedule.told();
    CHECK(told.wrong == 0);
    CHECK(told.executed_twice_unsafe == 0);
    CHECK(told.still_waiting == 0);
    const Wire& wire = schedule.front().wire;
    CHECK(wire.count("requests_received") ==
          wire.count("requests_answered") + wire.count("requests_undelivered") +
              wire.count("requests_cut") + wire.count("answers_broken_off"));
    all.answered += told.answered;
    all.failed += told.failed;
    all.lost += told.lost;
    all.executed_twice += told.executed_twice;
  }
  // And all of it happens.
  CHECK(all.answered > 1000);
  CHECK(all.failed > 100);
  CHECK(all.lost > 10);
  CHECK(all.executed_twice > 3);
}
