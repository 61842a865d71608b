#include "program/counter.h"

#include <doctest/doctest.h>

#include <string>

using namespace lastcall;

TEST_CASE("a bad counter is refused in one line that never shows a password") {
  for (const char* where :
       {"", "memories", "file:", "redis:", "redis://", "redis://host:0", "redis://host:70000",
        "redis://host:port", "redis://:secret@host/x", "redis://secret@host",
        "redis://:secret%4@host", "redis://:secret%zz@host", "redis://:secret@[::1",
        "rediss://host", "redis://:secret@[::1]7000"}) {
    CounterOptions options;
    options.where = where;
    INFO(where);
    const std::string wrong = options.invalid();
    CHECK_FALSE(wrong.empty());
    CHECK(wrong.find("secret") == std::string::npos);
    CHECK(wrong.find('\n') == std::string::npos);
  }
  for (const char* where : {"memory", "file:counter", "redis://host", "redis://:secret@host:1/2"}) {
    CounterOptions options;
    options.where = where;
    CHECK(options.invalid() == "");
  }
}
