#include "codec/openai_answer.h"

#include <simdjson.h>

#include <string>

namespace slipway::codec {
namespace {

namespace dom = simdjson::dom;

// A huge answer's buffers are given back.
constexpr std::size_t kKeepBytes = 256 * 1024;

Usage usage_of(dom::object usage) {
  Usage out;
  std::uint64_t n = 0;
  if (usage["prompt_tokens"].get(n) == simdjson::SUCCESS) out.prompt_tokens = n;
  if (usage["completion_tokens"].get(n) == simdjson::SUCCESS) out.completion_tokens = n;
  if (usage["prompt_tokens_details"]["cached_tokens"].get(n) == simdjson::SUCCESS) out.cached_tokens = n;
  return out;
}

}  // namespace

struct AnswerReader::Impl {
  dom::parser parser;
  std::string input;
};

AnswerReader::AnswerReader() : impl_(std::make_unique<Impl>()) {}
AnswerReader::~AnswerReader() = default;

AnswerFacts AnswerReader::read(std::string_view json) {
  AnswerFacts facts;
  impl_->input.reserve(json.size() + simdjson::SIMDJSON_PADDING);
  impl_->input.assign(json);
  dom::element root;
  dom::object object, usage;
  if (impl_->parser.parse(impl_->input.data(), impl_->input.size(), false).get(root) == simdjson::SUCCESS &&
      root.get(object) == simdjson::SUCCESS) {
    facts.object = true;
    if (object["usage"].get(usage) == simdjson::SUCCESS) facts.usage = usage_of(usage);
  }
  if (json.size() > kKeepBytes) *impl_ = Impl();
  return facts;
}

}  // namespace slipway::codec
