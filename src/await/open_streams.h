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
  ~State() { release(); }
  void release();  // closes its descriptor, once nothing is under way

  Io* io;
  Metrics* metrics;
  int fd = -1;                      // until it is in the list of what is open
  bool closed = false;              // by its owner; what was received stays where it is
  Address peer;                     // of the connect under way
  std::unique_ptr<char[]> in;       // memory of the receive under way
  std::string_view unread;          // in it: received, and to be had once more
  const void* receiving = nullptr;  // that receive, and ...
  const void* sending = nullptr;    // ... that send; null: none is
  std::shared_ptr<State> self;      // until the Stream lets go
  State* next = nullptr;
  State** link = nullptr;
};

// Something that keeps streams beyond the coroutines that opened them, and lets go of them when the
// worker stops; in the list of that worker meanwhile.
struct KeepsStreams {
  explicit KeepsStreams(void (*how)(KeepsStreams&) noexcept) : let_go(how) {}
  KeepsStreams(const KeepsStreams&) = delete;
  KeepsStreams& operator=(const KeepsStreams&) = delete;
  ~KeepsStreams() { leave(); }
  void leave() {
    if (link == nullptr) return;
    *link = next;
    if (next != nullptr) next->link = link;
    link = nullptr;
  }

  void (*const let_go)(KeepsStreams&) noexcept;
  KeepsStreams* next = nullptr;
  KeepsStreams** link = nullptr;
};

class OpenStreams {
 public:
  void add(KeepsStreams& keeper);
  void add(Stream::State& state, int socket);
  void let_go();  // all that are kept: the worker stops
  // No operation is outstanding any more. Streams that the application still holds are closed and
  // know it.
  void close_all();

 private:
  Stream::State* first_ = nullptr;
  KeepsStreams* first_keeper_ = nullptr;
};

}  // namespace lastcall
