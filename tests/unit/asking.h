// A client on a stage without a worker, and whom it asks: for tests of clients and calls.
#pragma once

#include <lastcall/client.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "stage.h"

namespace lastcall {

// Accepts each connection, in order.
struct Peer final : sim::Upstream {
  std::optional<int> connect(int at) override {
    sockets.push_back(at);
    return 0;
  }
  std::vector<int> sockets;
};

struct Outcome {
  int status = 0;
  std::string body;
  std::error_code error;
  std::string what;
  bool canceled = false;
};

template <class Work>
Task<> tell(Outcome* outcome, Work work) {
  try {
    co_await work(*outcome);
  } catch (const CallFailed& failed) {
    outcome->error = failed.code();
    outcome->what = failed.what();
  } catch (const std::logic_error& failed) {
    outcome->what = failed.what();
  } catch (const Canceled&) {
    outcome->canceled = true;
  }
}

inline Task<> asks(Client* client, ClientRequest request, Outcome* outcome) {
  const auto work = [&](Outcome& told) -> Task<> {
    const ClientResponse response = co_await client->ask(std::move(request));
    told.status = response.status();
    told.body = response.body();
  };
  co_await tell(outcome, work);
}

struct Asking : Stage {
  explicit Asking(const sim::Faults& faults = sim::Faults::none(), std::uint64_t seed = 1)
      : Stage(faults, seed) {
    kernel.upstream = &peer;
  }
  sim::Socket& wire(std::size_t nth) { return kernel.sockets[peer.sockets.at(nth)]; }
  void turns() {
    for (int i = 0; i < 6; ++i) turn();
  }
  Outcome& ask(ClientRequest request) {
    outcomes.push_back(std::make_unique<Outcome>());
    roots.push_back(std::make_unique<Root>());
    roots.back()->start(asks(&client, std::move(request), outcomes.back().get()));
    turns();
    return *outcomes.back();
  }
  Outcome& get(const char* target) { return ask(ClientRequest("GET", target)); }
  // The whole of a call, answered on connection `nth`.
  Outcome& get_answered(std::size_t nth, const std::string& answer) {
    Outcome& outcome = get("/");
    says(nth, answer);
    return outcome;
  }
  void says(std::size_t nth, const std::string& text) {
    wire(nth).to_server = text;
    turns();
  }
  void ends(std::size_t nth) {
    wire(nth).client_fin = true;
    turns();
  }

  Peer peer;
  Client client{"127.0.0.1", 8080};
  std::vector<std::unique_ptr<Outcome>> outcomes;
  std::vector<std::unique_ptr<Root>> roots;
};

inline const std::string hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

}  // namespace lastcall
