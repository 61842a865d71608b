// One client: receive -> parse -> handle -> send, keep-alive, the close chain.
//
// A connection lives in a slot of its worker and is used on the worker's thread only. Bytes are
// parsed while no answer is on its way and no handler runs; whatever comes meanwhile waits in the
// spill, and a full spill stops the receive: that is the whole of back-pressure.
//
// Invariants
//  1. `recv_armed_` and `send_in_flight_` are true exactly while that operation is outstanding;
//     the slot is released only when both are false.
//  2. `out_` is not appended to while `send_in_flight_`.
//  3. Every request received in full ends in exactly one of: answered, undelivered (the client had
//     gone), cut (the deadline).
//  4. Nothing is parsed after an answer that said close.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "buffers.h"
#include "counters.h"
#include "exchange.h"
#include "io.h"
#include "parser.h"
#include "sent_answers.h"
#include "timers.h"

namespace lastcall {

class Router;
class Worker;
struct Route;

class Connection {
 public:
  Connection(Worker& worker, std::uint32_t index);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // ---- the worker's calls, in the order of a life. Any of them may end with the slot released.
  void open(int fd, bool admin);
  void on_recv(const Completion& completion) noexcept;
  void on_send(const Completion& completion) noexcept;
  void on_handled() noexcept;      // the coroutine of `exchange` has ended
  bool resume_receive() noexcept;  // a buffer is free again; false: none is wanted

  // ---- the drain's
  [[nodiscard]] bool silent() const;  // nothing received that is not answered, nothing on its way
  [[nodiscard]] bool fresh() const { return fresh_; }  // no byte has come yet
  [[nodiscard]] Ms accepted_at() const { return accepted_at_; }
  [[nodiscard]] Ms silent_since() const { return last_activity_at_; }
  void close_silent();  // our FIN, announced by no answer; late bytes are a lost request
  void cut();           // the deadline: name and count what is lost, and end

  [[nodiscard]] bool in_use() const { return fd_ >= 0; }
  [[nodiscard]] bool admin() const { return admin_; }
  [[nodiscard]] std::uint32_t index() const { return index_; }
  [[nodiscard]] std::uint32_t generation() const { return generation_; }

 private:
  enum class State : std::uint8_t {
    open,       // receiving and answering
    handling,   // a coroutine prepares the answer; nothing is parsed
    finishing,  // the last answer is on its way; then our FIN
    lingering,  // our FIN is sent; reading until theirs, so that no RST destroys the answer
    closing,    // waiting for the last completions, at the deadline for ACKs too, then close(2)
  };

  // receive
  void arm_recv(bool wait_first);
  void pause_recv();
  void on_bytes(std::string_view bytes);
  void on_eof();
  void on_broken();
  // parse and handle
  void consume(std::string_view bytes);
  void consume_spill();
  void spill(std::string_view bytes);
  bool begin_request(std::string_view& bytes);
  void take_exchange();
  void handle(bool more_buffered);
  [[nodiscard]] const Router& routes() const;  // of the listener it came by
  void answer_without_route();
  void call_plain(const Route& route);
  void answer_failure();  // of a handler: 500
  void charge_answer();   // no room for it: 503
  void answer_instead(int status);
  void start_waiting(const Route& route);
  void answer_handled();
  void abandon_exchange();
  void await_rest(Parser::Stage before);
  void answer_continue();
  void reject(int status);
  void respond(bool more_buffered);
  [[nodiscard]] bool drain_says_close(bool more_buffered) const;
  [[nodiscard]] bool more_has_arrived() const;  // which on_bytes has not seen yet
  void release_exchange();
  // send
  void flush();
  void count_answers(std::size_t bytes_sent);
  // close
  void linger(bool announced);
  void on_late_bytes(std::string_view bytes);
  void close_after_them();
  void end_linger();
  void on_linger_timeout(Ms now);
  void poll_unread(Ms now);
  [[nodiscard]] bool answer_unread() const;  // once our FIN is sent
  std::size_t recount_unread(Count instead);
  void close();
  void close_join();
  void cut_bytes(std::string_view bytes);
  void cut_received();
  void end_cut();
  // The only place that decides what is outstanding next.
  void proceed();

  // time
  [[nodiscard]] Ms deadline() const;
  void arm_timer();
  void on_timer();
  void on_timeout(Ms now);
  void on_write_timeout(Ms now);

  [[nodiscard]] std::string describe() const;  // of the request being handled, for the log
  [[nodiscard]] Ticket ticket(Kind kind) const { return {kind, index_, generation_}; }

  Worker& worker_;
  const std::uint32_t index_;
  std::uint32_t generation_ = 0;
  int fd_ = -1;
  State state_ = State::open;
  bool admin_ = false;
  bool recv_armed_ = false;
  bool recv_parked_ = false;  // waiting for a buffer, in the worker's queue
  bool recv_cancel_sent_ = false;
  bool recv_paused_ = false;  // the spill is full
  bool send_in_flight_ = false;
  bool handled_ = false;  // the coroutine has ended; its answer waits for that send
  bool eof_ = false;      // their FIN has come
  bool fresh_ = true;
  bool fin_announced_ = true;  // an answer said close before our FIN
  bool fin_in_drain_ = false;  // our FIN was sent after the signal
  bool late_ = false;          // bytes came after it; counted once
  bool arrival_seen_ = false;  // its first request is known
  bool cut_ = false;           // by the deadline: what has come in full is counted, not answered
  bool discards_ = false;      // nor counted: behind a close that was said or done, or a probe
  std::uint32_t cut_requests_ = 0;
  float close_draw_ = 0;  // where in the ramp this connection is told to close
  Ms accepted_at_ = 0;
  Ms last_activity_at_ = 0;
  Ms request_started_at_ = 0;
  Ms body_started_at_ = 0;  // when its head was known
  Ms write_deadline_ = 0;
  Ms linger_deadline_ = 0;
  Ms silent_ms_ = 0;  // before our FIN
  Ms timer_at_ = 0;
  std::uint64_t acked_ = 0;       // at the last look at a slow reader
  Exchange* exchange_ = nullptr;  // of the request being received or handled
  OutBuffer out_;
  std::vector<std::size_t> answer_ends_;  // in `out_`, of each request's answer
  SentAnswers sent_;
  std::string spill_;
  Timer timer_;
  Parser parser_;
};

}  // namespace lastcall
