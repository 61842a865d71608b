#include "http/file_content.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <string>

#include <fmt/core.h>

#include <lastcall/response.h>

#include "await/context.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "http/date.h"
#include "http/exchange.h"
#include "http/preconditions.h"
#include "http/writer.h"
#include "io/files.h"

namespace lastcall {
namespace {

struct TypeOfName {
  std::string_view end;
  std::string_view type;
};
constexpr std::array types = {
    TypeOfName{".avif", "image/avif"},
    TypeOfName{".css", "text/css; charset=utf-8"},
    TypeOfName{".csv", "text/csv; charset=utf-8"},
    TypeOfName{".gif", "image/gif"},
    TypeOfName{".htm", "text/html; charset=utf-8"},
    TypeOfName{".html", "text/html; charset=utf-8"},
    TypeOfName{".ico", "image/x-icon"},
    TypeOfName{".jpeg", "image/jpeg"},
    TypeOfName{".jpg", "image/jpeg"},
    TypeOfName{".js", "text/javascript; charset=utf-8"},
    TypeOfName{".json", "application/json"},
    TypeOfName{".map", "application/json"},
    TypeOfName{".md", "text/markdown; charset=utf-8"},
    TypeOfName{".mjs", "text/javascript; charset=utf-8"},
    TypeOfName{".mp3", "audio/mpeg"},
    TypeOfName{".mp4", "video/mp4"},
    TypeOfName{".pdf", "application/pdf"},
    TypeOfName{".png", "image/png"},
    TypeOfName{".svg", "image/svg+xml"},
    TypeOfName{".txt", "text/plain; charset=utf-8"},
    TypeOfName{".wasm", "application/wasm"},
    TypeOfName{".webm", "video/webm"},
    TypeOfName{".webp", "image/webp"},
    TypeOfName{".woff2", "font/woff2"},
    TypeOfName{".xml", "application/xml"},
};

std::string_view type_of(std::string_view path) {
  for (const TypeOfName& each : types) {
    if (path.size() > each.end.size() &&
        same_token(path.substr(path.size() - each.end.size()), each.end))
      return each.type;
  }
  // What names no kind at all is mostly text: LICENSE, README.
  const std::string_view name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  return name.find('.') == std::string_view::npos ? "text/plain" : "application/octet-stream";
}

int status_of(int error) {
  switch (error) {
    case EACCES:
    case EPERM: return 403;
    case EMFILE:
    case ENFILE:
    case ENOMEM: return 503;
    case EIO: return 500;
    default: return 404;
  }
}

Validators validators_of(const OpenedFile& opened) {
  const std::string opaque =
      fmt::format("\"{:x}-{:x}.{:x}\"", opened.bytes, opened.modified, opened.modified_ns);
  // A time to come is none to tell (RFC 9110 section 8.8.2.1), nor one that no date stands for.
  const auto modified = std::clamp<std::int64_t>(opened.modified, 0, std::time(nullptr));
  return {.etag = opened.settled ? opaque : "W/" + opaque,
          .modified = modified,
          .strong = opened.settled};
}

}  // namespace

FilePiece& FileContent::piece(std::uint64_t sent, std::size_t bytes) {
  DCHECK(bytes > 0 && sent + bytes <= bytes_);
  piece_ = {.file = file_.get(), .offset = first_ + sent, .bytes = bytes};
  return piece_;
}

// What it sets is taken back where something else replaces it: `drop_file`.
Response& Response::file(std::string_view directory, std::string_view path) {
  if (exchange_ == nullptr) throw std::logic_error("a file is sent in answer to a request");
  body("");
  Context& here = context();
  OpenedFile opened;
  opened.error = EMFILE;
  if (here.has_room_for_file()) opened = open_below(std::string(directory), path);
  if (opened.error != 0) {
    const int failed = status_of(opened.error);
    if (failed == 503) here.metrics.add("files_denied");
    return status(failed).content_type("text/plain").body(reason_phrase(failed));
  }
  FileAnswer& answer = exchange_->file_answer;
  answer = {.content = nullptr,
            .fields_from = fields_.size(),
            .fields_bytes = 0,
            .status = status_,
            .type = content_type_};
  has_file_ = true;
  const ByteRange part = choose_part(opened, path);
  answer.fields_bytes = fields_.size() - answer.fields_from;
  if (part.bytes == 0) return *this;
  if (part.bytes <= limits::file_in_answer_bytes && exchange_->request.method() != Method::head) {
    body_.resize(part.bytes);
    const std::size_t read = read_cached(opened.fd.get(), part.first, body_.data(), body_.size());
    if (read == body_.size()) return *this;
    body_.clear();
  }
  answer.content =
      std::make_unique<FileContent>(std::move(opened.fd), part.first, part.bytes, here.files_open);
  return *this;
}

// What of it is sent, nothing where the status says it all. With a status of failure all of it is:
// neither conditions nor ranges mean anything then (RFC 9110 sections 13.2.1 and 14.2).
ByteRange Response::choose_part(const OpenedFile& opened, std::string_view path) {
  const ByteRange whole{.bytes = opened.bytes};
  const ByteRange none{};
  content_type(type_of(path));
  if (status_ > 299) return whole;
  const Request& request = exchange_->request;
  const Validators has = validators_of(opened);
  field("ETag", has.etag).field("Last-Modified", http_date(has.modified));
  if (const int failed = failed_precondition(request, has); failed != 0) {
    status(failed);
    return none;
  }
  field("Accept-Ranges", "bytes");
  if (status_ != 200) return whole;
  const ByteRange range = wanted_range(request, has, opened.bytes);
  if (range.kind == ByteRange::Kind::unsatisfiable) {
    status(416).field("Content-Range", fmt::format("bytes */{}", opened.bytes));
    return none;
  }
  if (range.kind == ByteRange::Kind::part) {
    status(206).field("Content-Range", fmt::format("bytes {}-{}/{}", range.first,
                                                   range.first + range.bytes - 1, opened.bytes));
  }
  return range;
}

void Response::drop_file() {
  has_file_ = false;
  FileAnswer& answer = exchange_->file_answer;
  answer.content.reset();
  fields_.erase(answer.fields_from, answer.fields_bytes);
  status_ = answer.status;
  content_type_ = answer.type;
  body_.clear();
}

}  // namespace lastcall
