#include "codec/openai_request.h"

#include <simdjson.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;
namespace dom = simdjson::dom;
namespace ondemand = simdjson::ondemand;

// Buffers that a huge body made larger than this are given back.
constexpr std::size_t kKeepBytes = 256 * 1024;
// A body that is not JSON is read a second time to name the place; larger ones are refused without.
constexpr std::size_t kLocateBytes = 256 * 1024;

Error bad_field(std::string_view field, std::string_view what) {
  return Error(ErrorCode::bad_request, "`" + std::string(field) + "` " + std::string(what))
      .with_param(std::string(field));
}

// The field that holds what the model reads; empty where the gateway does not look.
std::string_view prompt_field(OpenAiCall call) {
  switch (call) {
    case OpenAiCall::chat:
      return "messages";
    case OpenAiCall::completion:
    case OpenAiCall::images:
      return "prompt";
    case OpenAiCall::embeddings:
      return "input";
    default:
      return "";
  }
}

Error bad_json(simdjson::error_code code, std::string_view body, const JsonLimits& limits) {
  if (code == simdjson::DEPTH_ERROR)
    return Error(ErrorCode::bad_json,
                 "the body nests deeper than " + std::to_string(limits.max_depth) + " levels");
  std::string what = std::string("the body is not valid JSON (") + simdjson::error_message(code) + ")";
  if (body.size() <= kLocateBytes) {
    try {
      static_cast<void>(nlohmann::json::parse(body));
    } catch (const nlohmann::json::parse_error& e) {
      what += " at byte " + std::to_string(e.byte);
    } catch (const nlohmann::json::exception&) {
    }
  }
  return Error(ErrorCode::bad_json, what);
}

// The running hash of the prompt's texts, with separators that no text can hold.
class PromptHash {
 public:
  PromptHash() { XXH3_64bits_reset(&state_); }
  void text(std::string_view s) {
    XXH3_64bits_update(&state_, s.data(), s.size());
    XXH3_64bits_update(&state_, "\xff", 1);
    bytes_ += s.size();
  }
  std::uint64_t value() const { return XXH3_64bits_digest(&state_); }
  std::uint64_t bytes() const { return bytes_; }

 private:
  XXH3_state_t state_;
  std::uint64_t bytes_ = 0;
};

void append_quoted(std::string& out, std::string_view text) {
  const bool plain =
      std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
  if (plain)
    out.append("\"").append(text).append("\"");
  else
    out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// A content part: {"type":"text","text":"..."}; other parts count by their text members only.
void hash_part(dom::object part, PromptHash& hash) {
  std::string_view text;
  if (part["text"].get(text) == simdjson::SUCCESS) hash.text(text);
}

// A string, a list of strings or token ids, or a list of content parts.
void hash_texts(dom::element value, PromptHash& hash) {
  switch (value.type()) {
    case dom::element_type::STRING:
      hash.text(value.get_string().value_unsafe());
      return;
    case dom::element_type::OBJECT:
      hash_part(value.get_object().value_unsafe(), hash);
      return;
    case dom::element_type::INT64: {
      const std::int64_t id = value.get_int64().value_unsafe();
      hash.text({reinterpret_cast<const char*>(&id), sizeof(id)});
      return;
    }
    case dom::element_type::ARRAY:
      for (const dom::element e : value.get_array().value_unsafe()) hash_texts(e, hash);
      return;
    default:
      return;
  }
}

Result<void> hash_messages(dom::element value, PromptHash& hash) {
  dom::array messages;
  if (value.get(messages) != simdjson::SUCCESS || messages.begin() == messages.end())
    return bad_field("messages", "must be a list with at least one message");
  for (const dom::element e : messages) {
    dom::object message;
    std::string_view role;
    if (e.get(message) != simdjson::SUCCESS || message["role"].get(role) != simdjson::SUCCESS)
      return bad_field("messages", "must hold objects with a `role`");
    hash.text(role);
    dom::element content;
    if (message["content"].get(content) == simdjson::SUCCESS) hash_texts(content, hash);
  }
  return {};
}

Result<void> read_bool(std::string_view key, dom::element value, bool& out) {
  if (value.is_null()) return {};
  if (value.get(out) != simdjson::SUCCESS) return bad_field(key, "must be true or false");
  return {};
}

Result<void> read_count(std::string_view key, dom::element value, std::optional<std::uint64_t>& out) {
  if (value.is_null()) return {};
  std::uint64_t n = 0;
  if (value.get(n) != simdjson::SUCCESS) return bad_field(key, "must be a whole number of at least 0");
  out = n;
  return {};
}

Result<std::size_t> count_stops(dom::element value, const JsonLimits& limits) {
  if (value.is_null()) return 0u;
  if (value.is_string()) return 1u;
  dom::array list;
  if (value.get(list) != simdjson::SUCCESS) return bad_field("stop", "must be a string or a list of strings");
  std::size_t count = 0;
  for (const dom::element e : list) {
    if (!e.is_string()) return bad_field("stop", "must be a string or a list of strings");
    if (++count > limits.max_stop)
      return bad_field("stop", "may hold at most " + std::to_string(limits.max_stop) + " strings");
  }
  return count;
}

struct Field {
  std::string_view key;    // unescaped
  std::string_view raw;    // "key":value as the client wrote them
  std::string_view value;  // the value's own bytes
};

}  // namespace

struct RequestReader::Impl {
  dom::parser dom_parser;
  ondemand::parser raw_parser;
  std::string input;  // the body with simdjson's padding behind it
  std::vector<Field> fields;
  bool force_usage = false;

  OpenAiRequest request;
  std::optional<std::uint64_t> max_tokens, max_completion_tokens;
  std::optional<std::uint64_t> n;
  bool has_prompt = false;

  void reset(const JsonLimits& limits, std::size_t bytes) {
    if (input.capacity() > kKeepBytes && bytes < kKeepBytes / 2) {
      input = {};
      dom_parser = dom::parser();
      raw_parser = ondemand::parser();
    }
    if (dom_parser.max_depth() != limits.max_depth || dom_parser.capacity() < bytes)
      static_cast<void>(dom_parser.allocate(std::max<std::size_t>(bytes, 4096), limits.max_depth));
    fields.clear();
    force_usage = false;
    request = {};
    max_tokens = max_completion_tokens = n = std::nullopt;
    has_prompt = false;
  }

  Result<void> take(OpenAiCall call, std::string_view key, dom::element value, const JsonLimits& limits);
  Result<void> find_fields(dom::object object, const JsonLimits& limits);
  static void write_stream_options(std::string_view raw, std::string& out);
};

// One top-level field of the DOM.
Result<void> RequestReader::Impl::take(OpenAiCall call, std::string_view key, dom::element value,
                                       const JsonLimits& limits) {
  if (key == "model") {
    std::string_view model;
    if (value.get(model) != simdjson::SUCCESS || model.empty())
      return bad_field(key, "must be a model's name");
    request.model = model;
    return {};
  }
  if (key == "stream") return read_bool(key, value, request.stream);
  if (key == "max_tokens") return read_count(key, value, max_tokens);
  if (key == "max_completion_tokens") return read_count(key, value, max_completion_tokens);
  if (key == "n") {
    SLIPWAY_RETURN_IF_ERROR(read_count(key, value, n));
    if (n && (*n < 1 || *n > static_cast<std::uint64_t>(limits.max_n)))
      return bad_field(key, "must be between 1 and " + std::to_string(limits.max_n));
    return {};
  }
  if (key == "stop") {
    SLIPWAY_TRY(request.stop_count, count_stops(value, limits));
    return {};
  }
  if (key == "stream_options") {
    if (value.is_null()) return {};
    dom::object options;
    if (value.get(options) != simdjson::SUCCESS) return bad_field(key, "must be an object");
    dom::element wanted;
    if (options["include_usage"].get(wanted) != simdjson::SUCCESS) return {};
    return read_bool("stream_options.include_usage", wanted, request.include_usage);
  }
  if (key != prompt_field(call)) return {};
  PromptHash hash;
  if (call == OpenAiCall::chat) {
    SLIPWAY_RETURN_IF_ERROR(hash_messages(value, hash));
  } else {
    hash_texts(value, hash);
  }
  has_prompt = true;
  request.prompt_hash = hash.value();
  request.prompt_bytes = hash.bytes();
  return {};
}

// Walks the top level twice at once: the DOM for unescaped keys, on demand for each field's bytes.
Result<void> RequestReader::Impl::find_fields(dom::object object, const JsonLimits& limits) {
  ondemand::document document;
  ondemand::object raw_object;
  if (raw_parser.iterate(input.data(), input.size(), input.capacity()).get(document) != simdjson::SUCCESS ||
      document.get_object().get(raw_object) != simdjson::SUCCESS)
    return Error(ErrorCode::bad_json, "the body must be a JSON object");
  auto member = object.begin();
  for (auto raw_field : raw_object) {
    if (fields.size() == limits.max_keys)
      return Error(ErrorCode::bad_request,
                   "the body has more than " + std::to_string(limits.max_keys) + " keys");
    ondemand::value raw_value;
    const char* key_start = raw_field.key().value_unsafe().raw() - 1;
    std::string_view value;
    if (raw_field.value().get(raw_value) != simdjson::SUCCESS ||
        simdjson::to_json_string(raw_value).get(value) != simdjson::SUCCESS)
      return Error(ErrorCode::bad_json, "the body must be a JSON object");
    const std::string_view key = member.key();
    for (const Field& seen : fields)
      if (seen.key == key) return bad_field(key, "appears twice");
    fields.push_back(
        {key, {key_start, static_cast<std::size_t>(value.data() + value.size() - key_start)}, value});
    ++member;
  }
  return {};
}

// Keeps what else the client put there and says include_usage once, as true.
void RequestReader::Impl::write_stream_options(std::string_view raw, std::string& out) {
  out += "\"stream_options\":{";
  dom::object options;
  if (!raw.empty()) {
    simdjson::padded_string copy(raw);
    dom::parser parser;
    dom::element element;
    if (parser.parse(copy).get(element) == simdjson::SUCCESS && element.get(options) == simdjson::SUCCESS)
      for (const auto& [key, value] : options)
        if (key != "include_usage") append_quoted(out, key), out += ":" + simdjson::minify(value) + ",";
  }
  out += "\"include_usage\":true}";
}

RequestReader::RequestReader() : impl_(std::make_unique<Impl>()) {}
RequestReader::~RequestReader() = default;

Result<OpenAiRequest> RequestReader::parse(OpenAiCall call, std::string_view body, const JsonLimits& limits) {
  if (body.size() > limits.max_bytes)
    return Error(ErrorCode::body_too_large, "the body has " + std::to_string(body.size()) +
                                                " bytes, the limit is " + std::to_string(limits.max_bytes));
  Impl& me = *impl_;
  me.reset(limits, body.size());
  me.input.reserve(body.size() + simdjson::SIMDJSON_PADDING);
  me.input.assign(body);

  dom::element root;
  dom::object object;
  if (const auto code = me.dom_parser.parse(me.input.data(), me.input.size(), false).get(root))
    return bad_json(code, body, limits);
  if (root.get(object) != simdjson::SUCCESS)
    return Error(ErrorCode::bad_json, "the body must be a JSON object");
  SLIPWAY_RETURN_IF_ERROR(me.find_fields(object, limits));
  for (const auto& [key, value] : object) SLIPWAY_RETURN_IF_ERROR(me.take(call, key, value, limits));

  const bool needs_model = call != OpenAiCall::tokenize && call != OpenAiCall::detokenize;
  if (needs_model && me.request.model.empty()) return bad_field("model", "is required");
  if (const auto field = prompt_field(call); !field.empty() && !me.has_prompt)
    return bad_field(field, "is required");
  if (call != OpenAiCall::chat && call != OpenAiCall::completion) me.request.stream = false;
  me.force_usage = me.request.stream;
  me.request.max_tokens = me.max_completion_tokens ? me.max_completion_tokens : me.max_tokens;
  me.request.n = me.n.value_or(1);
  return me.request;
}

void RequestReader::serialize(std::string_view model_id, std::string& out) {
  Impl& me = *impl_;
  out.clear();
  out.reserve(me.input.size() + model_id.size() + 64);
  out += "{\"model\":";
  append_quoted(out, model_id);
  std::string_view stream_options;
  for (const Field& field : me.fields) {
    if (field.key == "model") continue;
    if (field.key == "stream_options" && me.force_usage) {
      stream_options = field.value;
      continue;
    }
    out += ',';
    out += field.raw;
  }
  if (me.force_usage) {
    out += ',';
    me.write_stream_options(stream_options, out);
  }
  out += '}';
}

std::uint64_t request_fingerprint(std::string_view serialized_body) {
  return XXH3_64bits(serialized_body.data(), serialized_body.size());
}

}  // namespace slipway::codec
