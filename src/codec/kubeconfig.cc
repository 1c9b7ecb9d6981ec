#include "codec/kubeconfig.h"

#include <fmt/format.h>
#include <sodium.h>

#include "codec/json_view.h"
#include "codec/yaml_tree.h"

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;

constexpr YamlLimits kLimits = {.bytes = 4u << 20, .nodes = 50'000, .depth = 20};

std::string value(const YamlNode* node, std::string_view key) {
  const YamlNode* found = node == nullptr ? nullptr : node->find(key);
  return found != nullptr && found->kind == YamlNode::Kind::scalar ? found->text : std::string();
}

// The entry of a list whose `name` is this one, and in it `body`.
const YamlNode* named(const YamlNode& root, std::string_view section, std::string_view body,
                      const std::string& name) {
  const YamlNode* items = root.find(section);
  if (items == nullptr) return nullptr;
  for (const YamlNode& item : items->items)
    if (value(&item, "name") == name) return item.find(body);
  return nullptr;
}

std::vector<std::string> names(const YamlNode& root, std::string_view section) {
  std::vector<std::string> out;
  if (const YamlNode* items = root.find(section))
    for (const YamlNode& item : items->items) out.push_back(value(&item, "name"));
  return out;
}

std::string beside(const Source& source, std::string path) {
  const std::string file(source.name);
  if (path.empty() || path.starts_with('/')) return path;
  const std::size_t slash = file.rfind('/');
  return slash == std::string::npos ? path : file.substr(0, slash + 1) + path;
}

Result<KubeData> data(const YamlNode* node, const Source& source, const std::string& key) {
  KubeData out;
  if (const std::string encoded = value(node, key + "-data"); !encoded.empty()) {
    auto decoded = base64_decoded(encoded);
    if (!decoded)
      return error_at(ErrorCode::bad_value, source, node->find(key + "-data")->place,
                      fmt::format("'{}-data' is no base64", key));
    out.text = *std::move(decoded);
  } else {
    out.path = beside(source, value(node, key));
  }
  return out;
}

Result<KubeExec> exec_of(const YamlNode& node, const Source& source) {
  KubeExec out{.command = value(&node, "command"), .api_version = value(&node, "apiVersion")};
  if (out.command.empty())
    return error_at(ErrorCode::missing_key, source, node.place, "'exec' has no 'command'");
  if (out.command.find('/') != std::string::npos) out.command = beside(source, out.command);
  if (const YamlNode* arguments = node.find("args"))
    for (const YamlNode& one : arguments->items) out.arguments.push_back(one.text);
  if (const YamlNode* variables = node.find("env"))
    for (const YamlNode& one : variables->items)
      out.variables.push_back(value(&one, "name") + "=" + value(&one, "value"));
  return out;
}

}  // namespace

std::optional<std::string> base64_decoded(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out(text.size() * 3 / 4 + 3, '\0');
  std::size_t size = 0;
  if (sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(), text.data(), text.size(),
                        "\r\n ", &size, nullptr, sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0)
    return std::nullopt;
  out.resize(size);
  return out;
}

Result<KubeAccess> parse_kubeconfig(const Source& source, const std::string& context) {
  SLIPWAY_TRY(const YamlNode root, parse_yaml(source, kLimits));
  KubeAccess out;
  out.context = context.empty() ? value(&root, "current-context") : context;
  const YamlNode* chosen = named(root, "contexts", "context", out.context);
  if (chosen == nullptr) {
    std::string there;
    for (const std::string& name : names(root, "contexts")) there += (there.empty() ? "" : ", ") + name;
    return error_at(ErrorCode::bad_value, source, root.place,
                    out.context.empty() ? "there is no current-context"
                                        : fmt::format("there is no context '{}'", out.context))
        .with_next(there.empty() ? "The file names no cluster; get one from your administrator."
                                 : fmt::format("Choose one of: {}.", there));
  }
  out.name_space = value(chosen, "namespace");
  const YamlNode* cluster = named(root, "clusters", "cluster", value(chosen, "cluster"));
  const YamlNode* user = named(root, "users", "user", value(chosen, "user"));
  out.server = value(cluster, "server");
  if (out.server.empty())
    return error_at(ErrorCode::missing_key, source, chosen->place,
                    fmt::format("the cluster '{}' of context '{}' has no 'server'", value(chosen, "cluster"),
                                out.context));
  while (out.server.ends_with('/')) out.server.pop_back();
  out.tls_name = value(cluster, "tls-server-name");
  out.skip_verification = value(cluster, "insecure-skip-tls-verify") == "true";
  SLIPWAY_TRY(out.authority, data(cluster, source, "certificate-authority"));
  SLIPWAY_TRY(out.certificate, data(user, source, "client-certificate"));
  SLIPWAY_TRY(out.key, data(user, source, "client-key"));
  out.token = {.text = value(user, "token"), .path = beside(source, value(user, "tokenFile"))};
  if (const YamlNode* exec = user == nullptr ? nullptr : user->find("exec")) {
    SLIPWAY_TRY(out.exec, exec_of(*exec, source));
  }
  return out;
}

Result<ExecCredential> parse_exec_credential(const Source& source) {
  const auto json = parse_json(source.text);
  const Json& status = json ? field(*json, "status") : field(Json(), "");
  ExecCredential out{.token = text(status, "token"),
                     .certificate = text(status, "clientCertificateData"),
                     .key = text(status, "clientKeyData"),
                     .expires = text(status, "expirationTimestamp")};
  if (out.token.empty() && out.certificate.empty())
    return Error(ErrorCode::no_credentials, fmt::format("{} printed no credential", source.name));
  return out;
}

}  // namespace slipway::codec
