#include "environment/secrets.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "environment/journal.h"
#include "environment/session.h"
#include "kube/pod_facts.h"
#include "store/model_store.h"

namespace slipway::environment {
namespace {

using base::Error, base::ErrorCode, base::Result;
using codec::field, codec::list, codec::text;
namespace fs = std::filesystem;

constexpr std::size_t kLongest = 1024;
constexpr const char* kEnvironmentLabel = "slipway.dev/environment";
const kube::Resource kSecrets{"", "v1", "secrets"};
const kube::Resource kNamespaces{"", "v1", "namespaces"};

Error no_token(std::string why) {
  return Error(ErrorCode::bad_value, "that is no Hugging Face token: " + std::move(why))
      .with_next(
          "Copy it from https://huggingface.co/settings/tokens, then run `slipway secret set hf-token` "
          "again.");
}

std::string base64(std::string_view bytes) {
  std::string out(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), sodium_base64_VARIANT_ORIGINAL);
  out.pop_back();  // the final NUL
  return out;
}

// What a program or a server says back may quote what it was given.
std::string hidden(std::string words, const std::string& secret) {
  constexpr std::string_view kInstead = "[token]";
  for (const std::string& form : {secret, base64(secret)})
    for (std::size_t at = words.find(form); at != std::string::npos;
         at = words.find(form, at + kInstead.size()))
      words.replace(at, form.size(), kInstead);
  return words;
}

Error hidden(const Error& error, const std::string& secret) {
  return Error(error.code(), hidden(error.message(), secret))
      .with_detail(hidden(error.detail(), secret))
      .with_param(error.param())
      .with_next(std::string(error.next_step()));
}

std::string cloud_name(const std::string& environment) {
  return fmt::format("slipway/{}/huggingface-token", environment);
}

// AWS's API as the environment's owner. `patience` must outlive it.
Result<std::unique_ptr<cloud::Aws>> aws_of(const io::Paths& paths, const std::string& environment,
                                           const io::Patience& patience) {
  SLIPWAY_TRY(const Workspace where, workspace_of(paths, environment));
  SLIPWAY_TRY(const auto journal, Journal::open_read_only(where.journal));
  SLIPWAY_TRY(const auto owner, journal.ownership());
  if (!owner || owner->life == "gone")
    return Error(ErrorCode::unknown_environment, fmt::format("environment {} is not up", environment))
        .with_next("Run `slipway up -f FILE` first: it makes the place of the token.");
  SLIPWAY_TRY(io::Tool tool, io::find_tool(cloud::aws_need()));
  auto aws = std::make_unique<cloud::Aws>(std::move(tool), owner->region, patience);
  SLIPWAY_TRY(const cloud::Identity identity, aws->identity());
  if (identity.account != owner->account)
    return Error(ErrorCode::wrong_account,
                 fmt::format("environment {} is in account {}, and {} is of account {}", environment,
                             owner->account, identity.arn, identity.account))
        .with_next(fmt::format("Use credentials of account {} (AWS_PROFILE).", owner->account));
  return aws;
}

Result<void> need_namespace(kube::Client& api, const std::string& name) {
  SLIPWAY_TRY(const auto there, api.get(kNamespaces.path("", name)));
  if (there) return {};
  SLIPWAY_RETURN_IF_ERROR(
      api.apply(kNamespaces.path("", name),
                {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name}}}}));
  return {};
}

}  // namespace

Result<CheckedToken> checked_token(std::string_view given) {
  for (const char end : {'\n', '\r'})
    if (given.ends_with(end)) given.remove_suffix(1);
  if (given.empty()) return no_token("it is empty");
  if (given.size() > kLongest) return no_token(fmt::format("it is longer than {} characters", kLongest));
  if (given.find('\n') != std::string_view::npos) return no_token("it has several lines");
  if (std::ranges::any_of(given, [](char c) { return c == ' ' || c == '\t'; }))
    return no_token("there is a blank in it");
  if (std::ranges::any_of(given, [](char c) { return c <= ' ' || c >= 127; }))
    return no_token("there is a character in it that tokens do not have");
  CheckedToken out{.text = std::string(given), .warning = {}};
  if (!given.starts_with("hf_"))
    out.warning = "It does not begin with hf_, as tokens of huggingface.co do; it is kept as it is.";
  return out;
}

Result<KeptSecret> keep_token_here(const io::Paths& paths, const CheckedToken& token) {
  const fs::path file = store::hf_token_file(paths);
  SLIPWAY_RETURN_IF_ERROR(io::make_directories(file.parent_path()));
  SLIPWAY_RETURN_IF_ERROR(io::write_file_atomic(file, token.text + "\n", 0600));
  return KeptSecret{.name = kHubToken, .where = file.string()};
}

std::vector<KeptSecret> secrets_here(const io::Paths& paths) {
  const fs::path file = store::hf_token_file(paths);
  std::error_code none;
  const fs::file_time_type written = fs::last_write_time(file, none);
  if (none) return {};
  const double age_s = std::chrono::duration<double>(fs::file_time_type::clock::now() - written).count();
  return {{.name = kHubToken, .where = file.string(), .age_s = age_s}};
}

Result<KeptSecret> keep_token_on(kube::Client& api, const ClusterPlace& place, const std::string& environment,
                                 const CheckedToken& token) {
  SLIPWAY_RETURN_IF_ERROR(need_namespace(api, place.name_space));
  const std::string value = base64(token.text);
  const auto done = api.apply(kSecrets.path(place.name_space, kHubToken),
                              {{"apiVersion", "v1"},
                               {"kind", "Secret"},
                               {"metadata",
                                {{"name", kHubToken},
                                 {"namespace", place.name_space},
                                 {"labels",
                                  {{"app.kubernetes.io/part-of", "slipway"},
                                   {"app.kubernetes.io/managed-by", "slipway"},
                                   {kEnvironmentLabel, environment}}}}},
                               {"type", "Opaque"},
                               {"data", {{"token", value}, {"HF_TOKEN", value}}}});
  if (!done) return hidden(done.error(), token.text);
  return KeptSecret{.name = kHubToken, .where = fmt::format("Secret {}/{}", place.name_space, kHubToken)};
}

Result<std::vector<KeptSecret>> secrets_on(kube::Client& api, const ClusterPlace& place) {
  SLIPWAY_TRY(const Json found, api.list_metadata(kSecrets.path(place.name_space), "owner!=helm"));
  const base::WallTime now = base::wall_now();
  std::vector<KeptSecret> out;
  for (const Json& secret : list(found, "items")) {
    const Json& meta = field(secret, "metadata");
    out.push_back({.name = text(meta, "name"),
                   .where = fmt::format("Secret {}/{}", place.name_space, text(meta, "name")),
                   .age_s = kube::age_of(text(meta, "creationTimestamp"), now)});
  }
  return out;
}

Result<bool> forget_token_on(kube::Client& api, const ClusterPlace& place, const std::string& environment) {
  SLIPWAY_TRY(const Json found, api.list_metadata(kSecrets.path(place.name_space),
                                                  fmt::format("app.kubernetes.io/managed-by=slipway,{}={}",
                                                              kEnvironmentLabel, environment)));
  bool any = false;
  for (const Json& secret : list(found, "items")) {
    SLIPWAY_TRY(const bool gone,
                api.erase(kSecrets.path(place.name_space, text(field(secret, "metadata"), "name"))));
    any = any || gone;
  }
  return any;
}

Result<KeptSecret> keep_token_in_cloud(const io::Paths& paths, const std::string& environment,
                                       const CheckedToken& token, const io::Patience& patience) {
  SLIPWAY_TRY(const auto aws, aws_of(paths, environment, patience));
  const auto done = aws->call_hidden("secretsmanager", "put-secret-value",
                                     {{"SecretId", cloud_name(environment)}, {"SecretString", token.text}});
  if (!done) return hidden(done.error(), token.text);
  return KeptSecret{.name = kHubToken, .where = "Secrets Manager " + cloud_name(environment)};
}

Result<KeptSecret> secret_in_cloud(const io::Paths& paths, const std::string& environment,
                                   const io::Patience& patience) {
  SLIPWAY_TRY(const auto aws, aws_of(paths, environment, patience));
  SLIPWAY_TRY(const auto found,
              aws->find("secretsmanager", "describe-secret", {{"SecretId", cloud_name(environment)}}));
  KeptSecret out{.name = kHubToken, .where = "Secrets Manager " + cloud_name(environment), .age_s = -1};
  if (!found || field(*found, "VersionIdsToStages").empty()) return out;
  // One version of the program prints seconds, the other a date.
  const Json& changed = field(*found, "LastChangedDate");
  const base::WallTime now = base::wall_now();
  out.age_s = changed.is_number()
                  ? std::max(0.0, std::chrono::duration<double>(now.time_since_epoch()).count() -
                                      changed.get<double>())
                  : kube::age_of(text(*found, "LastChangedDate"), now);
  return out;
}

}  // namespace slipway::environment
