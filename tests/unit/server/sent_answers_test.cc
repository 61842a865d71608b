#include "server/sent_answers.h"

#include <doctest/doctest.h>

using namespace lastcall;

TEST_CASE("answers are unread whose last byte is not acknowledged") {
  SentAnswers answers;
  answers.sent(250);
  answers.add(150);  // ends at 100
  answers.add(0);    // at 250
  answers.sent(25);  // of no answer
  answers.sent(30);
  answers.add(0);  // at 305
  CHECK(answers.unread(0) == 3);
  CHECK(answers.unread(99) == 3);
  CHECK(answers.unread(100) == 2);
  CHECK(answers.unread(250) == 1);
  CHECK(answers.unread(304) == 1);
  CHECK(answers.unread(305) == 0);
  CHECK(answers.unread(306) == 0);  // our FIN, too
  answers.forget();
  CHECK(answers.unread(0) == 0);
}

TEST_CASE("a long stream is known beyond 4 GiB, and what is acknowledged makes room") {
  SentAnswers answers;
  constexpr std::uint64_t bytes = 1 << 28;
  for (int i = 0; i < 100; ++i) {
    answers.sent(bytes);
    if (answers.full()) answers.make_room(bytes);  // the last one alone is not acknowledged
    answers.add(0);
  }
  CHECK(answers.unread(100 * bytes) == 0);
  CHECK(answers.unread(100 * bytes - 1) == 1);
  CHECK(answers.unread(97 * bytes) == 3);
}

TEST_CASE("an answer that more than 4 GiB are behind is not taken for a late one") {
  for (const std::uint64_t behind : {std::uint64_t{1} << 32, (std::uint64_t{1} << 32) + 50}) {
    SentAnswers answers;
    answers.sent(100);
    answers.add(0);
    answers.sent(behind);
    answers.add(behind);  // of the same batch, before a large one
    answers.add(0);
    CHECK(answers.unread(100 + behind - 1) == 1);
    CHECK(answers.unread(behind - 100) == 1);
    CHECK(answers.unread(100 + behind) == 0);
  }
}

TEST_CASE("however many nobody acknowledges are counted, each of them at least") {
  SentAnswers answers;
  constexpr std::size_t all = 10'000;
  for (std::size_t i = 1; i <= all; ++i) {
    answers.sent(10);
    if (answers.full()) answers.make_room(i * 10);
    answers.add(0);
  }
  CHECK(answers.unread(0) == all);
  for (const std::size_t acked : {1u, 500u, 5000u, 9990u, 9999u}) {
    CAPTURE(acked);
    CHECK(answers.unread(acked * 10) >= all - acked);
    CHECK(answers.unread(acked * 10) <= all);
  }
  CHECK(answers.unread((all - 3) * 10) <= 3 + 8);  // the latest stand one by one
  CHECK(answers.unread(all * 10) == 0);
}
