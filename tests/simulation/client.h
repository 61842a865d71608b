// One client of a schedule: connects, sends requests in its own manner, checks every answer, and
// says afterwards what it got and what it lost.
#pragma once

#include <deque>
#include <string>

#include "io/simulated.h"

namespace lastcall::sim {

// What `GET /file` is answered with.
extern const std::string served_content;

class Client {
 public:
  enum class Manner : std::uint8_t {
    keep_alive,    // one request after the other, thinking in between
    pipelining,    // bursts
    one_shot,      // says `Connection: close`
    dripping,      // byte by byte
    half_closing,  // FIN right behind its last request
    leaving,       // resets in the middle
    not_reading,   // sends, and does not take the answers for a long time
    silent,        // connects and says nothing for a while
    stopping,      // sends half of a content in the end, and no more, or its FIN
    end,
  };

  Client(Kernel& kernel, Manner manner, unsigned id, Ms begins_at, unsigned requests);

  void step();     // does one thing, or nothing
  void give_up();  // the server is gone: what is not answered by now is lost
  [[nodiscard]] bool finished() const { return state_ == State::done; }

  // ---- afterwards
  [[nodiscard]] Manner manner() const { return manner_; }
  [[nodiscard]] bool refused() const { return refused_; }
  [[nodiscard]] unsigned answered() const { return answered_; }
  // Requests sent in full before any close was announced, without an answer, by a client that
  // stayed: the losses.
  [[nodiscard]] unsigned lost() const { return lost_; }
  [[nodiscard]] bool torn() const { return torn_; }  // the last answer ended in the middle
  // It met a FIN that it had not seen: the one loss that HTTP/1.1 leaves possible.
  [[nodiscard]] bool sent_after_fin() const { return sent_after_fin_; }
  [[nodiscard]] const std::string& violation() const { return violation_; }

 private:
  enum class State : std::uint8_t { waiting, connecting, open, done };

  void connect();
  void send_something();
  void read_answers();
  bool read_answer(std::string& bytes);
  [[nodiscard]] std::size_t received_at(std::size_t offset);
  void violate(const std::string& what);
  void end();
  [[nodiscard]] std::string make_request();
  [[nodiscard]] std::string make_streamed(const std::string& name, const std::string& close);
  [[nodiscard]] bool is_burst() const;
  [[nodiscard]] bool may_stop_here();

  Kernel& kernel_;
  const Manner manner_;
  const unsigned id_;
  unsigned left_;  // requests still to begin
  unsigned number_ = 0;
  State state_ = State::waiting;
  Ms acts_at_;
  int acks_ = 0;  // of the handshake, that were dropped
  int socket_ = -1;
  std::string unsent_;                    // of the request being sent, or the burst
  std::deque<std::string> awaited_;       // bodies of answers, in order
  std::deque<std::size_t> awaited_ends_;  // where each of their requests ends, of all bytes made
  std::size_t made_bytes_ = 0;
  unsigned complete_ = 0;  // of `awaited_`, requests sent in full
  std::string input_;
  std::size_t taken_ = 0;       // bytes of answers, before `input_`
  bool stopped_ = false;        // in the middle of a request
  bool expects_break_ = false;  // the last of `awaited_` is a stream that its handler breaks off
  bool told_close_ = false;
  bool asked_close_ = false;
  bool refused_ = false;
  bool left_early_ = false;
  bool torn_ = false;
  bool sent_after_fin_ = false;
  unsigned answered_ = 0;
  unsigned lost_ = 0;
  std::string violation_;
};

}  // namespace lastcall::sim
