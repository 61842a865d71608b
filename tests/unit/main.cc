#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <csignal>

#include <lastcall/log.h>

int main(int argc, char** argv) {
  sigset_t broken_pipe;  // as `block_signals` does
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  sigprocmask(SIG_BLOCK, &broken_pipe, nullptr);
  lastcall::log::configure(lastcall::log::Format::text, lastcall::log::Level::off);
  return doctest::Context(argc, argv).run();
}
