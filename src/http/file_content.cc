#include "http/file_content.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>

#include <fmt/core.h>

#include <lastcall/response.h>

#include "base/check.h"
#include "base/limits.h"
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
  return {.etag = opened.settled ? opaque : "W/" + opaque,
          .modified = opened.modified,
          .strong = opened.settled};
}

}  // namespace

FilePiece& FileContent::piece(std::uint64_t sent) {
  DCHECK(sent < bytes_);
  piece_ = {.file = file_.get(),
            .offset = first_ + sent,
            .bytes = static_cast<std::size_t>(
                std::min<std::uint64_t>(bytes_ - sent, limits::file_piece_bytes))};
  return piece_;
}

Response& Response::file(std::string_view directory, std::string_view path) {
  if (exchange_ == nullptr) throw std::logic_error("a file is sent in answer to a request");
  body("");
  OpenedFile opened = open_below(std::string(directory), path);
  if (opened.error != 0) {
    const int failed = status_of(opened.error);
    return status(failed).body(reason_phrase(failed));
  }
  const Request& request = exchange_->request;
  const Validators has = validators_of(opened);
  field("ETag", has.etag).field("Last-Modified", http_date(has.modified));
  if (const int failed = failed_precondition(request, has); failed != 0) return status(failed);
  content_type(type_of(path)).field("Accept-Ranges", "bytes");
  const ByteRange range = wanted_range(request, has, opened.bytes);
  if (range.kind == ByteRange::Kind::unsatisfiable)
    return status(416).field("Content-Range", fmt::format("bytes */{}", opened.bytes));
  if (range.kind == ByteRange::Kind::part) {
    status(206).field("Content-Range", fmt::format("bytes {}-{}/{}", range.first,
                                                   range.first + range.bytes - 1, opened.bytes));
  }
  if (range.bytes <= limits::file_in_answer_bytes && request.method() != Method::head) {
    body_.resize(range.bytes);
    const std::size_t read = read_cached(opened.fd.get(), range.first, body_.data(), body_.size());
    if (read == body_.size()) return *this;
    body_.clear();
  }
  if (range.bytes == 0) return *this;
  exchange_->file = std::make_unique<FileContent>(std::move(opened.fd), range.first, range.bytes);
  has_file_ = true;
  return *this;
}

void Response::drop_file() {
  has_file_ = false;
  exchange_->file.reset();
}

}  // namespace lastcall
