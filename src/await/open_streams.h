// The outbound connections of one worker: what a `Stream` (lastcall/stream.h) stands for, and the
// list of what has to be closed when the worker stops.
//
// Invariants
//  1. A state is in the list exactly while its descriptor is open.
//  2. At most one receive and one send of a state are under way. Each keeps the state, and with it
//     the memory that it names, until its completion.
#pragma once

#include <cstddef>
#include <memory>

#include <lastcall/stream.h>

#include "io/sockets.h"

namespace lastcall {

class Io;
class Metrics;

struct Stream::State {
  State(Io& opened_by, Metrics& counted_by);
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  Io* io;
  Metrics* metrics;
  int fd = -1;                      // until it is in the list of what is open
  bool closed = false;              // by its owner, with an operation under way
  Address peer;                     // of the connect under way
  std::unique_ptr<char[]> in;       // memory of the receive under way
  const void* receiving = nullptr;  // that receive, and ...
  const void* sending = nullptr;    // ... that send; null: none is
  std::shared_ptr<State> self;      // until the Stream lets go
  State* next = nullptr;
  State** link = nullptr;
};

class OpenStreams {
 public:
  void add(Stream::State& state, int socket);
  // No operation is outstanding any more. Streams that the application still holds are closed and
  // know it.
  void close_all();

 private:
  Stream::State* first_ = nullptr;
};

}  // namespace lastcall
