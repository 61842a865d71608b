// The outbound connections of one worker: what has to be closed when it stops.
#pragma once

#include <cstddef>

#include "sockets.h"
#include "stream.h"

namespace lastcall {

class Io;
class Counters;

struct Stream::State {
  State(Io& opened_by, Counters& counted_by, int socket);
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  Io* io;
  Counters* counters;
  int fd;
  Address peer;                // of the connect under way
  std::unique_ptr<char[]> in;  // memory of the receive under way
  State* next = nullptr;       // in Streams, until that has closed them all
  State** link = nullptr;
};

class Streams {
 public:
  void add(Stream::State& state);
  // No operation is outstanding any more. Streams that the application still holds are closed and
  // know it.
  void close_all();

 private:
  Stream::State* first_ = nullptr;
};

}  // namespace lastcall
