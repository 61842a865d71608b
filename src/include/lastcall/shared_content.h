// A content that the program keeps, and may send to many clients at once, a page or an image say:
// it is sent from where it is, without a copy (`Response::body`).
//
//   server.route("GET", "/logo", [logo = SharedContent(load("logo.png"))](Request&, Response& r) {
//     r.content_type("image/png").body(logo);
//   });
//
// It never changes. Copies are cheap, may be on any thread, and share the bytes, which live until
// the last of them is gone and the last answer has been sent.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace lastcall {

class SharedContent {
 public:
  explicit SharedContent(std::string content)
      : content_(std::make_shared<const std::string>(std::move(content))) {}
  // Throws std::invalid_argument for null.
  explicit SharedContent(std::shared_ptr<const std::string> content)
      : content_(std::move(content)) {
    if (content_ == nullptr) throw std::invalid_argument("there is no content: pass an empty one");
  }

  [[nodiscard]] std::string_view bytes() const { return *content_; }

 private:
  friend class Response;

  std::shared_ptr<const std::string> content_;
};

}  // namespace lastcall
