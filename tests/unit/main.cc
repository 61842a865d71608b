#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <lastcall/log.h>

int main(int argc, char** argv) {
  lastcall::log::configure(lastcall::log::Format::text, lastcall::log::Level::off);
  return doctest::Context(argc, argv).run();
}
