#include "gateway/serve.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <memory>

#include "io/append_file.h"
#include "io/files.h"
#include "io/http.h"
#include "io/service.h"
#include "store/keys.h"

namespace slipway::gateway {

using base::Error, base::ErrorCode, base::Result;

namespace {

constexpr std::size_t kMaxKeyFile = 4u << 20;
constexpr std::size_t kMinKeyBytes = 16;

domain::Model& model_named(domain::Snapshot& snapshot, std::string_view id) {
  auto it = std::ranges::find(snapshot.models, id, &domain::Model::id);
  if (it == snapshot.models.end()) {
    domain::Model model;
    model.id = id;
    it = snapshot.models.insert(it, std::move(model));
  }
  return *it;
}

// Takes the next word of a line.
std::string_view next_word(std::string_view& line) {
  const auto start = line.find_first_not_of(" \t\r");
  if (start == std::string_view::npos) return line = {};
  line.remove_prefix(start);
  const auto word = line.substr(0, line.find_first_of(" \t\r"));
  line.remove_prefix(word.size());
  return word;
}

Result<std::uint32_t> read_limit(std::string_view word, int line) {
  std::uint32_t n = 0;
  if (word.empty()) return n;
  const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), n);
  if (failed != std::errc() || end != word.data() + word.size())
    return Error(ErrorCode::bad_value, "line " + std::to_string(line) + ": `" + std::string(word) +
                                           "` is not a limit (a number; 0 is none)");
  return n;
}

// An id that says nothing of the key: the first digits of its digest.
std::string id_of(const domain::KeyDigest& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id = "key_";
  for (std::size_t i = 0; i < 5; ++i) id += {kDigits[digest[i] >> 4], kDigits[digest[i] & 15]};
  return id;
}

Result<domain::KeySet> read_key_file(const std::string& path) {
  using std::filesystem::perms;
  std::error_code ignored;  // a file that is not there is named by read_file
  const perms mode = std::filesystem::status(path, ignored).permissions();
  if (mode != perms::unknown && (mode & (perms::group_all | perms::others_all)) != perms::none)
    return Error(ErrorCode::permission, "others can read the key file " + path)
        .with_next("Run: chmod 600 " + path);
  SLIPWAY_TRY(const std::string text, io::read_file(path, kMaxKeyFile));
  auto keys = parse_key_file(text);
  if (!keys) return std::move(keys).error().with_context("reading " + path);
  return keys;
}

}  // namespace

Result<domain::Snapshot> static_snapshot(const std::vector<std::string>& replicas) {
  if (replicas.empty())
    return Error(ErrorCode::missing_key, "no replica is named").with_next("Add --replica MODEL=ENDPOINT.");
  if (replicas.size() > domain::kMaxReplicas)
    return Error(ErrorCode::bad_value,
                 "at most " + std::to_string(domain::kMaxReplicas) + " replicas are served");
  domain::Snapshot snapshot;
  std::uint32_t slot = 0;
  for (const std::string& text : replicas) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error(ErrorCode::bad_value, "`" + text + "` is not MODEL=ENDPOINT");
    domain::Replica replica;
    SLIPWAY_TRY(replica.endpoint, io::parse_endpoint(std::string_view(text).substr(equals + 1)));
    replica.model_id = text.substr(0, equals);
    replica.state = domain::ReplicaState::ready;
    replica.slot = slot++;
    domain::Model& model = model_named(snapshot, replica.model_id);
    replica.id = base::ReplicaId(model.id + "-" + std::to_string(model.replicas.size()));
    model.replicas.push_back(std::move(replica));
  }
  std::ranges::sort(snapshot.models, {}, &domain::Model::id);
  for (domain::Model& model : snapshot.models) std::ranges::sort(model.replicas, {}, &domain::Replica::id);
  return snapshot;
}

Result<domain::KeySet> parse_key_file(std::string_view text) {
  domain::KeySet set;
  set.required = true;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::string_view secret = next_word(line);
    if (secret.empty() || secret.starts_with('#')) continue;
    if (secret.size() < kMinKeyBytes)
      return Error(ErrorCode::bad_value, "line " + std::to_string(number) + ": a key has at least " +
                                             std::to_string(kMinKeyBytes) + " characters");
    domain::Key key;
    key.digest = store::key_digest(secret);
    key.id = base::KeyId(id_of(key.digest));
    key.name = key.id.str();
    key.scopes = {"inference", "admin"};
    key.slot = static_cast<std::uint32_t>(set.keys.size());
    SLIPWAY_TRY(key.limits.requests_per_minute, read_limit(next_word(line), number));
    SLIPWAY_TRY(key.limits.tokens_per_minute, read_limit(next_word(line), number));
    SLIPWAY_TRY(key.limits.concurrent, read_limit(next_word(line), number));
    if (set.keys.size() == domain::kMaxKeys)
      return Error(ErrorCode::bad_value,
                   "a key file holds at most " + std::to_string(domain::kMaxKeys) + " keys");
    if (!set.keys.emplace(key.digest, key).second)
      return Error(ErrorCode::bad_value, "line " + std::to_string(number) + ": this key is there twice");
  }
  if (set.keys.empty()) return Error(ErrorCode::bad_value, "the key file holds no key");
  return set;
}

Result<void> run_gateway_role(const GatewayRoleOptions& options,
                              const std::function<void(const domain::Endpoint&)>& on_ready) {
  SLIPWAY_TRY(const domain::Endpoint listen, io::parse_endpoint(options.listen));
  SLIPWAY_TRY(domain::Snapshot snapshot, static_snapshot(options.replicas));
  domain::KeySet keys;
  if (!options.key_file.empty()) {
    SLIPWAY_TRY(keys, read_key_file(options.key_file));
  }
  GatewayOptions gateway_options;
  gateway_options.threads = options.threads;
  std::unique_ptr<io::AppendFile> log;
  if (!options.log.empty()) {
    SLIPWAY_TRY(log, io::AppendFile::open(options.log));
    gateway_options.request_log = [&log](std::string_view lines) { log->append(lines); };
  }
  const base::Published<domain::Snapshot> published(
      std::make_shared<const domain::Snapshot>(std::move(snapshot)));
  const base::Published<domain::KeySet> published_keys(
      std::make_shared<const domain::KeySet>(std::move(keys)));
  telemetry::Registry metrics;
  Gateway gateway(std::move(gateway_options), published, published_keys, metrics);

  io::raise_file_limit();
  io::Loop signals("signals");
  io::on_signals(signals, {SIGINT, SIGTERM}, [&signals](int) { signals.stop(); });
  SLIPWAY_RETURN_IF_ERROR(gateway.start(listen));
  if (on_ready) on_ready(gateway.local());
  io::notify_service_manager("READY=1");
  signals.run();
  io::notify_service_manager("STOPPING=1");
  gateway.drain(base::Deadline::after(options.drain));
  gateway.stop();
  return {};
}

}  // namespace slipway::gateway
