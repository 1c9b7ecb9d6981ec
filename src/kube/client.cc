#include "kube/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "io/files.h"
#include "io/tool.h"

namespace slipway::kube {
namespace {

using base::Error, base::ErrorCode, base::Result;

constexpr auto kCallTime = std::chrono::seconds(30);
constexpr auto kTokenLife = std::chrono::minutes(1);  // of one that does not say when it expires
constexpr auto kExecTime = std::chrono::minutes(1);
constexpr int kTries = 4;
constexpr auto kFirstPause = std::chrono::milliseconds(250);
constexpr int kPage = 500;
constexpr std::size_t kMaxLine = 16u << 20;  // of a watch
// The server ends a watch after this, so that one that hangs is noticed too; a dead connection ends sooner.
constexpr int kWatchSeconds = 300;
constexpr auto kWatchGrace = std::chrono::seconds(30);
constexpr const char* kAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

Result<std::string> text_of(const codec::KubeData& data) {
  if (!data.text.empty() || data.path.empty()) return data.text;
  return io::read_file(data.path, 1u << 20);
}

std::string encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

void add(std::string& path, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  path += fmt::format("{}{}={}", path.find('?') == std::string::npos ? '?' : '&', key, encoded(value));
}

// The API's Status object.
Error refused(const io::RestCall& call, int status, const std::string& body) {
  const auto json = codec::parse_json(body);
  std::string reason = json ? codec::text(*json, "reason") : "",
              words = json ? codec::text(*json, "message") : "";
  if (words.empty()) words = body.substr(0, 500);
  const ErrorCode code = status == 401   ? ErrorCode::no_credentials
                         : status == 403 ? ErrorCode::access_denied
                                         : ErrorCode::kubernetes_failed;
  Error error(
      code, fmt::format("{} {} answered {}", call.method, call.path.substr(0, call.path.find('?')), status));
  if (reason.empty() && status == 404) reason = "NotFound";  // an API that is not served has no Status object
  if (reason.empty() && status == 409) reason = "Conflict";
  if (reason.empty() && status == 410) reason = "Expired";
  return std::move(error).with_detail(std::move(words)).with_param(std::move(reason));
}

bool passing(int status) {
  return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

}  // namespace

std::string Resource::path(std::string_view name_space, std::string_view name) const {
  std::string out = group.empty() ? "/api/" + version : fmt::format("/apis/{}/{}", group, version);
  if (!name_space.empty()) out += fmt::format("/namespaces/{}", name_space);
  out += "/" + plural;
  if (!name.empty()) out += fmt::format("/{}", name);
  return out;
}

Result<Client> Client::open(const std::filesystem::path& kubeconfig, const std::string& context) {
  SLIPWAY_TRY(const std::string text, io::read_file(kubeconfig, 4u << 20));
  SLIPWAY_TRY(codec::KubeAccess access, codec::parse_kubeconfig({kubeconfig.string(), text}, context));
  Client out(std::move(access));
  SLIPWAY_RETURN_IF_ERROR(out.connect());
  return out;
}

Result<Client> Client::in_cluster() {
  const char* const host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* const port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr)
    return Error(ErrorCode::no_credentials, "this is no pod of a cluster: KUBERNETES_SERVICE_HOST is not set")
        .with_next("Give a kubeconfig, or run in a pod with a service account.");
  const std::string folder = kAccount;
  const bool six = std::string_view(host).find(':') != std::string_view::npos;
  codec::KubeAccess access{
      .context = "in-cluster",
      .server = six ? fmt::format("https://[{}]:{}", host, port) : fmt::format("https://{}:{}", host, port),
      .authority = {.path = folder + "/ca.crt"},
      .token = {.path = folder + "/token"}};
  SLIPWAY_TRY(access.name_space, io::read_file(folder + "/namespace", 1u << 10));
  Client out(std::move(access));
  SLIPWAY_RETURN_IF_ERROR(out.connect());
  return out;
}

Result<void> Client::connect() {
  io::RestPeer peer{.base_url = access_.server,
                    .authority_pem = {},
                    .tls_name = access_.tls_name,
                    .skip_verification = access_.skip_verification,
                    .certificate_pem = {},
                    .key_pem = {}};
  SLIPWAY_TRY(peer.authority_pem, text_of(access_.authority));
  SLIPWAY_TRY(peer.certificate_pem, text_of(access_.certificate));
  SLIPWAY_TRY(peer.key_pem, text_of(access_.key));
  rest_.emplace(std::move(peer));
  return {};
}

Result<void> Client::authenticate() {
  const base::MonotonicTime now = base::monotonic_now();
  if (now < token_until_) return {};
  token_until_ = now + kTokenLife;
  if (!access_.exec) {
    SLIPWAY_TRY(token_, text_of(access_.token));
    while (token_.ends_with('\n') || token_.ends_with(' ')) token_.pop_back();
    return {};
  }
  const codec::KubeExec& exec = *access_.exec;
  io::Tool tool{.name = exec.command, .path = exec.command, .version = {}};
  if (!exec.command.starts_with('/')) {
    SLIPWAY_TRY(tool,
                io::find_tool({.name = exec.command,
                               .version_arguments = {},
                               .minimum = "",
                               .how_to_get = fmt::format("The kubeconfig's context {} runs it to log in.",
                                                         access_.context)}));
  }
  std::vector<std::string> variables = exec.variables;
  variables.push_back("KUBERNETES_EXEC_INFO=" + Json{{"apiVersion", exec.api_version},
                                                     {"kind", "ExecCredential"},
                                                     {"spec", {{"interactive", false}}}}
                                                    .dump());
  SLIPWAY_TRY(const io::ToolAnswer answer,
              io::call_tool(tool, {.arguments = exec.arguments,
                                   .variables = std::move(variables),
                                   .deadline = base::Deadline::after(kExecTime)}));
  if (!answer.ok())
    return Error(ErrorCode::no_credentials, fmt::format("{} did not log in", exec.command))
        .with_detail(answer.why());
  SLIPWAY_TRY(codec::ExecCredential credential, codec::parse_exec_credential({exec.command, answer.out}));
  token_ = std::move(credential.token);
  if (!credential.certificate.empty()) {
    access_.certificate = {.text = std::move(credential.certificate), .path = {}};
    access_.key = {.text = std::move(credential.key), .path = {}};
    SLIPWAY_RETURN_IF_ERROR(connect());
  }
  return {};
}

Result<io::RestAnswer> Client::call(io::RestCall call) {
  SLIPWAY_RETURN_IF_ERROR(authenticate());
  if (!token_.empty()) call.headers.push_back("Authorization: Bearer " + token_);
  auto answer = rest_->call(call);
  if (!answer && answer.error().code() == ErrorCode::io_failed)
    return Error(ErrorCode::unreachable_endpoint, answer.error().message())
        .with_next(
            "Check that the cluster runs and that this machine reaches it: `kubectl cluster-info`. On EKS, "
            "run "
            "Slipway inside the VPC or add your address to allowed_inbound_cidrs.");
  return answer;
}

// Passing refusals are tried again; a 401 asks for a new token once.
Result<std::string> Client::body_of(io::RestCall call) {
  base::Duration pause = kFirstPause;
  call.deadline = base::Deadline::after(kCallTime);
  for (int attempt = 1;; ++attempt) {
    SLIPWAY_TRY(io::RestAnswer answer, this->call(call));
    if (answer.status >= 200 && answer.status < 300) return std::move(answer.body);
    if (answer.status == 401 && attempt == 1) {
      token_until_ = base::MonotonicTime::min();
      continue;
    }
    if (!passing(answer.status) || attempt == kTries) return refused(call, answer.status, answer.body);
    std::this_thread::sleep_for(std::max<base::Duration>(
        pause,
        std::min<base::Duration>(std::chrono::seconds(answer.retry_after_s), std::chrono::seconds(5))));
    pause *= 2;
  }
}

Result<Json> Client::answered(io::RestCall call) {
  const std::string path = call.path;
  SLIPWAY_TRY(const std::string body, body_of(std::move(call)));
  auto json = codec::parse_json(body);
  if (json) return *std::move(json);
  return Error(ErrorCode::kubernetes_failed, fmt::format("{} answered something that is not JSON", path))
      .with_detail(body.substr(0, 500));
}

Result<std::string> Client::text(const std::string& path) {
  return body_of({.path = path});
}

Result<std::string> Client::text_once(const std::string& path, base::Duration limit) {
  const io::RestCall request{.path = path, .deadline = base::Deadline::after(limit)};
  SLIPWAY_TRY(io::RestAnswer answer, call(request));
  if (answer.status >= 200 && answer.status < 300) return std::move(answer.body);
  return refused(request, answer.status, answer.body);
}

Result<std::optional<Json>> Client::get(const std::string& path) {
  auto json = answered({.path = path});
  if (json) return std::optional<Json>(*std::move(json));
  if (json.error().param() == "NotFound") return std::optional<Json>();
  return std::move(json).error();
}

Result<Json> Client::list(const std::string& path, const std::string& selector) {
  return pages(path, selector, {});
}

Result<Json> Client::list_metadata(const std::string& path, const std::string& selector) {
  return pages(path, selector, {"Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"});
}

Result<Json> Client::pages(const std::string& path, const std::string& selector,
                           const std::vector<std::string>& headers) {
  Json all{{"metadata", {{"resourceVersion", ""}}}, {"items", Json::array()}};
  std::string more;
  do {
    std::string page = path;
    add(page, "limit", std::to_string(kPage));
    add(page, "labelSelector", selector);
    add(page, "continue", more);
    SLIPWAY_TRY(const Json answer, answered({.path = page, .headers = headers}));
    const Json& meta = codec::field(answer, "metadata");
    all["metadata"]["resourceVersion"] = codec::text(meta, "resourceVersion");
    for (const Json& item : codec::list(answer, "items")) all["items"].push_back(item);
    more = codec::text(meta, "continue");
  } while (!more.empty());
  return all;
}

Result<void> Client::watch(const std::string& path, const std::string& selector,
                           const std::string& resource_version,
                           const std::function<Result<void>(WatchEvent)>& on_event,
                           const std::atomic<bool>* cancelled) {
  std::string query = path;
  add(query, "watch", "true");
  add(query, "allowWatchBookmarks", "true");
  add(query, "labelSelector", selector);
  add(query, "resourceVersion", resource_version);
  add(query, "timeoutSeconds", std::to_string(kWatchSeconds));
  std::string rest;
  const auto take = [&](std::string_view line) -> Result<void> {
    auto json = codec::parse_json(line);
    if (!json) return Error(ErrorCode::kubernetes_failed, "a watch sent a line that is not JSON");
    WatchEvent event{.type = codec::text(*json, "type"), .object = codec::field(*json, "object")};
    if (event.type == "ERROR")
      return refused({.path = query}, static_cast<int>(codec::number(event.object, "code")),
                     event.object.dump());
    return on_event(std::move(event));
  };
  const auto sink = [&](std::string_view bytes) -> Result<void> {
    rest += bytes;
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = rest.find('\n', begin)) != std::string::npos; begin = end + 1)
      if (end > begin) SLIPWAY_RETURN_IF_ERROR(take(std::string_view(rest).substr(begin, end - begin)));
    rest.erase(0, begin);
    if (rest.size() > kMaxLine)
      return Error(ErrorCode::kubernetes_failed, "a watch sent a line without an end");
    return {};
  };
  io::RestCall request{.path = query,
                       .deadline = base::Deadline::after(std::chrono::seconds(kWatchSeconds) + kWatchGrace),
                       .sink = sink,
                       .cancelled = cancelled};
  auto answer = call(request);
  if (!answer) return std::move(answer).error();
  if (answer->status < 200 || answer->status >= 300) return refused(request, answer->status, answer->body);
  return {};
}

Result<Json> Client::apply(const std::string& path, const Json& object, bool dry_run) {
  std::string query = path;
  add(query, "fieldManager", kFieldManager);
  add(query, "force", "true");
  add(query, "fieldValidation", "Strict");
  if (dry_run) add(query, "dryRun", "All");
  return answered({.method = "PATCH",
                   .path = query,
                   .headers = {"Content-Type: application/apply-patch+yaml"},
                   .body = object.dump()});
}

Result<Json> Client::create(const std::string& path, const Json& object) {
  return answered(
      {.method = "POST", .path = path, .headers = {"Content-Type: application/json"}, .body = object.dump()});
}

Result<Json> Client::replace(const std::string& path, const Json& object) {
  return answered(
      {.method = "PUT", .path = path, .headers = {"Content-Type: application/json"}, .body = object.dump()});
}

Result<void> Client::scale(const std::string& path, int replicas) {
  SLIPWAY_TRY([[maybe_unused]] const Json done,
              answered({.method = "PATCH",
                        .path = path + "/scale",
                        .headers = {"Content-Type: application/merge-patch+json"},
                        .body = Json{{"spec", {{"replicas", replicas}}}}.dump()}));
  return {};
}

Result<bool> Client::erase(const std::string& path) {
  auto done = answered({.method = "DELETE", .path = path});
  if (done) return true;
  if (done.error().param() == "NotFound") return false;
  return std::move(done).error();
}

}  // namespace slipway::kube
