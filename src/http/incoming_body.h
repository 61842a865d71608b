// A request's content while its handler runs (Request::read): what has come and was not read yet.
// Bounded: who sends more waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <lastcall/request.h>
#include <lastcall/task.h>

#include "await/bell.h"
#include "http/held_bytes.h"

namespace lastcall {

class IncomingBody {
 public:
  IncomingBody(Exchange& exchange, Memory& memory)
      : exchange_(exchange), memory_(memory), reading_(memory, HeldBytes::Part::body) {}
  IncomingBody(const IncomingBody&) = delete;
  IncomingBody& operator=(const IncomingBody&) = delete;

  enum class State : std::uint8_t {
    whole,       // it had come before the handler began, or there is none
    receiving,   // the handler runs; more is to come
    complete,    // all has come since
    incomplete,  // the rest never will
  };

  // ---- the connection's side

  void begin() { state_ = State::receiving; }
  void begin_tunnel();  // behind whatever content there was
  // Is there room for more? Nobody has to be waiting for it.
  [[nodiscard]] bool wants() const;
  void arrived() { bell_.ring(); }
  void complete();
  void fail(int status);  // of the answer, should the handler make none; 0: there is no client
  [[nodiscard]] State state() const { return state_; }
  // Somebody reads: a client that waits for `100 Continue` is to have it.
  [[nodiscard]] bool is_wanted() const { return wanted_; }
  // It has not all come, and its handler does nothing with it before (`Request::gather`).
  [[nodiscard]] bool is_gathered() const { return state_ == State::receiving && gathering_; }
  // Is what has come left there until there is more of it?
  [[nodiscard]] bool is_kept() const { return collecting_ || gathering_; }
  // As much of it: beyond that, whoever waits for it has something to do.
  [[nodiscard]] std::size_t keeps() const;
  [[nodiscard]] bool is_used() const { return state_ != State::whole || collecting_ || ended_; }
  void clear();

  // ---- the handler's

  [[nodiscard]] Task<std::optional<std::string_view>> read();
  [[nodiscard]] Task<std::string_view> read_all();
  [[nodiscard]] Task<bool> gather(std::size_t bytes);

 private:
  void want();

  Exchange& exchange_;  // in which it stands
  Memory& memory_;
  HeldBytes reading_;  // what `read` has given; what comes meanwhile is in the exchange's body
  Bell bell_;
  State state_ = State::whole;
  int status_ = 0;
  std::size_t gathers_ = 0;  // so much is held at least, before anybody reads
  bool wanted_ = false;
  bool collecting_ = false;  // for `read_all`
  bool gathering_ = false;
  bool ended_ = false;  // `read` has given the last of it
};

}  // namespace lastcall
