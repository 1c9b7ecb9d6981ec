#include "cli/sse_reader.h"

namespace slipway::cli {

base::Result<bool> SseReader::feed(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t end = piece.find('\n');
    pending_.append(piece.substr(0, end));
    if (pending_.size() + data_.size() > kMaxEventBytes) {
      return base::Error(base::ErrorCode::upstream_garbage, "the server sent an event of more than 16 MB");
    }
    if (end == std::string_view::npos) break;
    piece.remove_prefix(end + 1);
    std::string text = std::exchange(pending_, {});
    if (text.ends_with('\r')) text.pop_back();
    if (!line(text)) return false;
  }
  return true;
}

bool SseReader::line(std::string_view text) {
  if (text.empty()) {
    const std::string name = std::exchange(name_, {});
    const std::string data = std::exchange(data_, {});
    if (!std::exchange(has_data_, false)) return true;
    return on_event_(name.empty() ? "message" : name, data);
  }
  const std::size_t colon = text.find(':');
  const std::string_view field = text.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") name_ = value;
  if (field == "data") {
    if (has_data_) data_ += '\n';
    data_ += value;
    has_data_ = true;
  }
  return true;
}

}  // namespace slipway::cli
