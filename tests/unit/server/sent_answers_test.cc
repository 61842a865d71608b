#include "server/sent_answers.h"

#include <doctest/doctest.h>

using namespace lastcall;

TEST_CASE("answers are unread whose last byte is not acknowledged") {
  SentAnswers answers;
  answers.add(100);
  answers.add(250);
  answers.sent(250);
  answers.sent(25);  // of no answer
  answers.add(30);
  answers.sent(30);  // ends at 305
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

TEST_CASE("of a long stream the latest are known, and beyond 4 GiB as well") {
  SentAnswers answers;
  constexpr std::uint64_t bytes = 1 << 28;
  for (int i = 0; i < 100; ++i) {
    answers.add(bytes);
    answers.sent(bytes);
  }
  CHECK(answers.unread(100 * bytes) == 0);
  CHECK(answers.unread(100 * bytes - 1) == 1);
  CHECK(answers.unread(97 * bytes) == 3);
  answers.clear();
  for (int i = 0; i < 100; ++i) {
    answers.add(10);
    answers.sent(10);
  }
  CHECK(answers.unread(500) == 32);
}
