#include "codec/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "base/check.h"
#include "codec/platform_files.h"
#include "codec/suggest.h"
#include "codec/yaml_fields.h"
#include "codec/yaml_tree.h"

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;
using Fields = YamlFields;
using domain::CatalogEntry, domain::ModelFile, domain::ModelTask;

constexpr std::uint64_t kMaxBytes = 1ull << 44;
constexpr std::string_view kEntryKeys[] = {"name",        "model",          "aliases",
                                           "license",     "license_url",    "task",
                                           "parameters",  "context_tokens", "kv_bytes_per_token",
                                           "description", "files"};
constexpr std::string_view kFileKeys[] = {"name",         "quantization", "source",     "bytes",
                                          "bytes_approx", "sha256",       "derive_from"};
constexpr std::string_view kSchemes[] = {"hf:", "https:", "file:", "pypi:"};

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

bool is_digest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<void> check_file(const Fields& fields, const ModelFile& file) {
  const bool known =
      std::ranges::any_of(kSchemes, [&](std::string_view s) { return file.source.starts_with(s); });
  if (file.source.empty() == file.derive_from.empty())
    return fields.bad(fields.map(),
                      fmt::format("the file '{}' needs either 'source' or 'derive_from'", file.name));
  if (!file.source.empty() && !known)
    return fields.bad(*fields.node("source"),
                      fmt::format("'source' must begin with one of {}", fmt::join(kSchemes, " ")));
  if (!file.sha256.empty() && !is_digest(file.sha256))
    return fields.bad(*fields.node("sha256"), "'sha256' must be 64 hexadecimal digits in lower case");
  if (file.name.find('/') != std::string::npos || file.name == ".." || file.name == ".")
    return fields.bad(*fields.node("name"), "'name' must be a file name without a folder");
  return {};
}

Result<ModelFile> read_file(const YamlNode& node, const Source& source) {
  const Fields fields(node, source);
  SLIPWAY_RETURN_IF_ERROR(fields.only(kFileKeys));
  ModelFile file;
  SLIPWAY_TRY(file.name, fields.text("name", true));
  SLIPWAY_TRY(file.quantization, fields.text("quantization", true));
  SLIPWAY_TRY(file.source, fields.text("source", false));
  SLIPWAY_TRY(file.bytes, fields.number("bytes", kMaxBytes));
  SLIPWAY_TRY(file.bytes_approx, fields.truth("bytes_approx"));
  SLIPWAY_TRY(file.sha256, fields.text("sha256", false));
  SLIPWAY_TRY(file.derive_from, fields.text("derive_from", false));
  SLIPWAY_RETURN_IF_ERROR(check_file(fields, file));
  return file;
}

Result<ModelTask> read_task(const Fields& fields) {
  SLIPWAY_TRY(const std::string word, fields.text("task", true));
  for (const ModelTask task : {ModelTask::chat, ModelTask::base, ModelTask::embedding})
    if (to_string(task) == word) return task;
  return fields.bad(*fields.node("task"),
                    fmt::format("'task' is '{}'; it must be chat, base or embedding", word.substr(0, 60)));
}

Result<CatalogEntry> read_entry(const YamlNode& node, const Source& source) {
  const Fields fields(node, source);
  SLIPWAY_RETURN_IF_ERROR(fields.only(kEntryKeys));
  CatalogEntry entry;
  SLIPWAY_TRY(entry.name, fields.text("name", true));
  SLIPWAY_TRY(entry.model, fields.text("model", true));
  SLIPWAY_TRY(entry.aliases, fields.texts("aliases"));
  SLIPWAY_TRY(entry.license, fields.text("license", true));
  SLIPWAY_TRY(entry.license_url, fields.text("license_url", false));
  SLIPWAY_TRY(entry.task, read_task(fields));
  SLIPWAY_TRY(entry.parameters, fields.number("parameters", std::numeric_limits<std::int64_t>::max()));
  SLIPWAY_TRY(const std::uint64_t context, fields.number("context_tokens", 1u << 30));
  entry.context_tokens = static_cast<int>(context);
  SLIPWAY_TRY(entry.kv_bytes_per_token, fields.number("kv_bytes_per_token", 1u << 30));
  SLIPWAY_TRY(entry.description, fields.text("description", false));
  const YamlNode* files = fields.node("files");
  if (!files || files->kind != YamlNode::Kind::list || files->items.empty())
    return fields.bad(files ? *files : node,
                      fmt::format("'{}' needs a list 'files' with at least one file", entry.name));
  for (const YamlNode& item : files->items) {
    SLIPWAY_TRY(ModelFile file, read_file(item, source));
    entry.files.push_back(std::move(file));
  }
  return entry;
}

void sort(std::vector<CatalogEntry>& models) {
  std::ranges::sort(models, [](const CatalogEntry& a, const CatalogEntry& b) {
    return std::tie(a.parameters, a.name) < std::tie(b.parameters, b.name);
  });
}

}  // namespace

Result<Catalog> parse_catalog(const Source& source) {
  SLIPWAY_TRY(const YamlNode root,
              parse_yaml(source, {.bytes = kCatalogMaxBytes, .nodes = kCatalogMaxModels * 64, .depth = 8}));
  Catalog out;
  if (root.is_null()) return out;
  const Fields fields(root, source);
  static constexpr std::string_view kTop[] = {"models"};
  SLIPWAY_RETURN_IF_ERROR(fields.only(kTop));
  const YamlNode* models = fields.node("models");
  if (!models || models->is_null()) return out;
  if (models->kind != YamlNode::Kind::list) return fields.wrong(*models, "models", "a list");
  std::set<std::string> names;
  for (const YamlNode& node : models->items) {
    SLIPWAY_TRY(CatalogEntry entry, read_entry(node, source));
    std::vector<std::string> all = entry.aliases;
    all.push_back(entry.name);
    all.push_back(entry.model);
    for (const std::string& name : all)
      if (!names.insert(lower(name)).second)
        return fields.bad(node, fmt::format("the name '{}' stands for two models", name));
    out.models.push_back(std::move(entry));
  }
  sort(out.models);
  return out;
}

const CatalogEntry* Catalog::find(std::string_view name) const {
  const std::string wanted = lower(name);
  const auto named = [&](const std::string& s) { return lower(s) == wanted; };
  for (const CatalogEntry& entry : models)
    if (named(entry.name) || named(entry.model) || std::ranges::any_of(entry.aliases, named)) return &entry;
  return nullptr;
}

Result<const CatalogEntry*> Catalog::get(std::string_view name) const {
  if (const CatalogEntry* entry = find(name)) return entry;
  std::vector<std::string_view> known;
  for (const CatalogEntry& entry : models) {
    known.push_back(entry.name);
    known.push_back(entry.model);
  }
  return Error(ErrorCode::model_unknown, fmt::format("the catalogue has no model '{}'{}", name.substr(0, 100),
                                                     did_you_mean(name, known)));
}

void Catalog::merge(Catalog over) {
  for (CatalogEntry& entry : over.models) {
    std::erase_if(models, [&](const CatalogEntry& old) { return lower(old.name) == lower(entry.name); });
    models.push_back(std::move(entry));
  }
  sort(models);
}

const Catalog& built_in_catalog() {
  static const Catalog catalog = [] {
    auto parsed = parse_catalog({"the built-in catalogue", platform_file("catalog/models.yaml")});
    SLIPWAY_CHECK(parsed.has_value());
    return *std::move(parsed);
  }();
  return catalog;
}

std::string_view to_string(ModelTask task) {
  switch (task) {
    case ModelTask::chat:
      return "chat";
    case ModelTask::base:
      return "base";
    case ModelTask::embedding:
      return "embedding";
  }
  return "chat";
}

}  // namespace slipway::codec
