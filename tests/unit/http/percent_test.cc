#include "http/percent.h"

#include <doctest/doctest.h>

#include <string>

using namespace lastcall;

namespace {

std::string decoded(std::string_view text) {
  std::string out(text.size(), '\0');
  const auto bytes = percent_decode(text, out.data());
  return bytes ? out.substr(0, *bytes) : "malformed";
}

}  // namespace

TEST_CASE("an escape is the byte that it stands for, once") {
  CHECK(decoded("") == "");
  CHECK(decoded("a+b") == "a+b");
  CHECK(decoded("a%20b") == "a b");
  CHECK(decoded("%2f%2F") == "//");
  CHECK(decoded("%2520") == "%20");
  CHECK(decoded("%C3%A4") == "\xc3\xa4");
  CHECK(decoded("%00") == std::string(1, '\0'));
}

TEST_CASE("an escape without two hexadecimal digits is malformed, wherever it stands") {
  for (const char* text : {"%", "a%", "%2", "%2g", "%g2", "%%20", "% 20", "a%2"})
    CHECK(decoded(text) == "malformed");
}

TEST_CASE("in a query a plus is a space, and what is no escape stands for itself") {
  CHECK(decode_form("a+b%2Bc") == "a b+c");
  CHECK(decode_form("100%") == "100%");
  CHECK(decode_form("%zz%41") == "%zzA");
}
