#include "environment/platform.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "codec/cluster_settings.h"
#include "codec/platform_files.h"

namespace slipway::environment {
namespace {

namespace fs = std::filesystem;
using base::Error, base::ErrorCode, base::Result;
using codec::list, codec::text;

constexpr std::string_view kFolders[] = {"terraform/", "charts/", "addons/"};
constexpr std::string_view kVariables = "slipway.auto.tfvars.json";
constexpr std::string_view kBackend = "backend_override.tf";

// FNV-1a: a short name, not a secret.
std::string short_hash(std::string_view words) {
  std::uint32_t hash = 2166136261u;
  for (const char c : words) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return fmt::format("{:08x}", hash);
}

std::string key_alias(const std::string& name) {
  return fmt::format("alias/slipway/{}/state", name);
}

Json tags_of(const std::string& name, const char* key, const char* value) {
  return Json::array({{{key, "slipway.dev/environment"}, {value, name}},
                      {{key, "slipway.dev/managed-by"}, {value, "slipway"}},
                      {{key, "slipway.dev/role"}, {value, "state"}}});
}

std::string backend_text(const Session& session, const domain::Blueprint& blueprint) {
  if (blueprint.cluster.state == domain::StateStore::local)
    return fmt::format("terraform {{\n  backend \"local\" {{\n    path = {}\n  }}\n}}\n",
                       Json(session.where().terraform_state.string()).dump());
  return fmt::format(
      "terraform {{\n  backend \"s3\" {{\n    bucket       = {}\n    key          = \"terraform.tfstate\"\n"
      "    region       = {}\n    encrypt      = true\n    kms_key_id   = {}\n    use_lockfile = true\n  "
      "}}\n}}\n",
      Json(state_bucket(session.name(), session.identity().account, blueprint.cluster.region)).dump(),
      Json(blueprint.cluster.region).dump(), Json(key_alias(session.name())).dump());
}

// Not waiting for the disk: a file that a power cut tore is written again by the next run, which compares.
Result<void> write_changed(const fs::path& path, std::string_view text) {
  const auto before = io::read_file(path);
  if (before && *before == text) return {};
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (out) return {};
  return Error(ErrorCode::io_failed, fmt::format("{} cannot be written", path.string()));
}

// Files of an older version would still be read by Terraform.
void remove_strangers(const fs::path& folder, const std::set<std::string>& written) {
  std::error_code ignored;
  std::vector<fs::path> strangers;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".tf") && !name.ends_with("_override.tf") && !written.contains(name))
      strangers.push_back(entry.path());
  }
  for (const fs::path& path : strangers) fs::remove(path, ignored);
}

// The key that an earlier run made and whose alias it could not make any more.
Result<std::string> lost_key(Session& session) {
  SLIPWAY_TRY(const Json keys, session.aws().call("kms", "list-keys"));
  for (const Json& key : list(keys, "Keys")) {
    SLIPWAY_TRY(const auto tags,
                session.aws().find("kms", "list-resource-tags", {{"KeyId", text(key, "KeyId")}}));
    if (!tags) continue;
    int matches = 0;
    for (const Json& t : list(*tags, "Tags")) {
      matches += text(t, "TagKey") == "slipway.dev/environment" && text(t, "TagValue") == session.name();
      matches += text(t, "TagKey") == "slipway.dev/role" && text(t, "TagValue") == "state";
    }
    if (matches != 2) continue;
    SLIPWAY_TRY(const auto found, session.aws().find("kms", "describe-key", {{"KeyId", text(key, "KeyId")}}));
    if (found && text(codec::field(*found, "KeyMetadata"), "KeyState") == "Enabled")
      return text(key, "KeyId");
  }
  return std::string();
}

Result<Json> make_key(Session& session) {
  cloud::Aws& aws = session.aws();
  const std::string alias = key_alias(session.name());
  SLIPWAY_TRY(const auto there, aws.find("kms", "describe-key", {{"KeyId", alias}}));
  if (there) return Json{{"key", text(codec::field(*there, "KeyMetadata"), "KeyId")}, {"alias", alias}};
  SLIPWAY_TRY(std::string key, lost_key(session));
  if (key.empty()) {
    SLIPWAY_TRY(const Json made, aws.call("kms", "create-key",
                                          {{"Description", session.name() + ": Terraform state"},
                                           {"Tags", tags_of(session.name(), "TagKey", "TagValue")}}));
    key = text(codec::field(made, "KeyMetadata"), "KeyId");
  }
  SLIPWAY_RETURN_IF_ERROR(aws.call("kms", "enable-key-rotation", {{"KeyId", key}}));
  SLIPWAY_RETURN_IF_ERROR(aws.call("kms", "create-alias", {{"AliasName", alias}, {"TargetKeyId", key}}));
  return Json{{"key", key}, {"alias", alias}};
}

Json bucket_policy(const std::string& bucket) {
  const Json resources = {fmt::format("arn:aws:s3:::{}", bucket), fmt::format("arn:aws:s3:::{}/*", bucket)};
  return {{"Version", "2012-10-17"},
          {"Statement", Json::array({{{"Sid", "TlsOnly"},
                                      {"Effect", "Deny"},
                                      {"Principal", "*"},
                                      {"Action", "s3:*"},
                                      {"Resource", resources},
                                      {"Condition", {{"Bool", {{"aws:SecureTransport", "false"}}}}}}})}};
}

Result<Json> make_bucket(Session& session, const std::string& key) {
  cloud::Aws& aws = session.aws();
  const std::string bucket = state_bucket(session.name(), session.identity().account, aws.region());
  const Json which{{"Bucket", bucket}, {"ExpectedBucketOwner", session.identity().account}};
  const auto with = [&](const char* name, Json value) {
    Json out = which;
    out[name] = std::move(value);
    return out;
  };
  SLIPWAY_TRY(const auto there, aws.find("s3api", "head-bucket", which));
  if (!there) {
    Json make{{"Bucket", bucket}};
    // S3's first region takes no location.
    if (aws.region() != "us-east-1")
      make["CreateBucketConfiguration"] = {{"LocationConstraint", aws.region()}};
    SLIPWAY_RETURN_IF_ERROR(aws.call("s3api", "create-bucket", make));
  }
  SLIPWAY_RETURN_IF_ERROR(aws.call("s3api", "put-bucket-tagging",
                                   with("Tagging", {{"TagSet", tags_of(session.name(), "Key", "Value")}})));
  SLIPWAY_RETURN_IF_ERROR(
      aws.call("s3api", "put-public-access-block",
               with("PublicAccessBlockConfiguration", {{"BlockPublicAcls", true},
                                                       {"IgnorePublicAcls", true},
                                                       {"BlockPublicPolicy", true},
                                                       {"RestrictPublicBuckets", true}})));
  SLIPWAY_RETURN_IF_ERROR(
      aws.call("s3api", "put-bucket-versioning", with("VersioningConfiguration", {{"Status", "Enabled"}})));
  const Json encryption{{"Rules", Json::array({{{"ApplyServerSideEncryptionByDefault",
                                                 {{"SSEAlgorithm", "aws:kms"}, {"KMSMasterKeyID", key}}},
                                                {"BucketKeyEnabled", true}}})}};
  SLIPWAY_RETURN_IF_ERROR(
      aws.call("s3api", "put-bucket-encryption", with("ServerSideEncryptionConfiguration", encryption)));
  SLIPWAY_RETURN_IF_ERROR(
      aws.call("s3api", "put-bucket-policy", with("Policy", bucket_policy(bucket).dump())));
  return Json{{"bucket", bucket}};
}

}  // namespace

std::string state_bucket(const std::string& name, const std::string& account, const std::string& region) {
  return fmt::format("slipway-{}-{}-state", name, short_hash(account + "/" + region));
}

Result<Json> write_platform(const Session& session, const domain::Blueprint& blueprint,
                            const std::string& kubernetes_version) {
  const fs::path terraform = session.where().platform / "terraform";
  SLIPWAY_RETURN_IF_ERROR(io::make_directories(terraform));
  std::set<std::string> written;
  int files = 0;
  for (const std::string_view folder : kFolders)
    for (const codec::PlatformFile& file : codec::platform_files_in(folder)) {
      const fs::path path = session.where().platform / file.path;
      SLIPWAY_RETURN_IF_ERROR(io::make_directories(path.parent_path()));
      SLIPWAY_RETURN_IF_ERROR(write_changed(path, file.text));
      if (folder == "terraform/") written.insert(path.filename().string());
      ++files;
    }
  remove_strangers(terraform, written);
  SLIPWAY_RETURN_IF_ERROR(
      write_changed(terraform / kVariables, codec::terraform_variables(blueprint, kubernetes_version)));
  SLIPWAY_RETURN_IF_ERROR(write_changed(terraform / kBackend, backend_text(session, blueprint)));
  return Json{{"files", files}, {"kubernetes_version", kubernetes_version}};
}

Result<void> make_state_store(Session& session) {
  SLIPWAY_TRY(const Json key,
              session.perform({.id = "state/key", .title = "make the key of Terraform's state", .run = [&] {
                                 return make_key(session);
                               }}));
  SLIPWAY_RETURN_IF_ERROR(session.perform({.id = "state/bucket",
                                           .title = "make the bucket of Terraform's state",
                                           .run = [&] { return make_bucket(session, text(key, "key")); }}));
  return {};
}

}  // namespace slipway::environment
