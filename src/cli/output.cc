#include "cli/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/time.h"
#include "cli/text.h"
#include "codec/json_view.h"

namespace slipway::cli {
namespace {

constexpr std::size_t kGap = 2;        // spaces between columns
constexpr std::size_t kMinColumn = 8;  // a cut column keeps this much

std::string cell(const std::string& text, const Table::Column& column, std::size_t width, bool unicode) {
  const std::string cut = display_width(text) > width ? truncate(text, width, unicode) : text;
  return column.align == Table::Align::right ? pad_left(cut, width) : pad_right(cut, width);
}

std::string without_trailing_spaces(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string indented(std::string_view text, std::string_view by) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!line.empty()) out.append(by).append(line);
    out += '\n';
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::widths(const TerminalFacts& facts) const {
  std::vector<std::size_t> width(columns_.size());
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    width[c] = display_width(columns_[c].heading);
    for (const auto& row : rows_) width[c] = std::max(width[c], display_width(row[c]));
  }
  if (!facts.out_tty) return width;
  const auto total = [&] { return std::accumulate(width.begin(), width.end(), kGap * (width.size() - 1)); };
  while (total() > static_cast<std::size_t>(facts.width)) {
    std::size_t widest = columns_.size();
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const bool can_shrink = !columns_[c].keep && columns_[c].align == Align::left && width[c] > kMinColumn;
      if (can_shrink && (widest == columns_.size() || width[c] > width[widest])) widest = c;
    }
    if (widest == columns_.size()) break;
    --width[widest];
  }
  return width;
}

std::string Table::render(const TerminalFacts& facts, std::size_t max_rows) const {
  const std::vector<std::size_t> width = widths(facts);
  const std::string gap(kGap, ' ');
  std::string out;
  const auto line = [&](auto&& text_at) {
    std::string text;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (c > 0) text += gap;
      text += cell(text_at(c), columns_[c], width[c], facts.unicode);
    }
    out += without_trailing_spaces(std::move(text)) + "\n";
  };
  line([&](std::size_t c) -> const std::string& { return columns_[c].heading; });
  const std::size_t shown = rows_.size() > max_rows ? std::max<std::size_t>(max_rows, 2) - 1 : rows_.size();
  for (std::size_t r = 0; r < shown; ++r)
    line([&](std::size_t c) -> const std::string& { return rows_[r][c]; });
  if (shown < rows_.size()) out += fmt::format("and {} more; `-o json` prints all\n", rows_.size() - shown);
  return out;
}

std::string to_json_text(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void print_value(Console& console, OutputFormat format, const Json& value) {
  console.out(format == OutputFormat::yaml ? to_yaml(value) : to_json_text(value));
}

Json error_json(const base::Error& error) {
  Json body{{"code", base::code_name(error.code())},
            {"symbol", base::info(error.code()).symbol},
            {"kind", base::kind_name(error.kind())},
            {"message", error.message()}};
  if (!error.detail().empty()) body["detail"] = error.detail();
  body["next"] = error.next_step();
  if (const auto wait = error.retry_after()) body["retry_after_ms"] = wait->count();
  return Json{{"error", std::move(body)}};
}

int print_error(Console& console, OutputFormat format, const base::Error& error) {
  if (format == OutputFormat::json) {
    console.err(to_json_text(error_json(error)));
    return base::info(error.code()).exit_code;
  }
  const std::string head = fmt::format("error {}:", base::code_name(error.code()));
  std::string text = console.paint_err(Style::red, head) + " " + without_controls(error.message()) + "\n";
  if (!error.detail().empty()) text += indented(without_controls(error.detail()), "  ");
  text += console.paint_err(Style::bold, "  next:") + " " + std::string(error.next_step()) + "\n";
  console.err(text);
  return base::info(error.code()).exit_code;
}

void print_note(Console& console, std::string_view text) {
  console.err(console.paint_err(Style::dim, without_controls(text)) + "\n");
}

void print_warning(Console& console, std::string_view text) {
  console.err(console.paint_err(Style::yellow, "warning:") + " " + without_controls(text) + "\n");
}

std::string text_of(const Json& object, const char* key, std::string fallback) {
  if (!object.is_object()) return fallback;
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  return found->is_string() ? found->get<std::string>() : found->dump();
}

double number_of(const Json& object, const char* key, double fallback) {
  return codec::number(object, key, fallback);
}

bool flag_of(const Json& object, const char* key, bool fallback) {
  if (!object.is_object()) return fallback;
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() ? found->get<bool>() : fallback;
}

const Json& object_of(const Json& object, const char* key) {
  static const Json kEmpty = Json::object();
  if (!object.is_object()) return kEmpty;
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : kEmpty;
}

const Json& list_of(const Json& object, const char* key) {
  return codec::list(object, key);
}

}  // namespace slipway::cli
