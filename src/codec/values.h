// Model values files (values-*.yaml): the schema of the reference platform's inference charts, read strictly.
//
// Typed keys are checked by a schema table (values_schema.cc): an unknown key is unknown_key with "did you
// mean", a wrong type is wrong_type, a value outside the allowed set is bad_value, each with line, column and
// a caret. Free maps (modelParameters, env, labels, probes) take any key. Keys that only a cluster's chart
// reads are accepted.
//
// YAML comes from untrusted hands: size, depth, number of nodes (with aliases expanded) are bounded,
// duplicate keys and several documents are refused.
//
// Ownership: plain values. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/diagnostic.h"
#include "domain/model.h"

namespace slipway::codec {

inline constexpr std::size_t kValuesMaxBytes = 256u << 10;
inline constexpr int kValuesMaxDepth = 40;
inline constexpr std::size_t kValuesMaxNodes = 50'000;  // aliases count as often as they are used

base::Result<domain::ModelSpec> parse_values(const Source& source);

// What becomes of one modelParameters key on the local target.
enum class Honour { honoured, ignored, refused };
struct ParameterUse {
  std::string key;
  Honour honour = Honour::honoured;
  std::string words;  // "context of 8192 tokens", or why it is ignored or refused
};

// modelParameters as the local target understands them.
struct LocalParameters {
  std::optional<int> context_tokens;             // maxModelLen
  std::optional<int> parallel;                   // maxNumSeqs
  std::optional<int> batch_tokens;               // maxNumBatchedTokens
  domain::KvType kv_type = domain::KvType::f16;  // kvCacheDtype
  std::optional<bool> prefix_caching;            // enablePrefixCaching
  std::optional<std::uint32_t> seed;
  std::string quantization;           // "Q8_0": which file of the catalogue entry; empty = choose
  std::vector<std::string> aliases;   // servedModelName
  std::vector<ParameterUse> table;    // every key of the file, in order of name
  std::vector<std::string> warnings;  // one sentence for each ignored key
};
// wrong_type or bad_value for a value of a known key; parameter_refused for what would change the answer if
// ignored. `source` is the file the spec came from, for carets; the default has none.
base::Result<LocalParameters> local_parameters(const domain::ModelSpec& spec, const Source& source = {});

// Whether the local target can serve this at all: framework, accelerator, number of devices.
// model_cannot_run_here says why with the evidence and what could. `gpus`: usable GPUs of this machine.
// Returns notes for the user.
base::Result<std::vector<std::string>> check_local(const domain::ModelSpec& spec, int gpus);

// A spec as `slipway deploy NAME` makes it, without a file. `service_name`: a DNS label made from the
// catalogue's name.
domain::ModelSpec spec_of(const domain::CatalogEntry& entry);
std::string service_name_of(std::string_view model);

std::string_view to_string(domain::Framework framework);
std::string_view to_string(domain::Accelerator accelerator);
std::string_view to_string(Honour honour);

// The schema and the table of parameters as Markdown: the body of docs/values.md.
std::string values_markdown();

}  // namespace slipway::codec
