// An implementation of the seam and what stands on the other side of it, so that one test can be
// run over each: real sockets for those that serve, the simulated kernel for the one that does not.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/io.h"
#include "io/simulated.h"
#include "io/sockets.h"

namespace lastcall {

class World {
 public:
  World() = default;
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  virtual ~World() = default;

  virtual Io& io() = 0;
  [[nodiscard]] virtual int listener() const = 0;
  virtual int make_event() = 0;  // an eventfd(2)
  virtual int make_file() = 0;   // empty, open for reading and writing
  [[nodiscard]] virtual std::string contents(int file) = 0;
  virtual int signal_fd() = 0;  // of SIGUSR2
  virtual void raise_signal() = 0;

  // ---- the other end of a connection, which is one of ours by its number
  virtual int connect() = 0;
  virtual void send(int peer, std::string_view bytes) = 0;
  virtual std::string receive(int peer, std::size_t bytes) = 0;  // as many, or up to the FIN
  virtual void fin(int peer) = 0;
  virtual void reset(int peer) = 0;

  // ---- where something listens, and where nothing does
  virtual Address somebody() = 0;
  virtual Address nobody() = 0;

  // All that completes until there is enough; far less if it does not come.
  using Completions = std::vector<Completion>;
  Completions harvest(const std::function<bool(const Completions&)>& enough);
  Completions harvest(std::size_t count);
  Completions settle();  // until nothing more comes for a while

 protected:
  virtual void pass_time() {}  // between two harvests

 private:
  Completions collect(Ms patience, const std::function<bool(const Completions&)>& enough);
};

class RealWorld : public World {
 public:
  explicit RealWorld(std::unique_ptr<Io> io);
  ~RealWorld() override;

  Io& io() override { return *io_; }
  [[nodiscard]] int listener() const override { return listener_; }
  int make_event() override;
  int make_file() override;
  std::string contents(int file) override;
  int signal_fd() override;
  void raise_signal() override;
  int connect() override;
  void send(int peer, std::string_view bytes) override;
  std::string receive(int peer, std::size_t bytes) override;
  void fin(int peer) override;
  void reset(int peer) override;
  Address somebody() override { return local_address(listener_); }
  Address nobody() override;

 private:
  std::unique_ptr<Io> io_;
  int listener_ = -1;
  std::vector<int> mine_;  // closed in the end
};

struct UringWorld : RealWorld {
  UringWorld();
};
struct EpollWorld : RealWorld {
  EpollWorld();
};

class SimulatedWorld : public World {
 public:
  SimulatedWorld();

  Io& io() override { return io_; }
  [[nodiscard]] int listener() const override { return listener_; }
  int make_event() override { return kernel_.make_event(); }
  int make_file() override { return kernel_.next_fd++; }
  std::string contents(int file) override { return kernel_.files[file]; }
  int signal_fd() override { return kernel_.signal_fd; }
  void raise_signal() override;
  int connect() override;
  void send(int peer, std::string_view bytes) override;
  std::string receive(int peer, std::size_t bytes) override;
  void fin(int peer) override { kernel_.sockets[peer].client_fin = true; }
  void reset(int peer) override { kernel_.sockets[peer].client_reset = true; }
  Address somebody() override;
  Address nobody() override;

 protected:
  void pass_time() override { ++kernel_.now; }

 private:
  struct Answer : sim::Upstream {
    std::optional<int> connect(int) override { return result; }
    int result = 0;
  };

  sim::Kernel kernel_{1, sim::Faults::none()};
  Answer answer_;
  sim::SimIo io_{kernel_};
  int listener_;
};

}  // namespace lastcall
