// Requests in, the command's answers out (RFC 9110 section 7.6, RFC 9112). What our parser has
// accepted is written anew, never passed through; a request goes out once, but for a GET, HEAD or
// OPTIONS without content whose kept connection the command had closed.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include <lastcall/client.h>
#include <lastcall/server.h>

#include "activity.h"
#include "upstream_failures.h"
#include "wrap_options.h"

namespace lastcall {

class Forwarder {
 public:
  explicit Forwarder(const WrapOptions& options);

  // Makes every request, or with --tcp every connection, the command's; outlives the server's run.
  void add_to(Server& server);
  [[nodiscard]] Handler of_requests();
  [[nodiscard]] Handler of_connections();  // with --tcp
  // Empty where it answers: by a connection, or by 2xx at --upstream-ready-path. Or what it does.
  [[nodiscard]] Task<std::string> why_not_ready();
  void open() { open_ = true; }                       // it does: before, requests are answered 503
  void note_command_end() { command_runs_ = false; }  // nobody waits for what is sent to it
  void say_rest() { failures_.say_rest(); }
  [[nodiscard]] const Activity& activity() const { return activity_; }

 private:
  struct Exchange;

  [[nodiscard]] Task<> forward(Request& request, Response& response);
  [[nodiscard]] Task<> forward_bytes(Request& request, Response& response);
  [[nodiscard]] ClientRequest ask(const Request& request) const;
  [[nodiscard]] Task<> pass(Exchange& exchange);
  [[nodiscard]] Task<> begin(Exchange& exchange);
  [[nodiscard]] Task<ClientResponse> take_head(Exchange& exchange);
  [[nodiscard]] Task<std::optional<ClientResponse>> next_head_in_time(Exchange& exchange);
  [[nodiscard]] Task<std::optional<ClientResponse>> next_head(Exchange& exchange);
  [[nodiscard]] Task<> pass_answer(Exchange& exchange, const ClientResponse& head);
  [[nodiscard]] Task<> pass_content(Exchange& exchange, const ClientResponse& head,
                                    ResponseBody body, std::string first);
  [[nodiscard]] Task<> pass_tunnel(Exchange& exchange, const ClientResponse& head);
  [[nodiscard]] Task<std::error_code> connect(Stream& stream) const;
  [[nodiscard]] std::unique_ptr<Client> make_client() const;

  const WrapOptions options_;
  const UpstreamAddress address_;
  const std::unique_ptr<Client> client_;
  const std::unique_ptr<Client> prober_;  // for the ready path: keeps nothing
  std::atomic<bool> open_{false};
  std::atomic<bool> command_runs_{true};
  Activity activity_;
  UpstreamFailures failures_;
};

}  // namespace lastcall
