#include "codec/yaml_tree.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <sstream>

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;

Place place_of_mark(const YAML::Mark& mark) {
  return mark.line < 0 ? Place{} : Place{mark.line + 1, mark.column + 1};
}

// Leaves yaml-cpp's parser from inside an event; caught in parse_yaml.
struct Refused {
  Place place;
  std::string message;
};

YamlNode make(YamlNode::Kind kind, Place place) {
  YamlNode node;
  node.kind = kind;
  node.place = place;
  return node;
}

std::size_t count_nodes(const YamlNode& node) {
  std::size_t n = 1;
  for (const YamlNode& item : node.items) n += count_nodes(item);
  for (const YamlNode::Entry& entry : node.entries) n += count_nodes(entry.value);
  return n;
}

int depth_of(const YamlNode& node) {
  int deepest = 0;
  for (const YamlNode& item : node.items) deepest = std::max(deepest, depth_of(item));
  for (const YamlNode::Entry& entry : node.entries) deepest = std::max(deepest, depth_of(entry.value));
  return deepest + 1;
}

bool is_core_tag(std::string_view tag) {
  static constexpr std::string_view kPrefix = "tag:yaml.org,2002:";
  static constexpr std::string_view kCore[] = {"str", "int", "float", "bool", "null", "map", "seq"};
  if (tag.empty() || tag == "?" || tag == "!") return true;
  return tag.starts_with(kPrefix) && std::ranges::find(kCore, tag.substr(kPrefix.size())) != std::end(kCore);
}

// yaml-cpp 0.7 takes a quote that is never closed as closed by the end of a file that ends in a newline.
bool is_closed(std::string_view text, std::size_t opening) {
  if (opening >= text.size() || (text[opening] != '\'' && text[opening] != '"'))
    return true;  // not where we think it is
  const char quote = text[opening];
  for (std::size_t i = opening + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\')
      ++i;
    else if (quote == '\'' && text[i] == quote && i + 1 < text.size() && text[i + 1] == quote)
      ++i;
    else if (text[i] == quote)
      return true;
  }
  return false;
}

bool is_null_word(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

class Builder : public YAML::EventHandler {
 public:
  explicit Builder(const YamlLimits& limits) : limits_(limits) {}
  YamlNode take() { return std::move(root_); }
  const YAML::Mark& last_quoted() const { return last_quoted_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(YamlNode::Kind::null, place_of_mark(mark)), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Place place = place_of_mark(mark);
    const auto at = anchors_.find(anchor);
    if (at == anchors_.end()) throw Refused{place, "an alias stands inside its own anchor"};
    count(count_nodes(at->second), place);
    if (static_cast<int>(open_.size()) + depth_of(at->second) > limits_.depth)
      throw Refused{place, too_deep()};
    YamlNode copy = at->second;
    copy.place = place;
    insert(std::move(copy));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(mark, tag);
    YamlNode node = make(YamlNode::Kind::scalar, place_of_mark(mark));
    node.text = value;
    node.quoted = tag != "?";
    if (node.quoted) last_quoted_ = mark;
    if (!node.quoted && is_null_word(value)) node.kind = YamlNode::Kind::null;
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    std::optional<std::pair<std::string, Place>> key = {};  // of a map: waits for its value
    std::set<std::string> keys = {};                        // of a map: all so far
  };

  std::string too_deep() const { return fmt::format("the nesting is deeper than {}", limits_.depth); }

  void check_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (!is_core_tag(tag))
      throw Refused{place_of_mark(mark), fmt::format("the tag '{}' is not supported", tag.substr(0, 60))};
  }

  void count(std::size_t n, Place place) {
    nodes_ += n;
    if (nodes_ > limits_.nodes)
      throw Refused{place,
                    fmt::format("there are more than {} values (aliases counted as what they stand for)",
                                limits_.nodes)};
  }

  void add(YamlNode node, YAML::anchor_t anchor) {
    count(1, node.place);
    remember(node, anchor);
    insert(std::move(node));
  }

  void remember(const YamlNode& node, YAML::anchor_t anchor) {
    if (anchor == 0) return;
    count(count_nodes(node), node.place);  // the remembered copy takes memory too
    anchors_[anchor] = node;
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    const Place place = place_of_mark(mark);
    check_tag(mark, tag);
    count(1, place);
    if (static_cast<int>(open_.size()) >= limits_.depth) throw Refused{place, too_deep()};
    if (wants_key()) throw Refused{place, "a key is a list or a map; keys must be text"};
    open_.push_back({.node = make(kind, place), .anchor = anchor});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    remember(done.node, done.anchor);
    insert(std::move(done.node));
  }

  bool wants_key() const {
    return !open_.empty() && open_.back().node.kind == YamlNode::Kind::map && !open_.back().key;
  }

  void insert(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (open_.back().node.kind == YamlNode::Kind::list) {
      open_.back().node.items.push_back(std::move(node));
    } else if (wants_key()) {
      set_key(node);
    } else {
      Open& map = open_.back();
      map.node.entries.push_back({std::move(map.key->first), map.key->second, std::move(node)});
      map.key.reset();
    }
  }

  void set_key(const YamlNode& node) {
    Open& map = open_.back();
    if (node.kind != YamlNode::Kind::scalar) throw Refused{node.place, "a key is empty or not text"};
    if (node.text == "<<" && !node.quoted)
      throw Refused{node.place, "merge keys (<<) are not supported: write the keys out"};
    if (!map.keys.insert(node.text).second)
      throw Refused{node.place, fmt::format("the key '{}' is there twice", node.text.substr(0, 60))};
    map.key = {node.text, node.place};
  }

  const YamlLimits& limits_;
  YamlNode root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, YamlNode> anchors_;
  std::size_t nodes_ = 0;
  YAML::Mark last_quoted_ = YAML::Mark::null_mark();
};

template <class T>
std::optional<T> whole_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.starts_with('-')) return {};
  int radix = 10;
  if (text.starts_with("0x")) radix = 16;
  if (text.starts_with("0o")) radix = 8;
  if (radix != 10) text.remove_prefix(2);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, radix);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return {};
  return negative ? -value : value;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  const auto at = std::ranges::find(entries, key, &Entry::key);
  return at == entries.end() ? nullptr : &at->value;
}

Result<YamlNode> parse_yaml(const Source& source, const YamlLimits& limits) {
  if (source.text.size() > limits.bytes)
    return Error(ErrorCode::syntax, fmt::format("{} is {} bytes long; at most {} are read",
                                                at(source.name, {}), source.text.size(), limits.bytes));
  if (!simdjson::validate_utf8(source.text.data(), source.text.size()))
    return Error(ErrorCode::syntax, fmt::format("{} is not UTF-8 text", at(source.name, {})));
  if (const std::size_t zero = source.text.find('\0'); zero != std::string_view::npos)
    return error_at(ErrorCode::syntax, source, place_of(source.text, zero), "the file has a zero byte");
  Builder builder(limits);
  try {
    std::istringstream in{std::string(source.text)};
    YAML::Parser parser(in);
    if (!parser.HandleNextDocument(builder)) return YamlNode{};
    YamlNode root = builder.take();
    const YAML::Mark& quoted = builder.last_quoted();
    if (quoted.pos >= 0 && !is_closed(source.text, static_cast<std::size_t>(quoted.pos)))
      return error_at(ErrorCode::syntax, source, place_of_mark(quoted), "YAML: a quote is never closed");
    Builder second(limits);
    if (parser.HandleNextDocument(second)) {
      const YamlNode extra = second.take();
      return error_at(ErrorCode::syntax, source, extra.place, "the file has more than one YAML document");
    }
    return root;
  } catch (const Refused& refused) {
    return error_at(ErrorCode::syntax, source, refused.place, refused.message);
  } catch (const YAML::Exception& e) {
    return error_at(ErrorCode::syntax, source, place_of_mark(e.mark), "YAML: " + e.msg);
  } catch (const std::exception& e) {
    return Error(ErrorCode::syntax,
                 fmt::format("{} cannot be read as YAML: {}", at(source.name, {}), e.what()));
  }
}

std::optional<bool> yaml_bool(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::scalar || node.quoted) return {};
  if (node.text == "true" || node.text == "True" || node.text == "TRUE") return true;
  if (node.text == "false" || node.text == "False" || node.text == "FALSE") return false;
  return {};
}

std::optional<std::int64_t> yaml_integer(const YamlNode& node, bool quoted_too) {
  if (node.kind != YamlNode::Kind::scalar || (node.quoted && !quoted_too)) return {};
  return whole_number<std::int64_t>(node.text);
}

std::optional<double> yaml_number(const YamlNode& node, bool quoted_too) {
  if (node.kind != YamlNode::Kind::scalar || (node.quoted && !quoted_too) || node.text.empty()) return {};
  if (const auto whole = yaml_integer(node, quoted_too)) return static_cast<double>(*whole);
  const std::string_view text = node.text;
  if (text.find_first_not_of("+-.0123456789eE") != std::string_view::npos) return {};
  double value = 0;
  const char* first = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(first, text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

std::string_view yaml_words(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      return "nothing";
    case YamlNode::Kind::list:
      return "a list";
    case YamlNode::Kind::map:
      return "a map";
    case YamlNode::Kind::scalar:
      break;
  }
  if (yaml_bool(node)) return "true or false";
  if (yaml_integer(node)) return "a whole number";
  if (yaml_number(node)) return "a number";
  return "text";
}

}  // namespace slipway::codec
