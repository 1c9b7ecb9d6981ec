#include "control/startup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace slipway::control {

using base::Error, base::ErrorCode, base::Result;

Result<std::filesystem::path> find_worker(const DaemonOptions& options) {
  std::filesystem::path program = options.worker;
  if (const char* const named = std::getenv("SLIPWAY_WORKER"); program.empty() && named != nullptr)
    program = named;
  std::error_code unknown;
  if (program.empty())
    program = std::filesystem::read_symlink("/proc/self/exe", unknown).parent_path() / "slipway-worker";
  program = std::filesystem::absolute(program, unknown);
  if (!std::filesystem::is_regular_file(program, unknown))
    return Error(ErrorCode::worker_missing, fmt::format("there is no worker program {}", program.string()));
  return program;
}

Result<codec::Catalog> load_catalog(const domain::Blueprint& blueprint) {
  codec::Catalog catalog = codec::built_in_catalog();
  if (blueprint.catalog_dir.empty()) return catalog;
  const auto dir = std::filesystem::path(blueprint.source).parent_path() / blueprint.catalog_dir;
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  if (error)
    return Error(ErrorCode::bad_value,
                 fmt::format("catalog_dir {} cannot be read: {}", dir.string(), error.message()))
        .with_next("Name a folder with catalogue files (docs/values.md), or leave catalog_dir out.");
  std::ranges::sort(files);
  for (const auto& file : files) {
    SLIPWAY_TRY(const std::string text, io::read_file(file, codec::kCatalogMaxBytes));
    SLIPWAY_TRY(codec::Catalog more, codec::parse_catalog({file.native(), text}));
    catalog.merge(std::move(more));
  }
  return catalog;
}

namespace {

bool is_values_file(std::string_view name) {
  return name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml");
}

Result<Asked> asked_of(const std::string& model, const std::filesystem::path& blueprint) {
  Asked asked;
  if (!is_values_file(model)) {
    asked.name = model;
    asked.source = "catalogue";
    return asked;
  }
  const std::filesystem::path path = blueprint.parent_path() / model;  // an absolute path stays what it is
  SLIPWAY_TRY(asked.values, io::read_file(path, codec::kValuesMaxBytes));
  asked.source = path;
  return asked;
}

}  // namespace

Result<std::vector<Asked>> wanted_models(const DaemonOptions& options, const codec::Catalog& catalog,
                                         const policy::Hardware& hardware, bool has_deployments) {
  std::vector<Asked> out;
  if (!options.deploy_models) return out;
  std::vector<std::string> models = options.blueprint.models;
  if (models.empty() && !has_deployments) models.emplace_back(codec::kEmbeddedModel);
  for (const std::string& model : models) {
    SLIPWAY_TRY(Asked asked, asked_of(model, options.blueprint.source));
    SLIPWAY_RETURN_IF_ERROR(resolve(asked, catalog, hardware));
    out.push_back(std::move(asked));
  }
  return out;
}

Result<domain::Endpoint> gateway_address(const domain::Blueprint& blueprint, const domain::KeySet& keys) {
  const std::string host = blueprint.gateway_host.contains(':') ? fmt::format("[{}]", blueprint.gateway_host)
                                                                : blueprint.gateway_host;
  SLIPWAY_TRY(domain::Endpoint address,
              io::parse_endpoint(fmt::format("tcp:{}:{}", host, blueprint.gateway_port)));
  if (!io::is_loopback(address) && keys.keys.empty())
    return Error(ErrorCode::key_required,
                 fmt::format("the gateway would listen on {} for other machines, and there is no API key",
                             blueprint.gateway_host))
        .with_next(
            "Run `slipway up` on 127.0.0.1 first, then `slipway keys create NAME`, `slipway down`, and this "
            "again.");
  return address;
}

std::string url_of(const domain::Endpoint& endpoint) {
  if (endpoint.host == "0.0.0.0") return fmt::format("http://127.0.0.1:{}", endpoint.port);
  if (endpoint.host == "::") return fmt::format("http://[::1]:{}", endpoint.port);
  const bool v6 = endpoint.host.contains(':');
  return fmt::format("http://{}{}{}:{}", v6 ? "[" : "", endpoint.host, v6 ? "]" : "", endpoint.port);
}

}  // namespace slipway::control
