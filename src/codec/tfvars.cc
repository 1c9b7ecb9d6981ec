#include "codec/tfvars.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "codec/tfvars_lexer.h"

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;

class Parser {
 public:
  explicit Parser(const Source& source) : in_(source), text_(source.text) {}

  Result<TfObject> file() {
    TfObject out;
    std::set<std::string> names;
    SLIPWAY_RETURN_IF_ERROR(in_.skip(true));
    while (!in_.done()) {
      SLIPWAY_RETURN_IF_ERROR(attribute(out, names));
      SLIPWAY_RETURN_IF_ERROR(in_.skip(true));
    }
    return out;
  }

 private:
  Result<void> attribute(TfObject& out, std::set<std::string>& names) {
    const Place place = in_.place();
    const std::string name(in_.identifier());
    if (name.empty())
      return in_.error(place, fmt::format("a variable's name is expected here, not {}", here()));
    SLIPWAY_RETURN_IF_ERROR(in_.skip(false));
    if (in_.peek() == '{' || in_.peek() == '"')
      return in_.error(
          place, fmt::format("'{}' begins a block; a variables file has only `name = value` lines", name),
          name.size());
    if (in_.peek() != '=' || in_.peek(1) == '=')
      return in_.error(in_.place(), fmt::format("'=' is expected after '{}', not {}", name, here()));
    in_.advance();
    SLIPWAY_RETURN_IF_ERROR(in_.skip(false));
    SLIPWAY_TRY(TfValue v, value(1));
    SLIPWAY_RETURN_IF_ERROR(end_of_attribute());
    if (!names.insert(name).second)
      return in_.error(place, fmt::format("'{}' is set twice", name), name.size());
    v.name_place = place;
    out.push_back({name, std::move(v)});
    return {};
  }

  Result<void> end_of_attribute() {
    SLIPWAY_RETURN_IF_ERROR(in_.skip(false));
    if (in_.at_line_end()) return {};
    return expression_or(fmt::format("the line must end after the value, not go on with {}", here()));
  }

  Result<TfValue> value(int depth) {
    TfValue out;
    out.place = in_.place();
    if (++values_ > kTfMaxValues)
      return in_.error(out.place, fmt::format("there are more than {} values", kTfMaxValues));
    if (depth > kTfMaxDepth)
      return in_.error(out.place, fmt::format("the nesting is deeper than {}", kTfMaxDepth));
    const char c = in_.peek();
    if (c == '"') {
      SLIPWAY_TRY(out.value, in_.quoted());
    } else if (c == '<' && in_.peek(1) == '<') {
      SLIPWAY_TRY(out.value, in_.heredoc());
    } else if (c == '[') {
      SLIPWAY_TRY(out.value, list(depth));
    } else if (c == '{') {
      SLIPWAY_TRY(out.value, object(depth));
    } else if ((c >= '0' && c <= '9') || (c == '-' && in_.peek(1) >= '0' && in_.peek(1) <= '9')) {
      SLIPWAY_RETURN_IF_ERROR(number(out));
    } else {
      SLIPWAY_RETURN_IF_ERROR(word(out));
    }
    return out;
  }

  Result<void> word(TfValue& out) {
    const std::string name(in_.identifier());
    if (name == "true" || name == "false") {
      out.value = name == "true";
      return {};
    }
    if (name == "null") return {};
    if (name.empty()) return expression_or(fmt::format("a value is expected here, not {}", here()));
    const std::string_view what = in_.peek() == '(' ? "a function call" : "a reference";
    return in_.error(
        out.place,
        fmt::format("'{}' is {}; a variables file has only plain values (text goes in \"quotes\")",
                    name.substr(0, 60), what),
        name.size());
  }

  Result<void> number(TfValue& out) {
    const std::size_t start = in_.offset();
    const auto digits = [&] {
      while (in_.peek() >= '0' && in_.peek() <= '9') in_.advance();
    };
    (void)in_.take('-');
    digits();
    bool whole = true;
    if (in_.peek() == '.' && in_.peek(1) >= '0' && in_.peek(1) <= '9') {
      whole = false;
      in_.advance();
      digits();
    }
    if (in_.peek() == 'e' || in_.peek() == 'E') {
      whole = false;
      in_.advance();
      if (in_.peek() == '+' || in_.peek() == '-') in_.advance();
      digits();
    }
    return convert(text_.substr(start, in_.offset() - start), whole, out);
  }

  Result<void> convert(std::string_view digits, bool whole, TfValue& out) {
    std::int64_t i = 0;
    const auto as_int = std::from_chars(digits.data(), digits.data() + digits.size(), i);
    if (whole && as_int.ec == std::errc() && as_int.ptr == digits.data() + digits.size()) {
      out.value = i;
      return {};
    }
    double d = 0;
    const auto as_double = std::from_chars(digits.data(), digits.data() + digits.size(), d);
    if (as_double.ec != std::errc() || as_double.ptr != digits.data() + digits.size())
      return in_.error(out.place, fmt::format("'{}' is not a number that can be held", digits.substr(0, 40)),
                       digits.size());
    out.value = d;
    return {};
  }

  Result<TfList> list(int depth) {
    const Place start = in_.place();
    in_.advance();
    TfList out;
    for (;;) {
      SLIPWAY_RETURN_IF_ERROR(in_.skip(true));
      if (in_.done()) return in_.error(start, "the list '[' is never closed");
      if (in_.take(']')) return out;
      SLIPWAY_RETURN_IF_ERROR(refuse_for());
      SLIPWAY_TRY(TfValue item, value(depth + 1));
      out.push_back(std::move(item));
      SLIPWAY_RETURN_IF_ERROR(in_.skip(true));
      if (!in_.take(',') && !in_.done() && in_.peek() != ']')
        return expression_or(fmt::format("',' or ']' is expected here, not {}", here()));
    }
  }

  Result<TfObject> object(int depth) {
    const Place start = in_.place();
    in_.advance();
    TfObject out;
    std::set<std::string> names;
    for (;;) {
      SLIPWAY_RETURN_IF_ERROR(in_.skip(true));
      if (in_.done()) return in_.error(start, "the object '{' is never closed");
      if (in_.take('}')) return out;
      SLIPWAY_RETURN_IF_ERROR(refuse_for());
      SLIPWAY_RETURN_IF_ERROR(entry(out, names, depth));
      SLIPWAY_RETURN_IF_ERROR(in_.skip(false));
      const bool separated = in_.take(',') || in_.at_line_end() || in_.peek() == '}';
      if (!separated)
        return expression_or(fmt::format("a new line, ',' or '}}' is expected here, not {}", here()));
    }
  }

  Result<void> entry(TfObject& out, std::set<std::string>& names, int depth) {
    const Place place = in_.place();
    SLIPWAY_TRY(std::string name, key());
    if (!names.insert(name).second)
      return in_.error(place, fmt::format("the key '{}' is there twice", name.substr(0, 60)), name.size());
    SLIPWAY_RETURN_IF_ERROR(in_.skip(true));
    if (!in_.take('=') && !in_.take(':'))
      return in_.error(in_.place(),
                       fmt::format("'=' is expected after '{}', not {}", name.substr(0, 60), here()));
    SLIPWAY_RETURN_IF_ERROR(in_.skip(true));
    SLIPWAY_TRY(TfValue v, value(depth + 1));
    v.name_place = place;
    out.push_back({std::move(name), std::move(v)});
    return {};
  }

  Result<std::string> key() {
    const Place place = in_.place();
    if (in_.peek() == '"') return in_.quoted();
    const std::string_view name = in_.identifier();
    if (!name.empty()) return std::string(name);
    TfValue as_number;
    as_number.place = place;
    if (in_.peek() < '0' || in_.peek() > '9')
      return in_.error(place, fmt::format("a key is expected here, not {}", here()));
    const std::size_t start = in_.offset();
    SLIPWAY_RETURN_IF_ERROR(number(as_number));
    return std::string(text_.substr(start, in_.offset() - start));
  }

  Result<void> refuse_for() const {
    const bool is_for = in_.peek() == 'f' && in_.peek(1) == 'o' && in_.peek(2) == 'r' &&
                        (in_.peek(3) == ' ' || in_.peek(3) == '\t');
    if (is_for)
      return in_.error(in_.place(),
                       "a 'for' expression is not supported: a variables file has only plain values", 3);
    return {};
  }

  // Names the operator when that is what stands here.
  Error expression_or(std::string message) const {
    static constexpr std::string_view kOperators = "+-*/%<>=!&|?.([";
    if (!in_.done() && kOperators.contains(in_.peek()))
      return in_.error(
          in_.place(),
          fmt::format("'{}' would make an expression; a variables file has only plain values", in_.peek()));
    return in_.error(in_.place(), std::move(message));
  }

  std::string here() const {
    if (in_.done()) return "the end of the file";
    if (in_.peek() == '\n' || in_.peek() == '\r') return "the end of the line";
    const auto c = static_cast<unsigned char>(in_.peek());
    return c < 0x20 || c >= 0x7f ? fmt::format("the byte 0x{:02x}", c) : fmt::format("'{}'", in_.peek());
  }

  TfLexer in_;
  std::string_view text_;
  std::size_t values_ = 0;
};

}  // namespace

std::string_view type_words(const TfValue& value) {
  static constexpr std::string_view kWords[] = {"null", "true or false", "a number", "a number",
                                                "text", "a list",        "an object"};
  return kWords[value.value.index()];
}

Result<TfObject> parse_tfvars(const Source& source) {
  if (source.text.size() > kTfMaxBytes)
    return Error(ErrorCode::syntax, fmt::format("{} is {} bytes long; at most {} are read",
                                                at(source.name, {}), source.text.size(), kTfMaxBytes));
  if (!simdjson::validate_utf8(source.text.data(), source.text.size()))
    return Error(ErrorCode::syntax, fmt::format("{} is not UTF-8 text", at(source.name, {})));
  Source rest = source;
  if (rest.text.starts_with("\xEF\xBB\xBF")) rest.text.remove_prefix(3);
  return Parser(rest).file();
}

}  // namespace slipway::codec
